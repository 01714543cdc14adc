from __future__ import annotations

import asyncio
import base64
import copy
import html
import json
import os
import pickle
import re
import traceback
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, unquote, unquote_plus
from xml.sax.saxutils import escape

import pytest
from rich.pretty import pretty_repr

from polycloud.common.aws.credentials import AWSCredentials, CredentialPayload
from polycloud.common.base import ConnectionUserAndKey, JsonResponse, XmlResponse
from polycloud.common.tokens import Token
from polycloud.compute.base import NodeImage, NodeLocation, NodeSize
from polycloud.compute.providers import get_driver
from polycloud.concurrency.bridge import bridged
from polycloud.concurrency.calls import call_options
from polycloud.dns.base import Zone
from polycloud.dns.providers import get_driver as get_dns_driver
from polycloud.errors import PolycloudError, ProviderHTTPError
from polycloud.http.loop import LoopTransports
from polycloud.http.messages import RawResponse, Request, TransportOptions
from polycloud.http.retry import RetryPolicy
from polycloud.storage.base import Container, Object
from polycloud.storage.providers import get_driver as get_storage_driver
from polycloud.tracing.cleaning import clean
from polycloud.utils.headers import Headers
from support.forked import Forker
from support.recorded import everything_recorded
from support.web import Answer, Seen, Web, raw_answers, serve

World = Callable[[Callable[[], Any]], Any]
ONCE = RetryPolicy(attempts=1)
SETTLE_TIME = 0.2
"""How long drivers look for a create that they take for lost."""
TOKEN = "canarytoken0123456789abcdef"
PASSWORD = "canaryroot\"&<p>/+x %41\\é'"
USER_DATA = '#!/bin/sh\necho "canarydata & é" > /x\n'
PROXY = "canaryproxy@:/%"
CANARY = re.compile(r"canary[a-z]+")


def plainly(call: Callable[[], Any]) -> Any:
    return call()


def on_a_loop(call: Callable[[], Any]) -> Any:
    async def main() -> Any:
        async with LoopTransports() as transports:
            return await bridged(call, transports)

    return asyncio.run(main())


WORLDS = [plainly, on_a_loop]


@pytest.fixture(params=WORLDS)
def world(request: pytest.FixtureRequest) -> World:
    world: World = request.param
    return world


def canaries(*texts: str) -> set[str]:
    """The canaries in texts, in whatever encoding."""
    text = "\n".join({line for text in texts for line in text.splitlines()})  # they repeat most lines
    found = set(CANARY.findall(text))
    for _ in range(4):
        found.update(*map(canaries_in_base64, {*re.findall(r"[A-Za-z0-9_+/-]{8,}", text)}))
        decoded = html.unescape(unquote(text))
        decoded = re.sub(r"\\u([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), decoded)
        if decoded == text:
            break
        found.update(CANARY.findall(text := decoded))
    return found


@lru_cache(100_000)  # texts repeat most of their words
def canaries_in_base64(word: str) -> set[str]:
    """The canaries in a word of base64, wherever it begins."""
    found = set()
    for cut in range(4):
        some = word[cut:].replace("-", "+").replace("_", "/")
        some = some[: len(some) // 4 * 4]
        found.update(CANARY.findall(base64.b64decode(some).decode("latin-1")))
    return found


def shown(error: BaseException | None, seen: frozenset[int] = frozenset()) -> str:
    """All that an error and those that it came from hold."""
    if error is None or id(error) in seen:
        return ""
    seen |= {id(error)}
    assert error.__cause__ is not error  # libraries that copy causes, such as Dask's, would not end
    copies = [copy.copy(error), copy.deepcopy(error), pickle.loads(pickle.dumps(error))]
    texts = [pickle.dumps(error).decode("latin-1"), *traceback.format_exception(error)]
    for one in (error, *copies):
        texts += [str(one), repr(one), repr(one.args), repr(vars(one)), *getattr(one, "__notes__", ())]
    for name in dir(error):
        if not name.startswith("__"):
            texts.append(f"{getattr(error, name)!r}")
    return "\n".join([*texts, shown(error.__cause__, seen), shown(error.__context__, seen)])


# A server that repeats whatever it is sent


def heard(seen: Seen) -> str:
    """What a request holds, decoded as a server does."""
    body = seen.body.decode("utf-8", "replace")
    decoded = [unquote_plus(body)]
    for word in re.findall(r"[\w+/]{8,}={0,2}", f"{seen.headers} {unquote_plus(body)}"):
        try:
            decoded.append(base64.b64decode(word + "==").decode())
        except ValueError:
            continue
    with suppress(ValueError, AttributeError):
        decoded += [str(value) for value in json.loads(body).values()]
    return " | ".join([unquote(seen.target), *seen.headers.values(), body, *decoded])


def entities(text: str) -> str:
    return "".join(f"&#x{ord(c):x};" if i % 2 else f"&#{ord(c):03};" for i, c in enumerate(text))


REPEATS: dict[str, Callable[[str], tuple[str, str]]] = {
    "JSON": lambda text: ("application/json", json.dumps({"message": text, "errors": [{"reason": text}]})),
    "JSON in JSON": lambda text: ("application/json", json.dumps({"message": json.dumps({"x": text})})),
    "XML": lambda text: ("text/xml", f"<R><Message>{escape(text)}</Message><a b='{html.escape(text)}'/></R>"),
    "CDATA": lambda text: ("text/xml", f"<R><Message><![CDATA[{text}]]></Message></R>"),
    "HTML": lambda text: ("text/html", f"<html><p>{html.escape(text)}</p><p>{entities(text)}</p></html>"),
    "URLs": lambda text: ("text/plain", f"{quote(text)} {quote(text, safe='')} {quote_plus(text)}"),
    "base64": lambda text: ("text/plain", base64.b64encode(f"x{text}".encode()).decode()),
    "text": lambda text: ("text/plain", text),
    "broken JSON": lambda text: ("application/json", '{"id": "' + text),
}


def repeating(form: str, status: int) -> Callable[[Seen], Answer]:
    def respond(seen: Seen) -> Answer:
        text = heard(seen)
        kind, body = REPEATS[form](text)
        line = json.dumps(" ".join(text.split()))
        headers = {
            "Content-Type": kind,
            "X-Said": line,
            "X-Request-Id": quote(line),
            "Location": f"/x?said={quote_plus(line)}",
            "Set-Cookie": f"session={base64.b64encode(text.encode()).decode()}",
            **{f"X-Your-{name}": value for name, value in seen.headers.items()},
        }
        return Answer(status, body.encode(), headers)

    return respond


# Requests full of secrets


class Basic(ConnectionUserAndKey):
    def add_default_headers(self, headers: dict[str, str]) -> dict[str, str]:
        pair = base64.b64encode(f"{self.user_id}:{self.key}".encode()).decode()
        return {**headers, "Authorization": f"Basic {pair}"}

    def add_default_params(self, params: dict[str, Any]) -> dict[str, Any]:
        return {**params, "api_key": self.key}


class JsonCloud(Basic):
    responseCls = JsonResponse


class XmlCloud(Basic):
    responseCls = XmlResponse


PART = 'Content-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
BODIES: dict[str, dict[str, Any]] = {
    "JSON": {"json": {"root_pass": PASSWORD, "metadata": {"user_data": USER_DATA}}},
    "JSON in a form": {"data": {"spec": json.dumps({"a": [{"adminPass": PASSWORD, "userData": USER_DATA}]})}},
    "form": {"data": {"UserData": base64.b64encode(USER_DATA.encode()).decode(), "RootPassword": PASSWORD}},
    "XML": {
        "data": f"<a><rootPassword>{escape(PASSWORD)}</rootPassword>"
        f"<user_data><![CDATA[{USER_DATA}]]></user_data></a>"
    },
    "multipart": {
        "data": f"--b\r\n{PART.format('adminPass', PASSWORD)}"
        f"--b\r\n{PART.format('user_data', USER_DATA)}--b--\r\n",
        "headers": {"Content-Type": "multipart/form-data; boundary=b"},
    },
    "tag": {"json": {"env": [{"name": "ROOT_PASSWORD", "value": PASSWORD}]}},
    "nothing": {},
}  # fmt: skip


def linode(web: Web) -> Any:
    driver = get_driver("linode")(TOKEN, **web.options, retry=ONCE)
    size = NodeSize("g6-nanode-1", "", 1024, 25, 1000, 0.0075, driver)
    image, location = NodeImage("linode/debian12", "", driver), NodeLocation("us-east", "", "US", driver)
    return driver, lambda: driver.create_node(
        location=location, size=size, image=image, name="web", root_pass=PASSWORD, user_data=USER_DATA
    )


def digitalocean(web: Web) -> Any:
    driver = get_driver("digitalocean")(TOKEN, **web.options, retry=ONCE)
    size, image = NodeSize("s", "", 1024, 25, 1000, 0.0075, driver), NodeImage("1", "", driver)
    location = NodeLocation("nyc1", "", "US", driver)
    return driver, lambda: driver.create_node("web", size, image, location, user_data=USER_DATA)


def ec2(web: Web) -> Any:
    driver = get_driver("ec2")(
        "AKIA", TOKEN, token=f"{TOKEN}2", region="us-east-1", **web.options, retry=ONCE
    )
    size, image = NodeSize("t3.micro", "", 1024, 0, 0, 0.01, driver), NodeImage("ami-1", "", driver)
    return driver, lambda: driver.create_node("web", size, image, user_data=USER_DATA)


def nephoscale(web: Web) -> Any:
    driver = get_driver("nephoscale")("me", PASSWORD, **web.options, retry=ONCE)
    size, image = NodeSize("1", "", 1024, 25, 1000, 0.1, driver), NodeImage("1", "", driver)
    return driver, lambda: driver.create_node("web", size, image)


def softlayer(web: Web) -> Any:
    driver = get_driver("softlayer")("me", TOKEN, **web.options, retry=ONCE)
    size, image = driver.custom_size(1, 1024, 25), NodeImage("DEBIAN_12_64", "", driver)
    return driver, lambda: driver.create_node("web", size, image, user_data=USER_DATA)


def openstack(web: Web) -> Any:
    driver = get_driver("openstack")("me", PASSWORD, **web.options, ex_tenant_name="web", retry=ONCE)
    size, image = NodeSize("1", "", 1024, 25, 1000, 0.1, driver), NodeImage("1", "", driver)
    return driver, lambda: driver.create_node("web", size, image, user_data=USER_DATA)


CLOUDS = {
    "linode": linode,
    "digitalocean": digitalocean,
    "ec2": ec2,
    "nephoscale": nephoscale,
    "openstack": openstack,
    "softlayer": softlayer,
}


def error_of(world: World, call: Callable[[], Any]) -> str:
    """What the error of a call shows; nothing if it raises none."""
    try:
        with call_options(deadline=3):
            world(call)
    except PolycloudError as error:
        return shown(error)
    return ""


def pairs(forms: Iterable[str], statuses: Sequence[int]) -> list[Any]:
    """Each form with a status, in turn; with all others in campaigns."""
    return [
        pytest.param(form, status, marks=[] if number % len(statuses) == place else pytest.mark.campaign)
        for number, form in enumerate(forms)
        for place, status in enumerate(statuses)
    ]


@pytest.mark.parametrize(("form", "status"), pairs(REPEATS, [200, 302, 401, 422, 500]))
def test_what_a_provider_repeats(world: World, form: str, status: int) -> None:
    """Whatever a provider repeats, in whatever form, nothing shows a secret that it was sent."""
    texts = []
    with everything_recorded() as recorded, serve(repeating(form, status)) as web:
        for kind in (JsonCloud, XmlCloud):
            for body in BODIES.values():
                cloud = kind("me", TOKEN, **web.options, retry=ONCE)
                method = "POST" if body else "GET"
                texts.append(error_of(world, lambda: cloud.request("/x", method=method, **body).object))  # noqa: B023
                texts.append(repr(cloud))
    assert canaries(*texts, *recorded) == set()


def in_turn(drivers: Iterable[Sequence[Any]], forms: Sequence[Any]) -> list[Any]:
    """Each driver with each form in one world, in turn; in the other in campaigns."""
    return [
        pytest.param(*driver, *form.values, world, marks=[*form.marks, *marks])
        for one, driver in enumerate(drivers)
        for other, form in enumerate(forms)
        for place, world in enumerate(WORLDS)
        for marks in [[] if (one + other + place) % 2 else [pytest.mark.campaign]]
    ]


FORMS = [pytest.param("JSON", 400), pytest.param("XML", 429), pytest.param("HTML", 200)]


@pytest.mark.parametrize(
    ("provider", "form", "status", "world"), in_turn([(name,) for name in CLOUDS], FORMS)
)
def test_drivers(world: World, provider: str, form: str, status: int) -> None:
    """Creates and lists of every driver show no secret, whatever their provider repeats."""
    with everything_recorded() as recorded, serve(repeating(form, status)) as web:
        driver, create = CLOUDS[provider](web)
        driver.settle_time = SETTLE_TIME
        texts = [error_of(world, call) for call in (create, driver.list_nodes, driver.list_sizes)]
        texts.append(repr(driver))
    assert any(texts[:3])
    assert canaries(*texts, *recorded) == set()


STORES: dict[str, tuple[str, ...]] = {
    "azure_blobs": ("me", base64.b64encode(TOKEN.encode()).decode()),
    "cloudfiles": ("me", PASSWORD),
    "google_storage_hmac": ("GOOG1", TOKEN),
    "openstack_swift": ("me", PASSWORD),
    "s3": ("AKIA", TOKEN),
}
NAME_SERVICES: dict[str, tuple[str, ...]] = {
    "cloudflare": ("me@example.com", TOKEN),
    "designate": ("me", PASSWORD),
    "digitalocean": (TOKEN,),
    "linode": (TOKEN,),
    "powerdns": (TOKEN,),
    "rackspace": ("me", TOKEN),
    "route53": ("AKIA", TOKEN),
}


def calls_of_a_store(provider: str, web: Web) -> list[Callable[[], object]]:
    kind: Any = get_storage_driver(provider)
    driver = kind(*STORES[provider], **web.options, retry=ONCE)
    box = Container("box", {}, driver)
    return [
        driver.list_containers,
        lambda: driver.create_container("box"),
        lambda: driver.list_container_objects(box),
        lambda: driver.upload_object_via_stream(iter([b"abc"]), box, "x"),
        lambda: b"".join(driver.download_object_as_stream(Object("x", 3, "", {}, {}, box, driver))),
        lambda: driver.delete_objects(box, ["x", "y"]),
    ]


def calls_of_a_name_service(provider: str, web: Web) -> list[Callable[[], object]]:
    kind: Any = get_dns_driver(provider)
    driver = kind(*NAME_SERVICES[provider], **web.options, retry=ONCE)
    driver.settle_time = SETTLE_TIME
    zone = Zone("1", "example.com", "master", 60, driver)
    return [
        driver.list_zones,
        lambda: driver.create_zone("example.com"),
        lambda: driver.create_record("www", zone, "A", "192.0.2.1"),
    ]


@pytest.mark.parametrize(
    ("calls_of", "provider", "form", "status", "world"),
    in_turn(
        [
            *((calls_of_a_store, one) for one in STORES),
            *((calls_of_a_name_service, one) for one in NAME_SERVICES),
        ],
        pairs(["base64", "XML", "HTML", "JSON"], [500, 429, 200, 401]),
    ),
)
def test_drivers_of_other_services(
    world: World,
    calls_of: Callable[[str, Web], list[Callable[[], object]]],
    provider: str,
    form: str,
    status: int,
) -> None:
    """Nothing that a driver of objects or of DNS does shows a secret, whatever its provider repeats."""
    with everything_recorded() as recorded, serve(repeating(form, status)) as web:
        texts = [error_of(world, call) for call in calls_of(provider, web)]
    assert any(texts)
    assert canaries(*texts, *recorded) == set()


# Proxies


@pytest.mark.parametrize("variable", [False, True], ids=["proxy_url=", "HTTPS_PROXY"])
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("status", ["407 No", "200 OK", ""])
def test_what_a_proxy_repeats(
    world: World, scheme: str, status: str, variable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy's credentials are in no error, wherever it repeats them: reason, header or body."""
    pair = f"me:{PROXY}"
    word = base64.b64encode(pair.encode()).decode()
    said = f"{pair} {quote(pair, safe='')} {word} {html.escape(pair)}"
    body = said.encode()
    head = f"HTTP/1.1 {status} {said}\r\nX-Said: {said}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with everything_recorded() as recorded, raw_answers(head + body if status else b"") as web:
        login = f"{quote('me', safe='')}:{quote(PROXY, safe='')}"
        proxy = f"http://{login}@127.0.0.1:{web.port}"
        if variable:
            monkeypatch.setenv(f"{scheme}_proxy", proxy)
        options: dict[str, Any] = {} if variable else {"proxy_url": proxy}
        cloud = JsonCloud(
            "me", TOKEN, host="api.example", port=80, secure=scheme == "https", allow_insecure=True,
            retry=ONCE, **options,
        )  # fmt: skip
        text = (
            error_of(world, lambda: cloud.request("/x").object) + repr(cloud) + repr(cloud.transport_options)
        )
        cloud.close()
    assert "Error" in text
    for shown_text in (text, *recorded):
        assert canaries(shown_text) == set()
        assert word not in shown_text


# Sizes and representations


def test_long_texts_are_cut(world: World) -> None:
    """A message, a header and a body of 20 MB are cut in the error, which says how much there was."""
    text = "long " * 4_000_000
    answers = iter([Answer(400, {"message": text}), Answer(200, text.encode())])
    with serve(lambda _: next(answers)) as web:
        for limit in (10_000, 200):
            cloud = JsonCloud("me", TOKEN, **web.options, retry=ONCE)
            with pytest.raises(PolycloudError) as caught:
                world(lambda: cloud.request("/x").object)  # noqa: B023
            assert len(pickle.dumps(caught.value)) < 50_000
            assert re.search(r"\u2026 [\d,]+ more characters", str(caught.value))
            assert text[: limit - 1] in str(caught.value)


def test_a_secret_that_the_cut_halves() -> None:
    """Nothing is left of a secret where a text is cut, in whatever encoding it stands there."""
    for written in (TOKEN, entities(TOKEN), base64.b64encode(f"u:{TOKEN}".encode()).decode()):
        for before in range(9_960 - len(written), 10_001, 7):
            error = PolycloudError("- " * (before // 2) + written + " -" * 20_000)
            assert canaries(str(clean(error, (TOKEN,)))) == set()
            assert "cana" not in str(error)


def test_notes_and_chains() -> None:
    """Notes, attributes, nested values and errors that it came from are cleaned; foreign ones go."""
    error = ProviderHTTPError(400, TOKEN, {TOKEN: TOKEN, "X-Auth-Token": "other"})
    error.add_note(f"it was {TOKEN}")
    error.details = [{"a": (TOKEN, {TOKEN}), "b": TOKEN.encode()}]  # type: ignore[attr-defined]
    error.__cause__ = PolycloudError(TOKEN)
    error.__cause__.__context__ = foreign = ValueError("bad", TOKEN)
    foreign.__context__ = KeyError("lost with it")
    error.__context__ = harmless = LookupError("fine")
    error.__suppress_context__ = False
    text = shown(clean(error, (TOKEN,)))
    assert canaries(text) == set()
    assert "other" not in text
    assert "it was REDACTED" in text
    assert error.__context__ is harmless
    assert str(foreign) not in text


@pytest.mark.parametrize("show", [repr, str, pretty_repr])
def test_representations(show: Callable[[Any], str]) -> None:
    """No representation of a request, a response or a transport's options shows a secret, Rich's neither."""
    things = [
        Request("POST", f"http://h/?token={TOKEN}", {"Authorization": TOKEN}, TOKEN.encode()),
        RawResponse(200, TOKEN, Headers({"x": TOKEN}.items()), TOKEN.encode()),
        TransportOptions(proxy_url=f"http://u:{TOKEN}@h"),
        JsonCloud("me", TOKEN),
        Token(TOKEN),
        CredentialPayload("AKIA", TOKEN, TOKEN, TOKEN),
        AWSCredentials("AKIA", TOKEN, TOKEN),
    ]
    for thing in things:
        assert canaries(show(thing)) == set()


# The command


def test_the_command(forker: Forker, tmp_path: Path) -> None:
    """The command shows no secret, whatever the provider repeats."""
    config = tmp_path / "config.toml"
    with serve(repeating("JSON", 401)) as web:
        config.write_text(
            f'[profiles.lab]\nprovider = "digitalocean"\ntoken = "{TOKEN}"\nurl = "{web.url}"\n'
        )
        config.chmod(0o600)
        environment = {**os.environ, "POLYCLOUD_CONFIG": str(config), "POLYCLOUD_DEBUG": "-"}
        for options in ((), ("--debug",)):
            done = forker.run([*options, "nodes", "list", "-p", "lab"], environment, "", 60)
            assert done.returncode != 0
            assert "REDACTED" in done.stderr
            assert canaries(done.stdout + done.stderr) == set()

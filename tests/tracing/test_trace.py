from __future__ import annotations

import asyncio
import base64
import html
import json
import logging
import os
import re
import shlex
import subprocess
import sys
import threading
import time
import xmlrpc.client
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from polycloud.common.base import (
    Connection,
    ConnectionKey,
    ConnectionUserAndKey,
    JsonResponse,
    quote_segment,
)
from polycloud.compute.providers import get_driver
from polycloud.concurrency.bridge import bridged
from polycloud.errors import ConnectError, ProviderHTTPError
from polycloud.http.loop import LoopTransports
from polycloud.http.retry import RetryPolicy
from polycloud.sandbox import Sandbox
from polycloud.tracing.hooks import add_hook
from polycloud.tracing.trace import Trace
from support.forked import ANEW, Forker
from support.recorded import everything_recorded, traced
from support.web import Answer, Seen, serve

KEY = "k3y of/the=cloud"
FIELDS = ("provider", "operation", "method", "path", "status", "attempt", "request_id", "error")
SOON = RetryPolicy(base=0.001)
PAGE = Path(__file__).parents[2] / "docs" / "traces.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
PRINTED = (
    r"# \S+ NephoScale list_sizes, attempt 1: 200 in \d+ ms.*\n",
    r"GET /server/type/cloud/: 200 in \d+ ms, list_sizes\n",
    r"(\w+ +\S+ +200 +\d+ ms\n)+",
    r"GET list_sizes 200\n",
)


class Cloud(ConnectionKey):
    responseCls = JsonResponse

    def add_default_headers(self, headers: dict[str, str]) -> dict[str, str]:
        headers["Authorization"] = f"Bearer {self.key}"
        return headers


@contextmanager
def driver_of(provider: str, **options: Any) -> Iterator[Any]:
    """A driver on its sandbox; options named `ex_...` are the driver's."""
    own = {name: options.pop(name) for name in list(options) if name.startswith("ex_")}
    new: Any = get_driver(provider)
    with Sandbox(provider, ssh="off", **options) as cloud:
        with new(*cloud.credentials, **cloud.options, **own) as driver:
            yield driver


def failing_first() -> Any:
    """Responds to the first request with 503, and to the others with 200."""
    responses = iter([Answer(503, b"{}", {"X-Request-Id": "r-1"})])
    return lambda seen: next(responses, Answer(body=b"{}", headers={"X-Request-Id": "r-2"}))


def test_log_fields(caplog: pytest.LogCaptureFixture) -> None:
    """Each attempt is a DEBUG record with structured fields; its message has method, path and outcome."""
    caplog.set_level(logging.DEBUG, "polycloud")
    with driver_of("digitalocean") as driver:
        driver.list_locations()
    (record,) = [record for record in caplog.records if record.name == "polycloud"]
    fields = {name: getattr(record, name) for name in FIELDS}
    assert fields.pop("request_id")
    assert fields == {
        "provider": "DigitalOcean",
        "operation": "list_locations",
        "method": "GET",
        "path": "/v2/regions",
        "status": 200,
        "attempt": 1,
        "error": None,
    }
    assert record.levelno == logging.DEBUG
    assert record.ms > 0  # type: ignore[attr-defined]
    assert re.fullmatch(r"GET /v2/regions: 200 in \d+ ms", record.getMessage())


def test_durations() -> None:
    """A trace has the milliseconds that its attempt took."""
    over = threading.Event()

    def respond(_: Seen) -> Answer:
        over.wait(0.2)
        return Answer()

    with serve(respond) as web, traced() as traces:
        began = time.perf_counter()
        Connection(**web.options).request("/x")
        took = (time.perf_counter() - began) * 1000
    assert 190 <= traces[0].ms <= took


def test_failures_are_traced(caplog: pytest.LogCaptureFixture) -> None:
    """Where no response came, the trace has no status but the error's name and message."""
    caplog.set_level(logging.DEBUG, "polycloud")
    with serve() as web:
        options = web.options
    with traced() as traces, pytest.raises(ConnectError):
        Cloud(KEY, **options, retry=RetryPolicy(attempts=1)).request("/x")
    (trace,) = traces
    assert (trace.status, trace.error, trace.response) == (None, "ConnectError", None)
    assert "cannot connect to 127.0.0.1" in str(trace.failure)
    assert caplog.records[0].error == "ConnectError"  # type: ignore[attr-defined]


def test_repeats_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A retry is an INFO record with the pause in seconds and the response before it."""
    caplog.set_level(logging.INFO, "polycloud")
    with serve(failing_first()) as web:
        Cloud(KEY, **web.options, retry=SOON).request("/x")
    (record,) = caplog.records
    assert record.levelno == logging.INFO
    assert re.fullmatch(r"GET /x: sent again in 0\.\d s after 503", record.getMessage())
    assert (record.status, record.attempt, record.request_id) == (503, 1, "r-1")  # type: ignore[attr-defined]
    assert (record.ms, 0 <= record.pause < 1) == (None, True)  # type: ignore[attr-defined]


def test_hooks_see_every_attempt() -> None:
    """Hooks are called with each attempt, in order, until they are removed; removing twice does no harm."""
    traces: list[Trace] = []
    remove = add_hook(traces.append)
    with serve(failing_first()) as web:
        cloud = Cloud(KEY, **web.options, retry=SOON)
        cloud.request("/x", params={"a": "b c"}, headers={"X-A": "1"})
        remove()
        remove()
        cloud.request("/y")
    recorded = [(trace.attempt, trace.status, trace.request_id, trace.path) for trace in traces]
    assert recorded == [(1, 503, "r-1", "/x"), (2, 200, "r-2", "/x")]
    last = traces[-1]
    assert (last.host, last.port, last.url) == ("127.0.0.1", web.port, f"{web.url}/x?a=b+c")
    assert (last.headers["X-A"], last.headers["Authorization"]) == ("1", "Bearer REDACTED")
    assert last.request == {"method": "GET", "path": "/x", "query": {"a": "b c"}, "body": None}
    assert last.response == {"status": 200, "headers": {"x-request-id": "r-2"}, "body": {}}
    assert repr(last) == "<Trace GET /x 200>"


def test_a_raising_hook(caplog: pytest.LogCaptureFixture) -> None:
    """What a hook raises harms neither the call nor the other hooks, and is logged."""

    def bad(trace: Trace) -> None:
        raise LookupError("a mistake of the hook")

    remove = add_hook(bad)
    try:
        with traced() as traces, serve() as web:
            assert Cloud(KEY, **web.options).request("/x").status == 200
    finally:
        remove()
    assert len(traces) == 1
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.ERROR, "a trace was lost")
    assert "a mistake of the hook" in caplog.text


def test_a_trace_that_cannot_be_made(caplog: pytest.LogCaptureFixture) -> None:
    """An error while a trace is made is logged and does not affect the call."""

    class Odd(Cloud):
        def account(self) -> tuple[Any, ...]:
            return ()

        def secrets(self) -> tuple[str, ...]:
            raise LookupError("the secrets are out")

    with traced() as traces, serve() as web:
        assert Odd(KEY, **web.options).request("/x").status == 200
    assert traces == []
    assert "the secrets are out" in caplog.text


@pytest.mark.parametrize(
    ("call", "operation"),
    [
        (lambda driver: driver.list_sizes(), "list_sizes"),
        (lambda driver: driver.get_node(driver.iterate_nodes().__next__().id), "get_node"),
        (lambda driver: list(driver.iterate_nodes()), "iterate_nodes"),
        (lambda driver: driver.ex_list_tags(), "ex_list_tags"),
        (lambda driver: driver.connection.request("/regions"), None),
    ],
    ids=["plain", "template", "iterator", "extension", "bare"],
)
def test_operations(call: Any, operation: str | None) -> None:
    """Traces name the method of the driver that was called, not those that it calls itself."""
    with driver_of("digitalocean", seed_nodes=3, ex_per_page=2) as driver, traced() as traces:
        call(driver)
    assert traces[-1].operation == operation


def test_operations_of_templates() -> None:
    """Traces name a template of the base, not the operations that it is made of."""
    with driver_of("nephoscale", build=0) as driver:
        driver.create_node("web", driver.list_sizes()[0], driver.list_images()[0])
        (node,) = driver.list_nodes()
        with traced() as traces:
            driver.get_node(node.id)
    assert {trace.operation for trace in traces} == {"get_node"}


def test_operations_of_iterators_that_are_left() -> None:
    """Requests that a caller sends between two items of an iterator are not traced as the iterator's."""
    with driver_of("digitalocean", seed_nodes=3, ex_per_page=1) as driver, traced() as traces:
        nodes = driver.iterate_nodes()
        next(nodes)
        driver.list_locations()
        next(nodes)
        nodes.close()
    runs = [operation for operation, _ in groupby(trace.operation for trace in traces)]
    assert runs == ["iterate_nodes", "list_locations", "iterate_nodes"]


def test_operations_of_pages_side_by_side() -> None:
    """Traces of pages that threads fetch name the operation that the pages are part of."""
    with driver_of("digitalocean", seed_nodes=12, ex_per_page=3) as driver, traced() as traces:
        assert len(driver.list_nodes()) == 12
    paths = [(trace.operation, trace.path) for trace in traces]
    assert paths.count(("list_nodes", "/v2/droplets")) >= 4
    assert {operation for operation, _ in paths} == {"list_nodes"}


def test_operations_on_an_event_loop() -> None:
    """On an event loop, too, traces name the operation, each task's its own."""

    async def both(driver: Any) -> None:
        async with LoopTransports() as transports:
            await asyncio.gather(
                bridged(driver.list_nodes, transports), bridged(driver.list_locations, transports)
            )

    with driver_of("digitalocean", seed_nodes=6, ex_per_page=2) as driver, traced() as traces:
        asyncio.run(both(driver))
    by_path = {(trace.path, trace.operation) for trace in traces}
    assert ("/v2/droplets", "list_nodes") in by_path
    assert ("/v2/regions", "list_locations") in by_path
    assert not {("/v2/droplets", "list_locations"), ("/v2/regions", "list_nodes")} & by_path


QUIET = """
import sys
from polycloud.common.base import ConnectionKey
cloud = ConnectionKey("secret", host="127.0.0.1", port={port}, secure=False)
for _ in range(3):
    assert cloud.request("/x").status == 200
cloud.close()
names = ("trace", "redaction", "debugfile")
unused = {{"opentelemetry", *(f"polycloud.tracing.{{name}}" for name in names)}}
assert not unused & set(sys.modules)
"""


def test_nobody_listens() -> None:
    """Without a hook or a logger nothing is printed, no trace is made, and no tracing module is loaded."""
    with serve() as web:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", QUIET.format(port=web.port)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={},
        )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_secret_paths(caplog: pytest.LogCaptureFixture) -> None:
    """A secret in a path is not logged, however the path writes it."""
    caplog.set_level(logging.DEBUG, "polycloud")
    with serve() as web, traced() as traces:
        Cloud(KEY, **web.options).request(f"/keys/{KEY}/k3y%20of%2Fthe%3Dcloud")
    assert caplog.records[0].path == traces[0].path == "/keys/REDACTED/REDACTED"  # type: ignore[attr-defined]


def test_streams() -> None:
    """A stream is neither read nor kept: such a trace has no body, or no response."""
    with serve() as web, traced() as traces:
        cloud = Cloud(KEY, **web.options)
        cloud.request("/x", data=iter([b"a", b"b"]), method="PUT")
        response = cloud.request("/y", stream=True)
        assert b"".join(response.iter_bytes())
    sent, answered = traces
    assert (sent.body, sent.request["body"]) == (None, None)
    assert (answered.body, answered.response) == (b"", None)


@pytest.mark.parametrize(("block", "printed"), list(zip(EXAMPLES, PRINTED, strict=True)))
def test_examples_run(
    forker: Forker, block: str, printed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each Python block of docs/traces.md runs as it stands and prints what it promises."""
    monkeypatch.chdir(tmp_path)
    done = forker.run([], os.environ, "", 60, f"{ANEW}{block}")
    assert done.stderr == ""
    assert re.fullmatch(printed, done.stdout)


SECRET_NAMES = (
    *("password", "passwd", "token", "api_key", "secret", "access_key", "client_secret", "auth_token"),
    *("private_key", "root_pass", "AdminPass", "secretKey", "signature", "credentials", "X-Auth-Token"),
)
PLACES = ["path", "query", "json", "form", "text", "xml"]
# so that it is nowhere by chance
secrets = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs"))).map("Zq9".__add__)
ascii_secrets = st.text(st.characters(min_codepoint=33, max_codepoint=126)).map("Zq9x".__add__)


class BasicCloud(ConnectionUserAndKey):
    def add_default_headers(self, headers: dict[str, str]) -> dict[str, str]:
        pair = base64.b64encode(f"{self.user_id}:{self.key}".encode()).decode()
        return {**headers, "Authorization": f"Basic {pair}"}


def forms(secret: str) -> set[str]:
    """The ways in which a secret could be read in what was written."""
    written = {secret, quote(secret, safe=""), quote(secret), quote_plus(secret), html.escape(secret)}
    written |= {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1]}
    written |= {shlex.quote(form).strip("'") for form in written}
    return written | {base64.b64encode(secret.encode()).decode().rstrip("=")}


def assert_not_recorded(secret: str, recorded: list[str]) -> None:
    assert len(recorded) >= 4
    for text in recorded:
        for form in forms(secret):
            assert form not in text


@settings(max_examples=30, deadline=None)
@example(key="Zq9 /k+y", place="quoted")
@given(key=secrets, place=st.sampled_from([*PLACES, "message", "quoted"]))
def test_declared_secrets(key: str, place: str) -> None:
    """A driver's credentials are recorded nowhere, wherever in request and response they stand."""
    sent: dict[str, dict[str, Any]] = {
        "path": {"action": f"/keys/{quote_segment(key)}/x"},
        "query": {"params": {"q": f"a {key}", key: "1"}},
        "json": {"method": "POST", "json": {"note": ["it", {"is": f"<{key}>", key: 1}]}},
        "form": {"method": "POST", "data": {"note": f"a {key}", key: "1"}},
        "text": {"method": "PUT", "data": f"it is {key}\n"},
        "xml": {"method": "PUT", "data": f"<a b={quoteattr(key)}>{escape(key)}</a>"},
    }
    quoted = [quote(key), quote(key, safe=""), quote_plus(key)]
    responses = {
        "json": {"message": [key]},
        "xml": f"<e>{escape(key)}</e>".encode(),
        "message": f"no {key}!".encode(),
        "quoted": f"no {' or '.join(quoted)}!".encode(),
    }
    response = Answer(200 if place in PLACES else 400, responses.get(place, b"{}"))
    with everything_recorded() as recorded, serve(lambda seen: response) as web, suppress(ProviderHTTPError):
        BasicCloud("user", key, **web.options).request(**{"action": "/x", **sent.get(place, {})})
    assert_not_recorded(key if len(key) > 3 else f"user:{key}", recorded)


@settings(max_examples=30, deadline=None)
@given(
    hidden=ascii_secrets,
    name=st.sampled_from(SECRET_NAMES),
    place=st.sampled_from(["query", "header", "json", "form", "xml"]),
)
def test_secrets_by_name(hidden: str, name: str, place: str) -> None:
    """A value under a secret's name is recorded nowhere, in requests and in responses."""
    sent: dict[str, dict[str, Any]] = {
        "query": {"params": {"a": "1", name: hidden}},
        "header": {"headers": {f"X-{name}".replace("_", "-"): hidden}},
        "json": {"method": "POST", "json": {"user": [{name: hidden}]}},
        "form": {"method": "POST", "data": {"a": "1", name: [hidden, hidden]}},
        "xml": {"method": "PUT", "data": f"<a><{name}>{escape(hidden)}</{name}></a>"},
    }
    responses = {
        "query": {"message": f"{hidden} is unknown"},
        "header": {"message": f"{hidden} is unknown"},
        "json": {"users": {"x": {name: hidden}}},
        "xml": f"<a><{name}>{escape(hidden)}</{name}></a>".encode(),
    }
    response = Answer(200, responses.get(place, b"{}"))
    with everything_recorded() as recorded, serve(lambda seen: response) as web:
        Connection(**web.options).request("/x", **sent[place])
    assert_not_recorded(hidden, recorded)


def test_keys_of_addresses() -> None:
    """A parameter that is called key is a secret in a query or form, and in JSON the name of something."""
    with traced() as traces, serve() as web:
        Connection(**web.options).request("/x", params={"key": "hidden"}, json={"key": "env"}, method="POST")
    (trace,) = traces
    assert (trace.url, trace.body) == (f"{web.url}/x?key=REDACTED", b'{"key":"env"}')


XML_RPC = [
    xmlrpc.client.dumps(({"password": "Zq9-hidden"},)),
    xmlrpc.client.dumps(({"passwords": ["Zq9-hidden"]},)),
    xmlrpc.client.dumps(({"userData": {"value": "Zq9-hidden"}},)),
    xmlrpc.client.dumps(({"userData": [{"value": "Zq9-hidden"}]},)),
]


@pytest.mark.parametrize("text", ["<Password><![CDATA[Zq9-hidden]]></Password>", *XML_RPC])
def test_secrets_in_odd_xml(text: str) -> None:
    """What stands in a CDATA section or in a member of XML-RPC is known by its name as well."""
    with everything_recorded() as recorded, serve(lambda seen: Answer(body=text.encode())) as web:
        Connection(**web.options).request("/x", method="POST", data=text)
    assert_not_recorded("Zq9-hidden", recorded)

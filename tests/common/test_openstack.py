"""The login of OpenStack's drivers, the catalogue, and lists, on a Keystone of the test's own."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import msgspec
import pytest

from polycloud.common.openstack import OpenStackBaseConnection, OpenStackBaseDriver, account
from polycloud.common.openstack.publicclouds import PublicCloud
from polycloud.common.payload import value_of
from polycloud.errors import (
    InsecureConnectionError,
    InvalidArgumentError,
    InvalidCredsError,
    MalformedResponseError,
    NotFoundError,
    PolycloudError,
    ProviderHTTPError,
    QuotaExceededError,
    RateLimitReachedError,
    UnsupportedOperationError,
)
from support.keystone import Keystone, keystone
from support.web import Answer, Seen, Web, serve


class Thing(msgspec.Struct):
    id: str


class ThingConnection(OpenStackBaseConnection):
    service_types = ("compute",)
    version = "v2.1"
    microversion: ClassVar[str | None] = "2.36"
    per_page = 2

    def things(self) -> list[str]:
        return [thing.id for thing in self.list_all("/things", "things", Thing, value_of)]


class PlainConnection(ThingConnection):
    microversion: ClassVar[str | None] = None


class ThingDriver(OpenStackBaseDriver):
    connectionCls: ClassVar[type[OpenStackBaseConnection]] = PlainConnection
    connection: ThingConnection


class VersionedDriver(ThingDriver):
    connectionCls = ThingConnection


@pytest.fixture(autouse=True)
def _unknown_accounts() -> None:
    """Forget the tokens of earlier servers, whose ports the system gives to later ones."""
    account._stores._stores.clear()


@pytest.fixture
def cloud() -> Iterator[tuple[Keystone, Web]]:
    with keystone() as both:
        yield both


def driver(
    web: Web, user: str = "demo", password: str = "secret", *, versioned: bool = False, **options: Any
) -> ThingDriver:
    url = options.pop("auth_url", web.url)
    kind = VersionedDriver if versioned else ThingDriver
    return kind(user, password, ex_force_auth_url=url, **options)


def requests(web: Web) -> list[str]:
    return [f"{one.method} {one.path}" for one in web.seen]


@pytest.mark.parametrize("path", ["", "/", "/v3", "/v3/", "/v3/auth/tokens"])
def test_identity_urls(cloud: tuple[Keystone, Web], path: str) -> None:
    """The URL of Keystone may have a version or none, and a slash at its end."""
    _, web = cloud
    with driver(web, auth_url=f"{web.url}{path}", ex_tenant_name="web") as one:
        assert one.connection.things() == [f"item-{number}" for number in range(5)]
    assert requests(web) == ["POST /v3/auth/tokens", "GET /compute/v2.1/things"]


def test_a_login_of_version_2(cloud: tuple[Keystone, Web]) -> None:
    """A URL that ends with /v2.0, or a version of that name, logs in by version 2."""
    known, web = cloud
    options: tuple[dict[str, Any], ...] = (
        {"auth_url": f"{web.url}/v2.0/"},
        {"ex_force_auth_version": "2.0_password"},
    )
    for number, option in enumerate(options):
        with driver(web, ex_tenant_name="web", ex_domain_name=f"other-{number}", **option) as one:
            assert len(one.connection.things()) == 5
    body = {"passwordCredentials": {"username": "demo", "password": "secret"}, "tenantName": "web"}
    assert known.logins == [body, body]


def test_a_way_to_log_in_of_a_provider(cloud: tuple[Keystone, Web]) -> None:
    """A provider's driver may log in by another row of the table, at an address of its own."""
    known, web = cloud

    class OtherDriver(ThingDriver):
        default_method = "2.0_apikey"
        public_cloud = PublicCloud("Other", f"{web.url}/v2.0/")

    with OtherDriver("demo", "secret") as one:
        assert len(one.connection.things()) == 5
    assert known.logins == [{"RAX-KSKEY:apiKeyCredentials": {"username": "demo", "apiKey": "secret"}}]


def test_bodies_of_logins(cloud: tuple[Keystone, Web]) -> None:
    """User, domains and scope are sent as Keystone's reference has them, for each way to log in."""
    known, web = cloud
    logins: list[tuple[dict[str, Any], Any]] = [
        ({"ex_tenant_name": "web"}, {"project": {"name": "web", "domain": {"name": "Default"}}}),
        (
            {"ex_tenant_name": "web", "ex_tenant_domain_id": "default"},
            {"project": {"name": "web", "domain": {"id": "default"}}},
        ),
        ({"ex_token_scope": "domain", "ex_domain_name": "Default"}, {"domain": {"name": "Default"}}),
        ({"ex_token_scope": "system"}, {"system": {"all": True}}),
        ({"ex_token_scope": "unscoped"}, "unscoped"),
    ]
    for options, scope in logins:
        with driver(web, **options) as one:
            assert isinstance(one.connection.access.value, str)
        first = next(body for body in known.logins if "password" in body["identity"])
        user = {"name": "demo", "domain": {"name": "Default"}, "password": "secret"}
        assert first["identity"] == {"methods": ["password"], "password": {"user": user}}
        assert first.get("scope") == scope
        known.logins.clear()
    with driver(web, "an-id", "secret", ex_force_auth_version="3.x_appcred") as one:
        assert len(one.connection.things()) == 5
    credential = {"id": "an-id", "secret": "secret"}
    identity = {"methods": ["application_credential"], "application_credential": credential}
    assert known.logins == [{"identity": identity}]


def test_the_only_project(cloud: tuple[Keystone, Web]) -> None:
    """Without a project, that of a user who has only one is taken; of several, the error lists the names."""
    _, web = cloud
    with driver(web) as one:
        assert one.connection.access.project == "web"
        assert len(one.connection.things()) == 5
    with driver(web, "many", "secret") as other, pytest.raises(InvalidArgumentError, match="are: one, two"):
        other.connection.things()


def test_one_login_for_all(cloud: tuple[Keystone, Web]) -> None:
    """The drivers of an account in a process share one token, on threads too; each password its own."""
    known, web = cloud
    drivers = [driver(web, ex_tenant_name="web") for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        lists = list(pool.map(lambda one: one.connection.things(), drivers))
    assert all(len(one) == 5 for one in lists)
    assert len(known.logins) == 1
    with pytest.raises(InvalidCredsError):
        driver(web, "demo", "wrong", ex_tenant_name="web").connection.things()
    assert len(known.logins) == 3  # the second one finds out whether the project is wrong


def test_refused_tokens(cloud: tuple[Keystone, Web]) -> None:
    """A token that is refused is renewed once for all threads, and their requests are sent again."""
    known, web = cloud
    one = driver(web, ex_tenant_name="web")
    one.connection.things()
    known.refuse()
    with ThreadPoolExecutor(8) as pool:
        lists = list(pool.map(lambda _: one.connection.things(), range(8)))
    assert all(len(found) == 5 for found in lists)
    assert len(known.logins) == 2


def test_a_token_that_ends_within_a_list(cloud: tuple[Keystone, Web]) -> None:
    """A token that is refused between two pages is renewed, and the list is complete."""
    known, web = cloud
    known.a_page = 2
    known.on_page = lambda begin: known.refuse() if begin == 2 else None  # type: ignore[method-assign]
    with driver(web, ex_tenant_name="web") as one:
        assert one.connection.things() == [f"item-{number}" for number in range(5)]
    assert len(known.logins) == 2


@pytest.mark.parametrize("skew", [-86400.0, 86400.0])
def test_a_clock_that_is_off(cloud: tuple[Keystone, Web], skew: float) -> None:
    """A token lasts as long as Keystone says, whatever the difference between the two clocks."""
    known, web = cloud
    known.skew = skew
    with driver(web, ex_tenant_name="web") as one:
        one.connection.things()
        one.connection.things()
    assert len(known.logins) == 1


def test_short_tokens(cloud: tuple[Keystone, Web]) -> None:
    """A token is renewed before it ends, by less than its life; one of a minute serves several requests."""
    known, web = cloud
    known.life = 40.0
    with driver(web, ex_tenant_name="web") as one:
        for _ in range(3):
            one.connection.things()
        assert one.connection.access.early == pytest.approx(10.0, abs=1.0)
    assert len(known.logins) == 1


def test_given_tokens(cloud: tuple[Keystone, Web]) -> None:
    """A given token is used as it is, with Keystone's catalogue or an address of the service."""
    known, web = cloud
    token = driver(web, ex_tenant_name="web").connection.token
    known.logins.clear()
    with ThingDriver(ex_force_auth_token=token, ex_force_auth_url=web.url) as one:
        assert len(one.connection.things()) == 5
    with ThingDriver(ex_force_auth_token=token, ex_force_base_url=f"{web.url}/compute/v2.1") as one:
        assert len(one.connection.things()) == 5
        known.refuse()
        with pytest.raises(InvalidCredsError, match="pass ex_force_auth_url= and credentials"):
            one.connection.things()
    assert known.logins == []
    with pytest.raises(InvalidCredsError, match="pass a new ex_force_auth_token="):
        ThingDriver(ex_force_auth_token="old", ex_force_auth_url=web.url).connection.things()
    with driver(web, ex_force_auth_token="old", ex_tenant_name="web") as one:
        assert len(one.connection.things()) == 5
    assert len(known.logins) == 1


def test_refused_logins(cloud: tuple[Keystone, Web]) -> None:
    """The error of a refused login names the user and its domain, or the project with the user's projects."""
    _, web = cloud
    wrong: dict[str, tuple[tuple[str, str], dict[str, Any]]] = {
        "the user 'demo' of the domain 'Default' is refused": (("demo", "wrong"), {}),
        "the user 'demo' of the domain 'nope' is refused": (("demo", "secret"), {"ex_domain_name": "nope"}),
        "the project 'wab' of the domain 'Default'.*did you mean 'web'": (
            ("demo", "secret"),
            {"ex_tenant_name": "wab"},
        ),
    }
    for message, (credentials, options) in wrong.items():
        with pytest.raises(InvalidCredsError, match=message) as caught:
            driver(web, *credentials, **{"ex_tenant_name": "web", **options}).connection.things()
        assert "secret" not in str(caught.value)
        assert caught.value.exchange is not None


def test_the_catalogue(cloud: tuple[Keystone, Web]) -> None:
    """Region and interface choose the endpoint; what the catalogue lacks is named with what it has."""
    known, web = cloud
    known.regions = ["North", "South"]
    with driver(web, ex_tenant_name="web", ex_interface="internal") as one:
        assert one.connection.place().root.endswith("/compute/internal")
    refusals: dict[str, dict[str, Any]] = {
        "no region 'Sauth'.*only: North, South; did you mean 'South'": {"ex_force_service_region": "Sauth"},
        "no name 'cinder' of the service 'compute', only: nova": {"ex_force_service_name": "cinder"},
        "no interface 'admin'.*only: internal, public": {"ex_interface": "admin"},
    }
    for message, options in refusals.items():
        with pytest.raises(InvalidArgumentError, match=message):
            driver(web, ex_tenant_name="web", **options).connection.things()
    with pytest.raises(UnsupportedOperationError, match="has no service 'dns', only: compute"):
        driver(web, ex_tenant_name="web", ex_force_service_type="dns").connection.things()
    with pytest.raises(InvalidArgumentError, match="the token has no catalogue"):
        driver(web, ex_token_scope="unscoped").connection.things()


def test_a_forced_address(cloud: tuple[Keystone, Web]) -> None:
    """`ex_force_base_url` replaces the catalogue's address of the service, with or without a version."""
    _, web = cloud
    for path in ("/other", "/other/v2.1"):
        with driver(web, ex_tenant_name="web", ex_force_base_url=f"{web.url}{path}") as one:
            one.connection.things()
    assert requests(web)[1:] == ["GET /other/v2.1/things"] * 2


def test_plain_http_in_the_catalogue(cloud: tuple[Keystone, Web]) -> None:
    """A catalogue that says plain HTTP is refused before the token is sent, except where HTTPS is known."""
    _, web = cloud
    with driver(web, ex_tenant_name="web", ex_force_base_url="http://nova.example/v2.1") as one:
        with pytest.raises(InsecureConnectionError, match=r"at nova.example, which would expose the token"):
            one.connection.things()
    safe = ThingDriver("demo", "secret", ex_force_auth_url="https://cloud.example:5000").connection
    with pytest.raises(InsecureConnectionError):
        safe._split("http://cloud.example:8774/v2.1", None)
    assert safe._split("http://cloud.example:5000/nova/v2.1", None).root == "https://cloud.example:5000/nova"


def test_a_catalogue_of_garbage(cloud: tuple[Keystone, Web]) -> None:
    """Addresses and versions that cannot be read are errors of our tree, or are not there."""
    known, web = cloud
    known.versions["version"] = "newest"
    with driver(web, versioned=True, ex_tenant_name="web") as one:
        assert len(one.connection.things()) == 5
        assert one.connection.offered_versions() is None
    known.endpoints = lambda base: [{"interface": "public", "region": "x", "url": "nova:8774"}]  # type: ignore[method-assign]
    with driver(web, ex_tenant_name="web", ex_domain_name="Default", ex_interface="public") as one:
        known.refuse()
        one.connection.token_store().token = None
        with pytest.raises(MalformedResponseError, match="no usable address of the service 'compute'"):
            one.connection.things()


def test_microversions(cloud: tuple[Keystone, Web]) -> None:
    """Requests carry a microversion that both sides know; a call that needs more says what there is."""
    known, web = cloud
    for offered, sent in (("2.60", "2.36"), ("2.25", "2.25"), ("", None)):
        known.versions["version"] = offered
        with keystone() as (other, server):
            other.versions = dict(known.versions)
            with driver(server, versioned=True, ex_tenant_name="web") as one:
                one.connection.things()
                one.connection.things()
                assert requests(server).count("GET /compute/v2.1/") == 1
                headers = server.seen[-1].headers
                assert headers.get("OpenStack-API-Version") == (f"compute {sent}" if sent else None)
                assert headers.get("X-OpenStack-Nova-API-Version") == sent
                with pytest.raises(UnsupportedOperationError, match=f"2.70.*offers {offered or 'none'}"):
                    one.connection.at("2.70", "a tag")
    with driver(web, versioned=True, ex_tenant_name="web", ex_force_microversion="2.50") as one:
        known.versions["version"] = "2.60"
        one.connection.things()
        assert web.seen[-1].headers["OpenStack-API-Version"] == "compute 2.50"


def test_pages(cloud: tuple[Keystone, Web]) -> None:
    """Pages are followed by their markers on the driver's own host, and an item comes once."""
    known, web = cloud
    known.a_page = 2
    known.items.insert(3, known.items[0])
    with driver(web, ex_tenant_name="web") as one:
        known.items = [f"item-{number}" for number in (0, 1, 2, 3, 1, 4)]
        known.items[4] = "item-1b"
        assert one.connection.things() == ["item-0", "item-1", "item-2", "item-3", "item-1b", "item-4"]
    assert [one.query.get("limit") for one in web.seen[1:]] == [["2"]] * 4


def test_a_marker_that_vanishes(cloud: tuple[Keystone, Web]) -> None:
    """A list whose last item of a page is deleted before the next page is read again, and is complete."""
    known, web = cloud
    known.a_page = 2

    def delete(begin: int) -> None:
        if begin == 0 and "item-1" in known.items:
            known.items.remove("item-1")

    known.on_page = delete  # type: ignore[method-assign]
    with driver(web, ex_tenant_name="web") as one:
        assert one.connection.things() == ["item-0", "item-2", "item-3", "item-4"]


def test_secrets(cloud: tuple[Keystone, Web]) -> None:
    """No repr, error or pickle has the token, and no repr or error the password."""
    _, web = cloud
    one = driver(web, ex_tenant_name="web")
    one.connection.things()
    token = one.connection.token
    login = one.connection.cloud.login
    for text in (
        repr(one),
        repr(one.connection),
        repr(one.connection.access),
        repr(login),
        repr(one.connection.cloud),
    ):
        assert "secret" not in text
        assert token not in text
    copy = pickle.loads(pickle.dumps(one))
    assert token.encode() not in pickle.dumps(one)
    assert copy.connection.things() == one.connection.things()


ERRORS: list[tuple[int, Any, type[PolycloudError], str]] = [
    (404, {"itemNotFound": {"code": 404, "message": "no such server"}}, NotFoundError, "no such server"),
    (
        403,
        {"forbidden": {"code": 403, "message": "Quota exceeded for instances"}},
        QuotaExceededError,
        "instances",
    ),
    (
        413,
        {"overLimit": {"code": 413, "message": "VolumeLimitExceeded: too many"}},
        QuotaExceededError,
        "too many",
    ),
    (
        413,
        {"overLimit": {"code": 413, "message": "This request was rate-limited."}},
        RateLimitReachedError,
        "rate",
    ),
    (
        409,
        {"NeutronError": {"type": "OverQuota", "message": "Quota exceeded for port"}},
        QuotaExceededError,
        "port",
    ),
    (400, {"NeutronError": "an old message"}, ProviderHTTPError, "an old message"),
    (400, {"faultcode": "Client", "faultstring": "a bad pool"}, ProviderHTTPError, "a bad pool"),
    (
        403,
        b"<html><head><title>403</title></head><body><h1>Forbidden</h1>not yours<br /></body></html>",
        ProviderHTTPError,
        "Forbidden not yours",
    ),
    (400, {"badRequest": {"code": 400, "message": "marker [x] not found"}}, NotFoundError, "marker"),
]


@pytest.mark.parametrize(("status", "body", "kind", "message"), ERRORS)
def test_errors(status: int, body: Any, kind: type[PolycloudError], message: str) -> None:
    """Each service's form of an error is read, and status and message give the class."""
    known = Keystone()

    def respond(seen: Seen) -> Answer:
        return Answer(status, body) if seen.path.endswith("/things") else known.respond(seen)

    with serve(respond) as web, driver(web, ex_tenant_name="web") as one:
        with pytest.raises(kind, match=message) as caught:
            one.connection.request("/things", method="POST")
    assert type(caught.value) is kind


def test_arguments() -> None:
    """Arguments that cannot be used are refused, and the error says what is right."""
    url = "http://127.0.0.1:1"
    wrong: list[tuple[type[PolycloudError], str, tuple[Any, ...], dict[str, Any]]] = [
        (InvalidCredsError, "needs the address of Keystone", ("demo", "secret"), {}),
        (InvalidCredsError, "needs a user name and a password", ("demo",), {"url": url}),
        (InvalidArgumentError, "not both", ("demo", "secret"), {"url": url, "ex_force_auth_url": url}),
        (InvalidArgumentError, "not both", ("demo", "secret"), {"cloud": "prod"}),
        (
            InvalidArgumentError,
            "did you mean '3.x_password'",
            ("demo", "secret"),
            {"url": url, "ex_force_auth_version": "3.x_pasword"},
        ),
        (
            UnsupportedOperationError,
            "openstack token issue",
            ("demo", "secret"),
            {"url": url, "ex_force_auth_version": "3.x_oidc_access_token"},
        ),
        (
            InvalidArgumentError,
            "must be one of project",
            ("demo", "secret"),
            {"url": url, "ex_token_scope": "tenant"},
        ),
        (
            InvalidArgumentError,
            "a microversion must be like '2.36'",
            ("demo", "secret"),
            {"url": url, "ex_force_microversion": "two"},
        ),
        (InvalidArgumentError, "no option 'ex_tenant'", ("demo", "secret"), {"url": url, "ex_tenant": "web"}),
    ]
    for kind, message, credentials, options in wrong:
        with pytest.raises(kind, match=message):
            ThingDriver(*credentials, **options)

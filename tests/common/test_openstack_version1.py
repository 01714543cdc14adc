"""The login of version 1: a GET with the user and the key, which Swift has in place of Keystone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from polycloud.common.openstack import account
from polycloud.common.openstack.clouds import find_cloud
from polycloud.compute.drivers.openstack import OpenStackNodeDriver
from polycloud.errors import InvalidCredsError, LoginError, UnsupportedOperationError
from polycloud.storage.drivers.swift import OpenStackSwiftStorageDriver
from support.web import Answer, Seen, Web, serve

USER, SECRET = "test:tester", "a-very-secret-key"


class Swift:
    """A Swift without containers, which issues a new token at each login and knows only the last one."""

    def __init__(self) -> None:
        self.logins = 0
        self.expires = "3600"
        self.has_address = True

    def __call__(self, seen: Seen) -> Answer:
        if "auth" in seen.path:
            return self._log_in(seen)
        if seen.headers.get("X-Auth-Token") != f"token-{self.logins}":
            return Answer(401, b"<html><h1>Unauthorized</h1></html>")
        return Answer(200, b"[]", {"Content-Type": "application/json"})

    def _log_in(self, seen: Seen) -> Answer:
        if (seen.headers.get("X-Auth-User"), seen.headers.get("X-Auth-Key")) != (USER, SECRET):
            return Answer(401, b"<html><h1>Unauthorized</h1></html>")
        self.logins += 1
        headers = {"X-Auth-Token": f"token-{self.logins}", "X-Auth-Token-Expires": self.expires}
        place = f"http://{seen.headers['Host']}/v1/AUTH_test"
        return Answer(200, b"", {**headers, **({"X-Storage-Url": place} if self.has_address else {})})


@pytest.fixture(autouse=True)
def _unknown_accounts() -> None:
    """Forget the tokens of earlier servers, whose ports the system gives to later ones."""
    account._stores._stores.clear()


@pytest.fixture
def swift() -> Swift:
    return Swift()


@pytest.fixture
def web(swift: Swift) -> Iterator[Web]:
    with serve(swift) as web:
        yield web


@contextmanager
def driver(
    url: str, secret: str = SECRET, version: str | None = "1.0", **options: Any
) -> Iterator[OpenStackSwiftStorageDriver]:
    with OpenStackSwiftStorageDriver(
        USER, secret, ex_force_auth_url=url, ex_force_auth_version=version, **options
    ) as one:
        yield one


@pytest.mark.parametrize(
    ("path", "version", "asked"),
    [
        ("", "1.0", "/auth/v1.0"),
        ("/", "1", "/auth/v1.0"),
        ("/auth/v1.0", None, "/auth/v1.0"),
        ("/auth/v1.0/", "1.0", "/auth/v1.0"),
        ("/swift/auth/v1", None, "/swift/auth/v1"),
        ("/auth", "1.0", "/auth"),
    ],
)
def test_addresses(web: Web, path: str, version: str | None, asked: str) -> None:
    """A URL without a path means /auth/v1.0, another one is used as it is, and its end tells the version."""
    with driver(f"{web.url}{path}", version=version) as one:
        assert one.list_containers() == []
    assert [seen.path for seen in web.seen] == [asked, "/v1/AUTH_test/"]


def test_a_refused_token(swift: Swift, web: Web) -> None:
    """A token that is refused is renewed once, and the request is sent again."""
    with driver(web.url) as one:
        one.list_containers()
        one.connection.token_store().token = None
        swift.logins += 1  # as a restart of Swift, which forgets its tokens
        one.list_containers()
        before = len(web.seen)
        swift.logins += 1
        one.list_containers()
        assert [seen.path for seen in web.seen[before:]] == ["/v1/AUTH_test/", "/auth/v1.0", "/v1/AUTH_test/"]


def test_a_given_token(swift: Swift, web: Web) -> None:
    """A token that is given with the storage's address is used until user and key must renew it."""
    storage = f"{web.url}/v1/AUTH_test"
    with driver(web.url, ex_force_auth_token="given", ex_force_base_url=storage) as one:
        one.list_containers()
    assert [seen.path for seen in web.seen] == ["/v1/AUTH_test/", "/auth/v1.0", "/v1/AUTH_test/"]
    tokens = [seen.headers.get("X-Auth-Token") for seen in web.seen]
    assert tokens[0] == "given" != tokens[2]
    options = {"ex_force_auth_url": web.url, "ex_force_auth_version": "1.0", "ex_force_auth_token": tokens[2]}
    with OpenStackSwiftStorageDriver(ex_force_base_url=storage, **options) as one:
        assert one.list_containers() == []
    assert [seen.path for seen in web.seen[3:]] == ["/v1/AUTH_test/"]
    with OpenStackSwiftStorageDriver(**{**options, "ex_force_auth_token": "other"}) as one:
        with pytest.raises(InvalidCredsError, match="needs ex_force_base_url="):
            one.list_containers()


def test_the_end_of_tokens(swift: Swift, web: Web) -> None:
    """A token ends when the response to the login says so, or never if it does not say."""
    with driver(web.url) as one:
        end = one.connection.access.expires_at
        assert end is not None
        assert 3500 < (end - datetime.now(UTC)).total_seconds() <= 3600
        swift.expires = "soon"
        one.connection.token_store().token = None
        assert one.connection.access.expires_at is None


def test_wrong_keys(web: Web) -> None:
    """A login that is refused raises an error that names the user and shows no key."""
    with driver(web.url, secret="another-secret") as one:
        with pytest.raises(InvalidCredsError, match="the user 'test:tester' is refused") as raised:
            one.list_containers()
    assert "another-secret" not in str(raised.value)


def test_responses_without_an_address(swift: Swift, web: Web) -> None:
    """A response to the login without the address of the storage is an error."""
    swift.has_address = False
    with driver(web.url) as one, pytest.raises(LoginError, match="must have X-Auth-Token and X-Storage-Url"):
        one.list_containers()


def test_other_services(web: Web) -> None:
    """Drivers of other services say that the account has storage only."""
    with OpenStackNodeDriver(USER, SECRET, url=f"{web.url}/auth/v1.0") as one:
        with pytest.raises(UnsupportedOperationError, match="no service 'compute', only: object-store"):
            one.list_sizes()


def test_clouds_yaml(monkeypatch: pytest.MonkeyPatch, tmp_path: Any, web: Web) -> None:
    """`auth_type: v1password` in clouds.yaml is this login."""
    text = f"clouds: {{old: {{auth_type: v1password, auth: {{auth_url: '{web.url}', username: '{USER}', "
    file = tmp_path / "clouds.yaml"
    file.write_text(f"{text}password: {SECRET}}}}}}}")
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(file))
    assert find_cloud("old").login.method == "1.0"
    with OpenStackSwiftStorageDriver(cloud="old") as one:
        assert one.list_containers() == []

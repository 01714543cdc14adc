"""What the requests of a bridged driver go through: proxies, TLS, redirects, and sessions of others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import libcloud.security
import pytest

from polycloud import bridge
from polycloud.bridge.sessions import BridgedSession
from polycloud.errors import InsecureConnectionError, MalformedResponseError, TLSError
from support.certificates import Authority
from support.libclouddriver import HomemadeDriver
from support.web import Answer, Seen, Web, serve

KEY = "homemade-key-1"
NODES = [{"id": "1", "name": "node-1"}]
KIND: Any = bridge.driver_class(HomemadeDriver)


def nodes(seen: Seen) -> Answer:
    return Answer(body=NODES)


@pytest.fixture
def web() -> Iterator[Web]:
    with serve(nodes) as web:
        yield web


def test_proxy(web: Web) -> None:
    """A request goes to the driver's proxy, which gets the address of the provider."""
    options = {"host": "api.example.test", "port": 80, "secure": False, "allow_insecure": True}
    with KIND(KEY, proxy_url=web.url, **options) as driver:
        assert [one.name for one in driver.list_nodes()] == ["node-1"]
    assert [one.target for one in web.seen] == ["http://api.example.test/nodes"]


def test_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Certificates are verified, whatever Libcloud's switch says, by the authorities of `ca_cert`."""
    monkeypatch.setattr(libcloud.security, "VERIFY_SSL_CERT", False)
    certificate = Authority(tmp_path).issue()
    with serve(nodes, certificate.server_context()) as web:
        options = {"host": "127.0.0.1", "port": web.port}
        with KIND(KEY, **options) as driver, pytest.raises(TLSError):
            driver.list_nodes()
        with KIND(KEY, ca_cert=str(certificate.authority), **options) as driver:
            assert [one.name for one in driver.list_nodes()] == ["node-1"]


def test_redirects(web: Web) -> None:
    """A redirect to another address carries no credentials there, and none to plain HTTP of another host."""
    target = f"http://localhost:{web.port}/elsewhere"
    seen: list[Seen] = []

    def away(request: Seen) -> Answer:
        seen.append(request)
        return Answer(302, headers={"Location": target})

    with serve(away) as first, KIND(KEY, **first.options) as driver:
        assert [one.name for one in driver.list_nodes()] == ["node-1"]
        assert seen[-1].headers["X-Key"] == KEY
        assert web.seen[-1].path == "/elsewhere"
        assert KEY not in str(web.seen[-1].headers)
        target = "http://api.example.test/"
        with pytest.raises(InsecureConnectionError):
            driver.list_nodes()


def test_user_agent(web: Web) -> None:
    """The user agent is Libcloud's, with the words of `user_agent_append`."""
    with KIND(KEY, user_agent_append="shop/1.0", **web.options) as driver:
        driver.list_nodes()
    assert web.seen[0].headers["User-Agent"].startswith("libcloud/")
    assert "shop/1.0" in web.seen[0].headers["User-Agent"]


def test_page_of_html() -> None:
    """A page in the place of JSON is `MalformedResponseError`, with the beginning of the page."""
    page = Answer(body=b"<html><title>Please sign in</title></html>", headers={"Content-Type": "text/html"})
    with serve(lambda _: page) as web, KIND(KEY, **web.options) as driver:
        with pytest.raises(MalformedResponseError, match="Please sign in"):
            driver.list_nodes()


def test_libcloud_beside_it(web: Web) -> None:
    """A program that uses Libcloud itself keeps the sessions of `requests`, also beside a bridged call."""
    with KIND(KEY, **web.options) as driver:
        driver.list_nodes()
        kind: Any = HomemadeDriver
        plain = kind(KEY, **web.options)
        assert [one.name for one in plain.list_nodes()] == ["node-1"]
        session = plain.connection.connection.session
        assert not isinstance(session, BridgedSession)
        session.close()

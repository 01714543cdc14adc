from __future__ import annotations

from operator import attrgetter

import msgspec

from polycloud.common.linode import LinodeBaseDriver, number
from polycloud.common.payload import value_of
from support.web import Answer, serve


class Domain(msgspec.Struct):
    domain: str
    id: int | None = None
    ttl_sec: int | None = None


class DomainDriver(LinodeBaseDriver):
    """A driver of another service than compute."""


def test_lists_without_ids() -> None:
    """Lists and iterators of any service have each item once, by the key that they are given."""
    items = [{"domain": "a.example"}, {"domain": "b.example"}, {"domain": "a.example"}]
    with serve(lambda _: Answer(body={"data": items, "pages": 1})) as web:
        with DomainDriver("token", **web.options) as driver:
            connection, key = driver.connection, attrgetter("domain")
            listed = connection.list_all("/domains", Domain, value_of, key=key)
            iterated = list(connection.iterate("/domains", Domain, value_of, key=key, only={"domain": "a"}))
    assert listed == iterated == [Domain("a.example"), Domain("b.example")]
    assert web.seen[-1].headers["X-Filter"] == '{"domain": "a"}'


def test_objects_of_another_service() -> None:
    """Another service fetches, creates, changes and deletes objects by paths below /v4."""
    with serve(lambda _: Answer(body={"id": 7, "domain": "a.example", "ttl_sec": 300})) as web:
        with DomainDriver("token", **web.options) as driver:
            connection, path = driver.connection, f"/domains/{number('7')}"
            made = connection.post("/domains", Domain, {"domain": "a.example"})
            changed = connection.put(path, Domain, {"ttl_sec": 300})
            assert connection.delete(path) is True
            assert made.value == changed.value == connection.fetch(path, Domain).value
    assert [(seen.method, seen.path) for seen in web.seen] == [
        ("POST", "/v4/domains"),
        ("PUT", "/v4/domains/7"),
        ("DELETE", "/v4/domains/7"),
        ("GET", "/v4/domains/7"),
    ]

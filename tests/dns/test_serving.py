"""Waits until name servers serve a record, or do not any more."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import dns.asyncresolver
import pytest

from polycloud import aio, call_options
from polycloud.dns.drivers.dummy import DummyDNSDriver
from polycloud.dns.objects import Record, Zone
from polycloud.dns.serving import wait_until_gone, wait_until_served
from polycloud.errors import InvalidArgumentError, OperationTimeoutError
from support.dnsserver import NameServer

WWW = ("www.example.org", "A")


@pytest.fixture
def zone() -> Zone:
    return Zone("1", "example.org", "master", None, DummyDNSDriver("key"))


@pytest.fixture
def servers() -> Iterator[list[NameServer]]:
    """Two name servers that have the zone, without records."""
    with ExitStack() as stack:
        yield [stack.enter_context(NameServer({("example.org", "NS"): ["ns."]}).running()) for _ in range(2)]


@pytest.fixture
def addresses(servers: list[NameServer]) -> list[tuple[str, int]]:
    return [one.address for one in servers]


def record(zone: Zone, name: str, type_: str, data: str, **extra: Any) -> Record:
    return Record("1", name, type_, data, zone, zone.driver, 300, {"ttl": 300, **extra})


def test_every_server(zone: Zone, servers: list[NameServer], addresses: list[tuple[str, int]]) -> None:
    """The wait ends when the last server answers with the value, beside others, whatever the TTL."""
    first, second = servers
    first.answers[WWW] = ["192.0.2.1", "192.0.2.2"]
    timer = threading.Timer(0.3, second.answers.update, [{WWW: ["192.0.2.1"]}])
    timer.start()
    began = time.monotonic()
    wait_until_served(record(zone, "www", "A", "192.0.2.1"), timeout=20, nameservers=addresses)
    assert 0.2 < time.monotonic() - began < 15
    assert WWW in second.asked


def test_what_each_server_answers(
    zone: Zone, servers: list[NameServer], addresses: list[tuple[str, int]]
) -> None:
    """The error after the timeout names each server that does not serve the value, and what it answers."""
    first, second = servers
    first.answers[WWW] = ["192.0.2.7"]
    second.answers[WWW] = ["192.0.2.1"]
    one = record(zone, "www", "A", "192.0.2.1")
    with pytest.raises(OperationTimeoutError) as caught:
        wait_until_served(one, timeout=0.2, nameservers=addresses)
    assert str(caught.value) == (
        "gave up after 0.2 s waiting for A www of example.org to be served; the last check failed: "
        f"127.0.0.1:{addresses[0][1]} answers 192.0.2.7 for A of www.example.org."
    )
    first.answers.pop(WWW)
    with pytest.raises(
        OperationTimeoutError, match=r"127\.0\.0\.1:\d+ answers nothing for A of www\.example\.org"
    ):
        wait_until_served(one, timeout=0.2, nameservers=addresses)
    first.is_silent = True
    second.failing = "SERVFAIL"
    with pytest.raises(OperationTimeoutError) as caught:
        wait_until_served(one, timeout=0.2, nameservers=addresses)
    silent, failing = (f"127.0.0.1:{port}" for _, port in addresses)
    assert f"{silent} does not respond at 127.0.0.1; {failing} responds SERVFAIL" in str(caught.value)


@pytest.mark.parametrize("trouble", ["is_silent", "failing", "is_authoritative", "is_truncating"])
def test_servers_in_trouble(
    zone: Zone,
    servers: list[NameServer],
    addresses: list[tuple[str, int]],
    trouble: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A server that is silent, fails, or lacks the zone is asked again; a long answer comes by TCP."""
    monkeypatch.setattr("polycloud.dns.serving.QUERY_TIMEOUT", 0.5)
    for one in servers:
        one.answers[WWW] = ["192.0.2.1"]
    troubled = {"failing": "SERVFAIL", "is_authoritative": False}.get(trouble, True)
    normal = getattr(servers[0], trouble)
    setattr(servers[0], trouble, troubled)
    timer = threading.Timer(0.3, setattr, [servers[0], trouble, normal])
    if trouble != "is_truncating":
        timer.start()
    began = time.monotonic()
    wait_until_served(record(zone, "www", "A", "192.0.2.1"), timeout=20, nameservers=addresses)
    assert (time.monotonic() - began > 0.2) == (trouble != "is_truncating")


def test_gone(zone: Zone, servers: list[NameServer], addresses: list[tuple[str, int]]) -> None:
    """A record is gone when every server responds without its value; other values may be there."""
    one = record(zone, "www", "A", "192.0.2.1")
    servers[0].answers[WWW] = ["192.0.2.2"]
    servers[1].answers[WWW] = ["192.0.2.1", "192.0.2.2"]
    with pytest.raises(
        OperationTimeoutError, match=r"to be gone.* answers 192\.0\.2\.1, 192\.0\.2\.2 for A of"
    ):
        wait_until_gone(one, timeout=0.2, nameservers=addresses)
    servers[1].failing = "REFUSED"
    with pytest.raises(OperationTimeoutError, match="responds REFUSED"):
        wait_until_gone(one, timeout=0.2, nameservers=addresses)
    servers[1].failing = ""
    servers[1].answers.pop(WWW)
    wait_until_gone(one, timeout=5, nameservers=addresses)


@pytest.mark.parametrize(
    ("name", "type_", "data", "extra", "answers"),
    [
        ("", "MX", "mail.example.org", {"priority": 10}, {("example.org", "MX"): ["10 Mail.Example.org."]}),
        ("*", "A", "192.0.2.1", {}, {("*.example.org", "A"): ["192.0.2.1"]}),
        ("t", "TXT", "a" * 300, {}, {("t.example.org", "TXT"): [f'"{"a" * 100}" "{"a" * 200}"']}),
        ("c", "CNAME", "x.example.net", {}, {("c.example.org", "CNAME"): ["x.example.net."]}),
        ("", "ALIAS", "x.example.net", {}, {("example.org", "AAAA"): ["2001:db8::1"]}),
        ("bücher", "AAAA", "2001:db8:0::1", {}, {("xn--bcher-kva.example.org", "AAAA"): ["2001:db8::1"]}),
        ("s", "HTTPS", ". alpn=h2", {"priority": 1}, {("s.example.org", "HTTPS"): ['1 . alpn="h2"']}),
    ],
)
def test_values(
    zone: Zone,
    servers: list[NameServer],
    addresses: list[tuple[str, int]],
    name: str,
    type_: str,
    data: str,
    extra: dict[str, Any],
    answers: dict[tuple[str, str], list[str]],
) -> None:
    """A value is found in any spelling, a wildcard at its own name, and an ALIAS by any address."""
    one = record(zone, name, type_, data, **extra)
    for server in servers:
        server.answers.update(answers)
    wait_until_served(one, timeout=5, nameservers=addresses)
    with pytest.raises(OperationTimeoutError):
        wait_until_gone(one, timeout=0.1, nameservers=addresses)
    for server in servers:
        server.answers = {(key[0], "HINFO"): ["a b"] for key in answers}
    wait_until_gone(one, timeout=5, nameservers=addresses)
    with pytest.raises(OperationTimeoutError):
        wait_until_served(one, timeout=0.1, nameservers=addresses)


def test_delegations(zone: Zone, servers: list[NameServer], addresses: list[tuple[str, int]]) -> None:
    """What a zone says of a domain that it delegates is in a referral, from a server without authority."""
    ns, glue = record(zone, "sub", "NS", "ns.sub.example.org"), record(zone, "ns.sub", "A", "192.0.2.1")
    for server in servers:
        server.is_authoritative = False
        server.answers = {("sub.example.org", ""): [], ("ns.sub.example.org", ""): []}
        server.referrals = {
            ("sub.example.org", "NS"): ["ns.sub.example.org."],
            ("ns.sub.example.org", "A"): ["192.0.2.1"],
        }
    wait_until_served([ns, glue], timeout=5, nameservers=addresses)
    for server in servers:
        del server.referrals["ns.sub.example.org", "A"]
    wait_until_gone(glue, timeout=5, nameservers=addresses)


def test_sets(zone: Zone, servers: list[NameServer], addresses: list[tuple[str, int]]) -> None:
    """Of several records, each must be served, and none for all to be gone; a set is one query."""
    several = [record(zone, "www", "A", f"192.0.2.{number}") for number in (1, 2)]
    several.append(record(zone, "mail", "A", "192.0.2.3"))
    for server in servers:
        server.answers.update({WWW: ["192.0.2.1"], ("mail.example.org", "A"): ["192.0.2.3"]})
    with pytest.raises(OperationTimeoutError, match=r"A www of example\.org and 2 more to be served"):
        wait_until_served(several, timeout=0.2, nameservers=addresses)
    with pytest.raises(OperationTimeoutError, match=r"answers 192\.0\.2\.1 for"):
        wait_until_gone(several, timeout=0.2, nameservers=addresses)
    servers[0].asked.clear()
    for server in servers:
        server.answers[WWW] = ["192.0.2.2", "192.0.2.1"]
    wait_until_served(several, timeout=5, nameservers=addresses)
    assert sorted(servers[0].asked) == [("mail.example.org", "A"), WWW]


def test_one_silent_question(zone: Zone) -> None:
    """A server that answers one question and not the other has not served both."""

    class Half(NameServer):
        def _response(self, data: bytes, *, truncated: bool = False) -> bytes:
            response = super()._response(data, truncated=truncated)
            return b"?" if b"\x04half" in data else response

    with Half({WWW: ["192.0.2.1"], ("half.example.org", "A"): ["192.0.2.1"]}).running() as server:
        both = [record(zone, name, "A", "192.0.2.1") for name in ("www", "half")]
        with pytest.raises(OperationTimeoutError, match="does not respond"):
            wait_until_served(both, timeout=0.2, nameservers=[server.address])


def test_servers_that_the_resolver_finds(zone: Zone, servers: list[NameServer], monkeypatch: Any) -> None:
    """Without `nameservers`, those of the domain are asked, at port 53; the error says if there are none."""
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = ["127.0.0.1"], servers[0].address[1]
    monkeypatch.setattr(dns.asyncresolver, "default_resolver", resolver)
    servers[0].answers[("example.org", "NS")] = ["no-such-host.invalid."]
    one = record(zone, "www", "A", "192.0.2.1")
    with pytest.raises(OperationTimeoutError, match=r"no-such-host\.invalid has no address"):
        wait_until_served(one, timeout=0.2)
    servers[0].answers.clear()
    with pytest.raises(OperationTimeoutError, match=r"the name servers of example\.org were not found"):
        wait_until_served(one, timeout=0.2)


def test_deadlines_and_loops(zone: Zone, servers: list[NameServer], addresses: list[tuple[str, int]]) -> None:
    """The deadline of a call ends the wait with what was found; on an event loop others run meanwhile."""
    one = record(zone, "www", "A", "192.0.2.1")
    servers[0].is_silent = True
    began = time.monotonic()
    with call_options(deadline=2.0), pytest.raises(OperationTimeoutError, match="does not respond"):
        wait_until_served(one, nameservers=addresses)
    assert time.monotonic() - began < 10
    servers[0].is_silent = False
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            if ticks == 10:
                for server in servers:
                    server.answers[WWW] = ["192.0.2.1"]
            await asyncio.sleep(0.01)

    async def run() -> None:
        others = asyncio.create_task(tick())
        async with aio.AsyncDNSDriver(zone.driver) as cloud:
            await cloud.run(wait_until_served, one, timeout=20, nameservers=addresses)
        others.cancel()

    asyncio.run(run())
    assert ticks >= 10


def test_arguments(zone: Zone) -> None:
    """Arguments that are not valid are refused before anything is asked."""
    www = record(zone, "www", "A", "192.0.2.1")
    other = record(Zone("2", "example.com", "master", None, zone.driver), "www", "A", "192.0.2.1")
    for records, message in [
        ([], "of one zone, and one at least"),
        ([www, other], "of one zone, and one at least"),
        (["www"], "record must be a Record, got 'www'"),
        (7, "records must be a Record or several, got 7"),
        (record(zone, "www", "URL", "https://example.net"), "records of type URL are not in DNS"),
        (record(zone, "www", "A", "nonsense"), "data of type A must be an IPv4 address"),
    ]:
        with pytest.raises(InvalidArgumentError, match=message):
            wait_until_served(records)  # type: ignore[arg-type]
    for servers in [[], [""], [("a", 0)], [("a",)], [7], "ns1.example.org", 7]:
        with pytest.raises(InvalidArgumentError, match=r"name ?server"):
            wait_until_gone(www, nameservers=servers)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match="timeout must be"):
        wait_until_served(www, timeout=-1)

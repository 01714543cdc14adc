"""DNS-01: digests are published where they belong, served before a block begins, and removed after it."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import dns.asyncresolver
import dns.message
import pytest

from polycloud import aio
from polycloud.dns.acme import challenge, find_zone, remove_challenge, set_challenge
from polycloud.dns.drivers.dummy import DummyDNSDriver
from polycloud.dns.objects import Record, Zone
from polycloud.dns.types import (
    RecordConflictError,
    RecordDoesNotExistError,
    RecordType,
    ZoneDoesNotExistError,
)
from polycloud.errors import (
    InvalidArgumentError,
    OperationTimeoutError,
    ServerError,
    TransportError,
)
from support.dnsserver import NameServer

FIRST, SECOND = "A" * 43, "B" * 43


class Mirror(NameServer):
    """Serves the TXT records of a driver, unless it is `late`."""

    def __init__(self, driver: DummyDNSDriver) -> None:
        super().__init__()
        self.driver = driver
        self.is_late = False

    def _response(self, data: bytes, *, truncated: bool = False) -> bytes:
        self.answers = {("example.org", "SOA"): []}
        for zone in [] if self.is_late else self.driver.list_zones():
            for one in self.driver.list_records(zone):
                name = f"{one.name}.{zone.domain}".removeprefix(".")
                if one.type == "TXT":
                    self.answers.setdefault((name, "TXT"), []).append(f'"{one.data}"')
        return super()._response(data, truncated=truncated)


@pytest.fixture
def driver() -> DummyDNSDriver:
    driver = DummyDNSDriver("key")
    for domain in ("org", "example.org", "sub.example.org", "myexample.org"):
        driver.create_zone(domain)
    return driver


@pytest.fixture
def mirror(driver: DummyDNSDriver) -> Iterator[Mirror]:
    with Mirror(driver).running() as server:
        yield server


def published(driver: DummyDNSDriver) -> list[tuple[str, str, str]]:
    """Return zone, name and data of all TXT records."""
    return sorted(
        (zone.domain, one.name, one.data)
        for zone in driver.list_zones()
        for one in driver.list_records(zone)
        if one.type == "TXT"
    )


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("example.org", "example.org"),
        ("_acme-challenge.www.EXAMPLE.org.", "example.org"),
        ("www.sub.example.org", "sub.example.org"),
        ("example.org.myexample.org", "myexample.org"),
        ("other.org", "org"),
    ],
)
def test_zones_of_names(driver: DummyDNSDriver, name: str, domain: str) -> None:
    """A name belongs to the zone of the account with which it has most in common."""
    assert find_zone(driver, name).domain == domain


def test_names_without_a_zone(driver: DummyDNSDriver) -> None:
    """A name of no zone, and a domain with several zones, are errors."""
    with pytest.raises(
        ZoneDoesNotExistError, match=r"the account has no zone of www\.example\.com"
    ) as caught:
        find_zone(driver, "www.example.com")
    assert caught.value.zone_id == "www.example.com"

    class Twice(DummyDNSDriver):
        def list_zones(self) -> list[Zone]:
            return [Zone(str(number), "example.org", "master", None, self) for number in range(2)]

    with pytest.raises(InvalidArgumentError, match=r"has several zones example\.org \(0, 1\); pass one"):
        find_zone(Twice("key"), "www.example.org")


@pytest.mark.parametrize(
    ("domain", "zone", "name"),
    [
        ("example.org", "example.org", "_acme-challenge"),
        ("*.example.org", "example.org", "_acme-challenge"),
        ("*.a.sub.example.org.", "sub.example.org", "_acme-challenge.a"),
        ("bücher.org", "org", "_acme-challenge.xn--bcher-kva"),
    ],
)
def test_blocks(driver: DummyDNSDriver, mirror: Mirror, domain: str, zone: str, name: str) -> None:
    """In the block all digests are served, with a short TTL; after it none of them is there."""
    find_zone(driver, "example.org").create_record("_acme-challenge", RecordType.TXT, "left before")
    before = published(driver)
    with challenge(driver, domain, FIRST, SECOND, FIRST, nameservers=[mirror.address]) as records:
        assert sorted(published(driver)) == sorted([*before, (zone, name, FIRST), (zone, name, SECOND)])
        assert [(one.data, one.ttl) for one in records] == [(FIRST, 60), (SECOND, 60)]
        assert (f"{name}.{zone}", "TXT") in mirror.asked
    assert published(driver) == before


def test_two_at_a_time(driver: DummyDNSDriver, mirror: Mirror) -> None:
    """A domain and its wildcard have two digests at one name, and neither block removes the other's."""
    here = [mirror.address]
    both, ended = threading.Barrier(2), threading.Event()

    def other() -> None:
        with challenge(driver, "*.example.org", SECOND, nameservers=here):
            both.wait(10)
        ended.set()

    thread = threading.Thread(target=other)
    thread.start()
    with challenge(driver, "example.org", FIRST, nameservers=here):
        both.wait(10)
        assert ended.wait(10)
        assert published(driver) == [("example.org", "_acme-challenge", FIRST)]
    thread.join()
    assert published(driver) == []


def test_leftovers(driver: DummyDNSDriver, mirror: Mirror) -> None:
    """A digest that an earlier run has left is taken over, and removed at the end; other ones stay."""
    zone = find_zone(driver, "example.org")
    zone.create_record("_acme-challenge", RecordType.TXT, FIRST)
    zone.create_record("_acme-challenge", RecordType.TXT, SECOND)
    with challenge(zone, "example.org", FIRST, nameservers=[mirror.address]) as records:
        assert [one.data for one in records] == [FIRST]
    assert published(driver) == [("example.org", "_acme-challenge", SECOND)]
    remove_challenge(records)


def test_errors_clean_up(driver: DummyDNSDriver, mirror: Mirror) -> None:
    """An error in the block, and a record that is not served in time, leave nothing behind."""
    with pytest.raises(ZeroDivisionError):
        with challenge(driver, "example.org", FIRST, nameservers=[mirror.address]):
            raise ZeroDivisionError
    assert published(driver) == []
    mirror.is_late = True
    with pytest.raises(OperationTimeoutError, match="answers nothing for TXT of _acme-challenge"):
        set_challenge(driver, "example.org", FIRST, SECOND, timeout=0.2, nameservers=[mirror.address])
    assert published(driver) == []


@contextmanager
def interrupted_after(seconds: float) -> Iterator[None]:
    """Interrupt the main thread as Ctrl-C does."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(seconds, signal.raise_signal, [signal.SIGINT])
    timer.start()
    try:
        yield
    finally:
        timer.join()
        signal.signal(signal.SIGINT, before)


def test_interruptions_clean_up(driver: DummyDNSDriver, mirror: Mirror) -> None:
    """Ctrl-C during the wait, and in the block, leaves nothing behind."""
    mirror.is_late = True
    with interrupted_after(0.3), pytest.raises(KeyboardInterrupt):
        set_challenge(driver, "example.org", FIRST, timeout=20, nameservers=[mirror.address])
    assert published(driver) == []
    mirror.is_late = False
    with pytest.raises(KeyboardInterrupt):
        with challenge(driver, "example.org", FIRST, nameservers=[mirror.address]):
            raise KeyboardInterrupt
    assert published(driver) == []


class Failing(DummyDNSDriver):
    """Raises `after` when a record was created, and `on_delete` instead of deleting one."""

    after: BaseException | None = None
    on_delete: BaseException | None = None

    def create_record(self, *args: Any, **kwargs: Any) -> Record:
        record = super().create_record(*args, **kwargs)
        if self.after is not None:
            raise self.after
        return record

    def delete_record(self, record: Record) -> bool:
        if self.on_delete is not None:
            raise self.on_delete
        return super().delete_record(record)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), TransportError("broken"), ServerError(500, "failed")])
def test_creates_with_an_unknown_end(error: BaseException) -> None:
    """A record that was created, though the create was interrupted or failed, is removed."""
    driver = Failing("key")
    driver.create_zone("example.org")
    driver.after = error
    with pytest.raises(type(error)):
        set_challenge(driver, "example.org", FIRST)
    assert published(driver) == []


def test_cleanups_that_fail() -> None:
    """Where records cannot be removed, all are tried, and the error of the block stays, with a note."""
    driver = Failing("key")
    driver.create_zone("example.org")
    with Mirror(driver).running() as mirror:
        block = challenge(driver, "example.org", FIRST, SECOND, nameservers=[mirror.address])
        records = block.__enter__()
        driver.on_delete = TransportError("broken")
        error = ZeroDivisionError()
        assert not block.__exit__(ZeroDivisionError, error, None)
        assert error.__notes__ == ["the records of the challenge could not be removed: broken"]
        with pytest.raises(TransportError):
            remove_challenge(records)
        driver.on_delete = RecordDoesNotExistError()
        remove_challenge(records)
        driver.on_delete = None
        remove_challenge(records)
        assert published(driver) == []


def test_delegated_names(driver: DummyDNSDriver, mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where `_acme-challenge` is a CNAME, the digest is published where it leads, if `follow` says so."""
    zone = find_zone(driver, "example.org")
    zone.create_record("_acme-challenge", RecordType.CNAME, "one.example.net")
    with pytest.raises(RecordConflictError) as caught:
        set_challenge(driver, "example.org", FIRST)
    assert caught.value.__notes__ == ["follow=True publishes the digest where the CNAME leads"]
    start, second, third = "_acme-challenge.example.org", "one.example.net", "x.myexample.org"
    with NameServer({(start, "CNAME"): [f"{second}."], (second, "CNAME"): [f"{third}."]}).running() as server:
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers, resolver.port = ["127.0.0.1"], server.address[1]
        monkeypatch.setattr(dns.asyncresolver, "default_resolver", resolver)
        with challenge(driver, "*.example.org", FIRST, nameservers=[mirror.address], follow=True):
            assert published(driver) == [("myexample.org", "x", FIRST)]
        with challenge(driver, "sub.example.org", FIRST, nameservers=[mirror.address], follow=True):
            assert published(driver) == [("sub.example.org", "_acme-challenge", FIRST)]
        with pytest.raises(InvalidArgumentError, match="is outside the zone"):
            set_challenge(zone, "example.org", FIRST, follow=True)
        server.answers[third, "CNAME"] = [f"{start}."]
        with pytest.raises(InvalidArgumentError, match="lead in a circle"):
            set_challenge(driver, "example.org", FIRST, follow=True)
        server.failing = "SERVFAIL"
        with pytest.raises(TransportError, match=r"the CNAME of _acme-challenge\.example\.org could not be"):
            set_challenge(driver, "example.org", FIRST, follow=True)


def test_loops(driver: DummyDNSDriver, mirror: Mirror) -> None:
    """On an event loop, both functions run by `cloud.run`; a task that is cancelled leaves nothing behind."""

    async def run() -> None:
        async with aio.AsyncDNSDriver(driver) as cloud:
            begin = partial(set_challenge, driver, "example.org", FIRST, nameservers=[mirror.address])
            records = await cloud.run(begin)
            assert len(published(driver)) == 1
            await cloud.run(remove_challenge, records)
            assert published(driver) == []
            mirror.is_late = True
            task = asyncio.create_task(cloud.run(begin))
            await asyncio.sleep(0.3)
            assert len(published(driver)) == 1
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert published(driver) == []

    asyncio.run(run())


def test_arguments(driver: DummyDNSDriver) -> None:
    """Arguments that are not valid are refused before anything is sent."""
    for digests in [(), ("short",), (FIRST + "=",), (7,), (f"{'x' * 40}.{'y' * 43}",)]:
        with pytest.raises(InvalidArgumentError, match="digest"):
            set_challenge(driver, "example.org", *digests)  # type: ignore[arg-type]
    for domain, message in [
        ("a b", "domain must not contain spaces"),
        (7, "domain must be a str"),
        ("*.", "empty"),
    ]:
        with pytest.raises(InvalidArgumentError, match=message):
            set_challenge(driver, domain, FIRST)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match="timeout must be"):
        set_challenge(driver, "example.org", FIRST, timeout=-1)
    with pytest.raises(InvalidArgumentError, match="nameservers must not be empty"):
        set_challenge(driver, "example.org", FIRST, nameservers=[])
    with pytest.raises(InvalidArgumentError, match="ttl must be an int"):
        set_challenge(driver, "example.org", FIRST, ttl=-1)
    assert published(driver) == []

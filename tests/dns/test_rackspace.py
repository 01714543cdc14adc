from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from polycloud import RetryPolicy
from polycloud.dns.changes import RecordChange, RecordsNotChangedError
from polycloud.dns.content import Content
from polycloud.dns.drivers.rackspace import CloudDNSConnection, RackspaceDNSDriver
from polycloud.dns.objects import Zone
from polycloud.dns.types import (
    RecordAlreadyExistsError,
    RecordType,
    ZoneDoesNotExistError,
)
from polycloud.errors import (
    AmbiguousCreateError,
    InvalidArgumentError,
    OperationTimeoutError,
    QuotaExceededError,
    RateLimitReachedError,
    ServerError,
    UnsupportedOperationError,
)
from polycloud.sandbox import Sandbox
from polycloud.tracing.hooks import add_hook
from support.web import Answer, Seen, serve

QUICK: dict[str, Any] = {"ssh": "off", "dns_job": 0.05}


@contextmanager
def made(cloud: Sandbox, kind: type[RackspaceDNSDriver] = RackspaceDNSDriver) -> Iterator[RackspaceDNSDriver]:
    with kind(*cloud.credentials, **cloud.options) as driver:
        yield driver


@pytest.fixture(scope="module")
def cloud() -> Iterator[Sandbox]:
    with Sandbox("rackspace", **QUICK) as cloud:
        yield cloud


@pytest.fixture
def driver(cloud: Sandbox) -> Iterator[RackspaceDNSDriver]:
    cloud.reset()
    with made(cloud) as driver:
        yield driver


@pytest.fixture
def zone(driver: RackspaceDNSDriver) -> Zone:
    return driver.create_zone("example.org")


@pytest.fixture
def requests() -> Iterator[list[str]]:
    """The requests that were sent, but those for jobs."""
    sent: list[str] = []
    remove = add_hook(lambda trace: sent.extend([trace.method] * ("/status/" not in trace.path)))
    yield sent
    remove()


def address(name: str, number: int = 1, **extra: Any) -> Content:
    return Content.of(name, RecordType.A, f"192.0.2.{number}", extra)


# Zones and records


def test_zones(driver: RackspaceDNSDriver) -> None:
    """A zone has an e-mail, by default hostmaster@, and a comment, which an update changes or keeps."""
    zone = driver.create_zone("example.org", ttl=600, extra={"comment": "ours"})
    assert (zone.ttl, zone.extra["email"], zone.extra["comment"]) == (600, "hostmaster@example.org", "ours")
    changed = driver.update_zone(zone, extra={"email": "ann@example.org"})
    found = driver.get_zone(zone.id)
    assert found.extra == changed.extra
    assert (found.ttl, found.extra["email"], found.extra["comment"]) == (600, "ann@example.org", "ours")
    assert found.extra["nameservers"]
    assert [one.id for one in driver.find_zones("Example.org.")] == [zone.id]


def test_records(zone: Zone) -> None:
    """The comment of a record is kept by its updates, its new name included; times are in extra."""
    record = zone.create_record("www", RecordType.A, "192.0.2.1", {"comment": "web", "ttl": 600})
    changed = record.update(data="192.0.2.2").update("old")
    assert (changed.name, changed.data, changed.ttl) == ("old", "192.0.2.2", 600)
    assert (changed.extra["comment"], changed.extra["fqdn"]) == ("web", "old.example.org")
    assert changed.extra["created"]
    assert [one.name for one in zone.list_records() if one.type == RecordType.A] == ["old"]


def test_services(zone: Zone) -> None:
    """Of SRV, the priority is a field of its own, and the data has weight, port and target."""
    extra = {"priority": 1, "weight": 2, "port": 5060}
    record = zone.create_record("_sip._tcp", RecordType.SRV, "sip.example.net", extra)
    path = f"/domains/{zone.id}/records/{record.id}"
    raw = zone.driver.connection.request(path).object
    assert (raw["data"], raw["priority"]) == ("2 5060 sip.example.net", 1)
    changed = record.update(extra={"port": 5061})
    assert {one: changed.extra[one] for one in extra} == {**extra, "port": 5061}
    assert changed.data == "sip.example.net"


def test_refusals(driver: RackspaceDNSDriver, zone: Zone, requests: list[str]) -> None:
    """What Rackspace cannot have is refused before anything is sent."""
    refused: list[dict[str, Any]] = [{"ttl": 299}, {"comment": "x" * 161}, {"comment": 7}]
    for extra in refused:
        with pytest.raises(InvalidArgumentError):
            zone.create_record("www", RecordType.A, "192.0.2.1", extra)
        with pytest.raises(InvalidArgumentError):
            driver.create_zone("example.net", ttl=extra.pop("ttl", None), extra=extra)
    with pytest.raises(UnsupportedOperationError):
        driver.create_zone("example.net", "slave")
    with pytest.raises(UnsupportedOperationError):
        driver.update_zone(zone, "example.net")
    with pytest.raises(InvalidArgumentError, match="which Rackspace Cloud DNS removes"):
        zone.create_record("www", RecordType.TXT, 'a "quoted" text')
    assert requests == []


def test_identity_services() -> None:
    """Accounts of the UK log in at an identity service of their own, whatever the case of the region."""
    for region, host in (
        (None, "identity"),
        ("us", "identity"),
        ("UK", "lon.identity"),
        ("lon", "lon.identity"),
    ):
        driver = RackspaceDNSDriver("user", "key", region=region)
        assert driver.connection.host == f"{host}.api.rackspacecloud.com"


# Jobs


@pytest.mark.parametrize(
    ("errored", "call"),
    [
        ("create_domains", lambda zone: zone.driver.create_zone("example.net")),
        ("update_domains", lambda zone: zone.update(ttl=600)),
        ("create_records", lambda zone: zone.create_record("x", "A", "192.0.2.1")),
        ("delete_domains", lambda zone: zone.delete()),
    ],
)
def test_jobs_that_fail(errored: str, call: Any) -> None:
    """The error of a failed job names the job and its reason, and is no lost response."""
    with Sandbox("rackspace", **QUICK, errored=errored) as cloud, made(cloud) as driver:
        zone = Zone("999", "example.org", "master", None, driver)
        if errored != "create_domains":
            zone = driver.create_zone("example.org")
        with pytest.raises(ServerError, match=r"job [0-9a-f-]{36} failed: .*The job failed"):
            call(zone)


class Hasty(CloudDNSConnection):
    job_timeout = 0.2


class Impatient(RackspaceDNSDriver):
    connectionCls = Hasty
    settle_time = 0.2


def test_jobs_that_never_end() -> None:
    """A job that does not end is given up after a while, by its name; a create is ambiguous then."""
    stopped: list[float] = []

    def clock() -> float:
        return stopped[0] if stopped else time.monotonic()

    with Sandbox("rackspace", **QUICK, clock=clock) as cloud, made(cloud, Impatient) as driver:
        zone = driver.create_zone("example.org")
        record = zone.create_record("www", RecordType.A, "192.0.2.1")
        stopped.append(time.monotonic())
        for verb, call in (
            ("PUT", lambda: record.update(data="192.0.2.2")),
            ("DELETE", record.delete),
            ("PUT", lambda: driver.update_zone(zone, ttl=600)),
            ("DELETE", zone.delete),
        ):
            with pytest.raises(
                OperationTimeoutError, match=rf"the job GET /status/[0-9a-f-]{{36}}, which {verb} "
            ):
                call()
        with pytest.raises(
            AmbiguousCreateError, match=r"the job GET /status/[0-9a-f-]{36}, which POST /domains"
        ):
            driver.create_zone("example.net")


def test_deletes_that_are_repeated() -> None:
    """If a delete is sent again, and its second job finds nothing, the first one has done it."""
    deletes: list[str] = []

    def respond(seen: Seen) -> Answer | None:
        base = f"http://{seen.headers['Host']}"
        if seen.path.startswith("/v2.0"):
            endpoint = {"publicURL": f"{base}/v1.0/1234"}
            catalog = [{"type": "rax:dns", "name": "cloudDNS", "endpoints": [endpoint]}]
            return Answer(200, {"access": {"token": {"id": "t"}, "serviceCatalog": catalog}})
        if seen.method == "DELETE":
            deletes.append(seen.path)
            return Answer(202, {"jobId": "j", "status": "RUNNING"}) if len(deletes) != 1 else None
        error = {"code": 404, "message": "Object not Found."}
        return Answer(200, {"jobId": "j", "status": "ERROR", "error": error})

    with serve(respond) as web:
        options = {**web.options, "retry": RetryPolicy(base=0.01)}
        with RackspaceDNSDriver("user", "key", **options) as driver:
            zone = Zone("1", "example.org", "master", None, driver)
            assert driver.delete_zone(zone)
            assert len(deletes) == 2
            with pytest.raises(ZoneDoesNotExistError, match="job j failed: Object not Found"):
                driver.delete_zone(zone)


def test_limits() -> None:
    """A limit of requests says when to come back; one of domains and records is a quota."""
    once = RetryPolicy(attempts=1)
    with Sandbox("rackspace", **QUICK, dns_limit=1) as cloud:
        with RackspaceDNSDriver(*cloud.credentials, **cloud.options, retry=once) as driver:
            assert driver.list_zones() == []
            with pytest.raises(RateLimitReachedError) as caught:
                driver.list_zones()
            assert 0 < caught.value.retry_after <= 60
    with Sandbox("rackspace", **QUICK, domain_limit=1, record_limit=3) as cloud, made(cloud) as driver:
        zone = driver.create_zone("example.org")  # with two name servers
        with pytest.raises(QuotaExceededError, match="1 domains"):
            driver.create_zone("example.net")
        zone.create_record("www", RecordType.A, "192.0.2.1")
        with pytest.raises(QuotaExceededError, match="3 records"):
            zone.create_record("www", RecordType.A, "192.0.2.2")


# Many records


def test_many_changes(zone: Zone, requests: list[str]) -> None:
    """Many changes are one job of each kind and of up to 100 records."""
    driver = zone.driver
    driver.change_records(zone, [RecordChange(None, address(f"host-{n}")) for n in range(150)])
    assert requests[-2:] == ["POST", "POST"]
    made = [one for one in zone.list_records() if one.type == RecordType.A]
    assert len(made) == 150
    requests.clear()
    updates = [RecordChange(one, address(one.name, 2, ttl=600, comment="new")) for one in made[:50]]
    deletes = [RecordChange(one, None) for one in made[50:]]
    driver.change_records(zone, deletes + updates)
    assert requests == ["PUT", "DELETE"]
    found = [one for one in zone.list_records() if one.type == RecordType.A]
    assert {(one.data, one.ttl, one.extra["comment"]) for one in found} == {("192.0.2.2", 600, "new")}
    assert len(found) == 50


def test_many_changes_of_which_some_fail(zone: Zone) -> None:
    """A record that is refused fails alone, though a job takes all or none; one that is gone is deleted."""
    driver = zone.driver
    gone, kept = (zone.create_record(name, RecordType.A, "192.0.2.1") for name in ("gone", "kept"))
    gone.delete()
    good = [RecordChange(None, address(f"host-{n}")) for n in range(9)]
    twice, late = RecordChange(None, address("kept")), RecordChange(None, address("host", ttl=5))
    with pytest.raises(RecordsNotChangedError) as caught:
        driver.change_records(zone, [*good[:5], twice, late, *good[5:], RecordChange(gone, None)])
    (first, reason), (second, other) = caught.value.failed
    assert (first, second) == (twice, late)
    assert isinstance(reason, RecordAlreadyExistsError)
    assert isinstance(other, InvalidArgumentError)
    assert (caught.value.done, caught.value.left) == (good, [RecordChange(gone, None)])
    names = {one.name for one in zone.list_records() if one.type == RecordType.A}
    assert names == {"kept", *(f"host-{n}" for n in range(9))}
    driver.change_records(zone, [RecordChange(gone, None), RecordChange(kept, None)])
    assert "kept" not in {one.name for one in zone.list_records()}


def test_other_types(zone: Zone) -> None:
    """A record that becomes a CNAME is deleted and created, as the type of a record cannot be changed."""
    record, other = (zone.create_record("www", RecordType.A, f"192.0.2.{n}") for n in (1, 2))
    alias = Content.of("www", RecordType.CNAME, "host.example.net", {})
    zone.driver.change_records(zone, [RecordChange(record, alias), RecordChange(other, None)])
    found = [(one.type, one.data) for one in zone.list_records() if one.name == "www"]
    assert found == [("CNAME", "host.example.net")]
    with pytest.raises(UnsupportedOperationError):
        record.update(type=RecordType.AAAA, data="2001:db8::1")

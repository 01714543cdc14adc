"""DNS-01, the challenge of ACME that wildcard certificates need (RFC 8555, 8.4).

An ACME client gets a token for each domain of an order, and makes a digest of it. `challenge` publishes the
digest as TXT of `_acme-challenge`, and waits until every name server of the zone serves it, before the client
tells the certificate authority to look. A domain and its wildcard have that name in common, and two digests.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

from polycloud.concurrency import calls, waiting
from polycloud.dns.base import DNSDriver
from polycloud.dns.content import relative_to
from polycloud.dns.names import normalize_domain, relative_name
from polycloud.dns.objects import Record, Zone
from polycloud.dns.rdata import dns_name
from polycloud.dns.serving import TIMEOUT, NameServer, check_nameservers, wait_until_served
from polycloud.dns.types import (
    RecordAlreadyExistsError,
    RecordConflictError,
    RecordDoesNotExistError,
    RecordType,
    ZoneDoesNotExistError,
)
from polycloud.errors import (
    InvalidArgumentError,
    PolycloudError,
    ProviderError,
    ServerError,
    TransportError,
    UnsupportedOperationError,
)
from polycloud.utils.values import shown

__all__ = ["challenge", "find_zone", "remove_challenge", "set_challenge"]

LABEL = "_acme-challenge"
TTL = 60
DIGEST = re.compile(r"[A-Za-z0-9_-]{43}")
"""The base64url form of a SHA-256 digest."""
REFUSALS = (InvalidArgumentError, ProviderError, UnsupportedOperationError)
"""Errors of creates that have created nothing."""
MOST_ALIASES = 8
ALIAS_TIMEOUT = 20.0
"""Seconds to look up a CNAME."""


@contextmanager
def challenge(
    where: DNSDriver | Zone,
    domain: str,
    *digests: str,
    ttl: int | None = TTL,
    timeout: float = TIMEOUT,
    nameservers: Iterable[NameServer] | None = None,
    follow: bool = False,
) -> Iterator[list[Record]]:
    """Publish a domain's digests for a `with` block; remove them at its end, also after an error or Ctrl-C.

        with challenge(driver, "*.example.org", digest):
            client.answer_challenge(...)

    Arguments and errors are those of `set_challenge`. On an event loop, call `set_challenge` and
    `remove_challenge` by `cloud.run`.
    """
    records = set_challenge(
        where, domain, *digests, ttl=ttl, timeout=timeout, nameservers=nameservers, follow=follow
    )
    try:
        yield records
    except BaseException as error:
        _tidy_up(error, records)
        raise
    with calls.cleanup():
        remove_challenge(records)


def set_challenge(
    where: DNSDriver | Zone,
    domain: str,
    *digests: str,
    ttl: int | None = TTL,
    timeout: float = TIMEOUT,
    nameservers: Iterable[NameServer] | None = None,
    follow: bool = False,
) -> list[Record]:
    """Publish the digests of a domain, and return their records once all name servers serve them.

    What the name has already stays, such as a digest that another call has set or an earlier run has left; a
    digest that is there already is taken over. After an error or an interruption nothing of it remains.

    Args:
        where: The driver of an account, whose zone with the longest name in common is taken, or a zone.
        domain: The domain of the certificate; a leading `*.` makes no difference.
        digests: The base64url form of the SHA-256 digest of each key authorization.
        ttl: The seconds that resolvers may keep the records; None for the default of the zone.
        timeout: The seconds to wait until the records are served.
        nameservers: The servers to ask, as in `wait_until_served`.
        follow: Whether to publish where a CNAME of `_acme-challenge` leads, as the system's resolver finds.

    Raises:
        InvalidArgumentError: An argument is invalid; nothing was sent.
        ZoneDoesNotExistError: The account has no zone of the domain.
        RecordConflictError: There is a CNAME, and `follow` is not given.
        OperationTimeoutError: A name server does not serve the records.
    """
    if not digests:
        raise InvalidArgumentError("give one digest at least")
    for one in digests:
        if not isinstance(one, str) or not DIGEST.fullmatch(one):
            raise InvalidArgumentError(
                f"a digest must be SHA-256 in base64url without padding, 43 characters, got {shown(one)}"
            )
    waiting.require_times(timeout)
    servers = None if nameservers is None else check_nameservers(nameservers)
    name = f"{LABEL}.{normalize_domain(domain.removeprefix('*.') if isinstance(domain, str) else domain)}"
    name = _followed(name) if follow else name
    zone = where if isinstance(where, Zone) else find_zone(where, name)
    relative = relative_to(zone, f"{name}.")
    records: list[Record] = []
    try:
        for one in dict.fromkeys(digests):
            records.append(_publish(zone, relative, one, ttl))  # noqa: PERF401 - an error leaves the first
        wait_until_served(records, timeout=timeout, nameservers=servers)
    except BaseException as error:
        _tidy_up(error, records)
        raise
    return records


def remove_challenge(records: Iterable[Record]) -> None:
    """Remove the records that `set_challenge` has returned; one that is gone already is ignored.

    All are tried. Raises the first error.
    """
    failed: list[PolycloudError] = []
    for one in records:
        try:
            with suppress(RecordDoesNotExistError, ZoneDoesNotExistError):
                one.delete()
        except PolycloudError as error:
            failed.append(error)
    if failed:
        raise failed[0]


def find_zone(driver: DNSDriver, name: str) -> Zone:
    """Return the zone of an account to which a name belongs: of those that contain it, the longest.

    Raises `ZoneDoesNotExistError` if there is none, and `InvalidArgumentError` if there are several with the
    same domain.
    """
    full = normalize_domain(name, "name")
    by_length: dict[int, list[Zone]] = {}
    for zone in driver.iterate_zones():
        with suppress(InvalidArgumentError):  # the name is outside of it
            by_length.setdefault(-len(relative_name(f"{full}.", zone)), []).append(zone)
    if not by_length:
        raise ZoneDoesNotExistError(f"the account has no zone of {full}", driver, full)
    found = by_length[max(by_length)]
    if len(found) > 1:
        ids = ", ".join(zone.id for zone in found)
        raise InvalidArgumentError(f"{driver.name} has several zones {found[0].domain} ({ids}); pass one")
    return found[0]


def _publish(zone: Zone, name: str, digest: str, ttl: int | None) -> Record:
    """Create a record, or return the one with this digest that is there already."""
    extra = {} if ttl is None else {"ttl": ttl}
    try:
        return zone.create_record(name, RecordType.TXT, digest, extra)
    except RecordAlreadyExistsError:
        found = _published(zone, name, digest)
        if found is None:
            raise
        return found
    except RecordConflictError as error:
        error.add_note("follow=True publishes the digest where the CNAME leads")
        raise
    except BaseException as error:
        if isinstance(error, ServerError) or not isinstance(error, REFUSALS):  # it may be there all the same
            _tidy_up(error, _lost(zone, name, digest))
        raise


def _published(zone: Zone, name: str, digest: str) -> Record | None:
    return next(
        (one for one in zone.list_records() if (one.name, one.type, one.data) == (name, "TXT", digest)), None
    )


def _lost(zone: Zone, name: str, digest: str) -> Iterator[Record]:
    """Yield the record that an interrupted create may have left."""
    found = _published(zone, name, digest)
    if found is not None:
        yield found


def _tidy_up(error: BaseException, records: Iterable[Record]) -> None:
    """Remove records after an error, which gets a note if that fails."""
    try:
        with calls.cleanup():
            remove_challenge(records)
    except PolycloudError as second:
        error.add_note(f"the records of the challenge could not be removed: {second}")


def _followed(name: str) -> str:
    """Return the name to which the CNAMEs of a name lead, or the name itself."""
    end = name
    for _ in range(MOST_ALIASES):
        target = waiting.run(partial(_alias, end))
        if target is None:
            return end
        end = target
    raise InvalidArgumentError(
        f"the CNAMEs of {name} lead in a circle, or over more than {MOST_ALIASES} names"
    )


async def _alias(name: str) -> str | None:
    """Return the target of a CNAME, None if there is none."""
    from dns import asyncresolver, exception, resolver

    try:
        answer = await asyncresolver.resolve(
            dns_name(name), "CNAME", search=False, lifetime=ALIAS_TIMEOUT, raise_on_no_answer=False
        )
    except resolver.NXDOMAIN:
        return None
    except (exception.DNSException, OSError) as error:
        raise TransportError(f"the CNAME of {name} could not be looked up: {error}") from error
    targets = [one.target.to_text(omit_final_dot=True) for one in answer]
    return targets[0] if targets else None

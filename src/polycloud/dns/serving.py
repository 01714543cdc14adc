"""Wait until the name servers of a zone serve a record, or do not serve it any more.

A provider that has accepted a change serves it some seconds later, and not on all of its servers at once. The
servers are therefore asked themselves, without a cache between, and all of them in each round: an address may
stand for many machines. TTLs are not compared.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from polycloud.concurrency import calls, waiting
from polycloud.dns.content import Content, check_kind
from polycloud.dns.names import full_name
from polycloud.dns.objects import Record, Zone
from polycloud.dns.rdata import ALIASES, OPAQUE, dns_name, read_rdata, write_rdata
from polycloud.errors import InvalidArgumentError, OperationTimeoutError, TransportError
from polycloud.utils.values import shown

if TYPE_CHECKING:
    from dns.message import Message
    from dns.name import Name

__all__ = ["NameServer", "check_nameservers", "wait_until_gone", "wait_until_served"]

NameServer = tuple[str, int] | str
TIMEOUT = 120.0
QUERY_TIMEOUT = 3.0
"""Seconds for a query: another round repeats it."""
SIDE_BY_SIDE = 32
SHOWN = 5
"""Servers and answers that a message shows."""
DNS_PORT = 53
ADDRESSES = ("A", "AAAA")
ANSWERED = frozenset({"NOERROR", "NXDOMAIN"})


def wait_until_served(
    records: Record | Iterable[Record],
    *,
    timeout: float = TIMEOUT,
    nameservers: Iterable[NameServer] | None = None,
) -> None:
    """Wait until every name server of the zone answers with a record, or with each of several.

    A server is asked for the name itself, also if that is a wildcard. ALIAS and ANAME count as served once
    the name has an address: which one, only the server knows. A server that fails or is silent is asked
    again. `Record.ttl` may differ, as servers may have other values of the same name.

    Args:
        records: A record, or records of one zone.
        timeout: Seconds.
        nameservers: The servers, each a host or a pair of host and port; otherwise the NS of the domain that
            the system's resolver finds. One that has several addresses is asked at each that can be reached.

    Raises:
        InvalidArgumentError: DNS cannot have such a record, or an argument is invalid.
        OperationTimeoutError: A server does not serve a record; the message says which answers what.
    """
    _wait(records, timeout, nameservers, is_gone=False)


def wait_until_gone(
    records: Record | Iterable[Record],
    *,
    timeout: float = TIMEOUT,
    nameservers: Iterable[NameServer] | None = None,
) -> None:
    """Wait until no name server of the zone answers with a record, or with any of several.

    All servers must respond. Arguments and errors are those of `wait_until_served`.
    """
    _wait(records, timeout, nameservers, is_gone=True)


class _Question(NamedTuple):
    """What to ask a server, and the values that it shall answer, or not answer; if there are none, any."""

    name: str
    types: tuple[str, ...]
    values: frozenset[str]

    def problem(self, found: set[str], *, is_gone: bool) -> str:
        """Return what is wrong with the values that a server answers; "" if nothing is."""
        present = (self.values or found) & found
        if not present if is_gone else present and present == (self.values or present):
            return ""
        return f"answers {', '.join(sorted(found)) or 'nothing'} for {'/'.join(self.types)} of {self.name}"


class _Reply(NamedTuple):
    """What an address says: whether it has responded, and what is wrong with that, or why it has not."""

    is_response: bool
    problem: str


def _wait(
    records: Record | Iterable[Record],
    timeout: float,
    nameservers: Iterable[NameServer] | None,
    *,
    is_gone: bool,
) -> None:
    if not isinstance(records, Record | Iterable):
        raise InvalidArgumentError(f"records must be a Record or several, got {shown(records)}")
    several = [records] if isinstance(records, Record) else records
    found = [check_kind(one, Record, "record") for one in several]
    if len({one.zone.domain for one in found}) != 1:
        raise InvalidArgumentError("the records must be of one zone, and one at least")
    zone = found[0].zone
    questions = _questions(zone, found)
    servers = None if nameservers is None else check_nameservers(nameservers)
    problems: list[str] = []

    def check() -> bool:
        nonlocal problems, servers
        limit = min(QUERY_TIMEOUT, 0.9 * calls.remaining())  # the round ends with what it has found
        if servers is None:
            servers = waiting.run(partial(_find_servers, zone, limit))
        try:
            problems = waiting.run(partial(_round, servers, questions, zone, limit, is_gone=is_gone))
        except OperationTimeoutError:  # in the last moment: the round before it says more
            if not problems:
                raise
        if problems:
            raise TransportError("; ".join(problems))
        return True

    what = f"{found[0].type} {found[0].name or '@'} of {zone.domain}"
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    waiting.poll(check, waiting_for=f"{what}{more} to be {'gone' if is_gone else 'served'}", timeout=timeout)


def check_nameservers(given: Iterable[NameServer]) -> list[tuple[str, int]]:
    """Return the host and the port of each name server. Raises `InvalidArgumentError` for invalid ones."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise InvalidArgumentError(f"nameservers must be a list, got {shown(given)}")
    servers = [_server(one) for one in given]
    if not servers:
        raise InvalidArgumentError("nameservers must not be empty")
    return servers


def _server(given: NameServer) -> tuple[str, int]:
    pair = (given, DNS_PORT) if isinstance(given, str) else given
    if isinstance(pair, tuple) and len(pair) == 2:  # noqa: PLR2004
        host, port = pair
        if isinstance(host, str) and host and isinstance(port, int) and 0 < port < 2**16:
            return host, port
    raise InvalidArgumentError(f"a name server must be a host or a pair of host and port, got {shown(given)}")


def _questions(zone: Zone, records: Iterable[Record]) -> list[_Question]:
    """Return one question for each set of records."""
    sets: dict[tuple[str, str], set[str]] = {}
    for one in records:
        if one.type in OPAQUE:
            raise InvalidArgumentError(f"records of type {one.type} are not in DNS")
        values = sets.setdefault((one.name or "", one.type), set())
        if one.type not in ALIASES:
            values.add(Content.of(one.name or "", one.type, one.data, one.extra).rdata)
    return [
        _Question(full_name(name, zone), ADDRESSES if type_ in ALIASES else (type_,), frozenset(values))
        for (name, type_), values in sets.items()
    ]


async def _find_servers(zone: Zone, limit: float) -> list[tuple[str, int]]:
    """Return the name servers of a zone. Raises `TransportError` if none are found."""
    from dns import asyncresolver, exception

    try:
        answer = await asyncresolver.resolve(dns_name(zone.domain), "NS", search=False, lifetime=limit)
    except (exception.DNSException, OSError) as error:
        raise TransportError(f"the name servers of {zone.domain} were not found: {error}") from error
    return [(host, DNS_PORT) for host in sorted(one.target.to_text(omit_final_dot=True) for one in answer)]


async def _round(
    servers: list[tuple[str, int]], questions: list[_Question], zone: Zone, limit: float, *, is_gone: bool
) -> list[str]:
    """Ask all servers all questions; return what is wrong."""
    apex, turns = dns_name(zone.domain), asyncio.Semaphore(SIDE_BY_SIDE)

    async def ask(question: _Question, address: tuple[str, int]) -> _Reply:
        async with turns:
            try:
                found = await _values(address, question, apex, limit)
            except TransportError as error:
                return _Reply(is_response=False, problem=str(error))
        return _Reply(is_response=True, problem=question.problem(found, is_gone=is_gone))

    async def problems(server: tuple[str, int]) -> list[str]:
        host, port = server
        label = host if port == DNS_PORT else f"{host}:{port}"
        try:
            async with asyncio.timeout(limit):
                addresses = await _addresses(host, port)
        except (OSError, TimeoutError) as error:
            return [f"{host} has no address: {error}"]

        async def about(question: _Question) -> list[str]:
            replies = await asyncio.gather(*(ask(question, address) for address in addresses))
            responses = [one for one in replies if one.is_response] or replies
            return [f"{label} {one.problem}" for one in responses if one.problem]

        return [one for each in await asyncio.gather(*map(about, questions)) for one in each]

    found = [one for each in await asyncio.gather(*map(problems, servers)) for one in dict.fromkeys(each)]
    more = len(found) - SHOWN
    return [*found[:SHOWN], *([f"and {more} more"] if more > 0 else [])]


async def _addresses(host: str, port: int) -> list[tuple[str, int]]:
    import socket

    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    return sorted({(str(one[4][0]), port) for one in found})


async def _values(address: tuple[str, int], question: _Question, apex: Name, limit: float) -> set[str]:
    """Return what a server answers, also within a delegation: that is in other parts of the message.

    Raises `TransportError` if it does not answer, fails, or does not have the zone.
    """
    from dns import asyncquery, exception, message

    found = set()
    for type_ in question.types:
        query = message.make_query(dns_name(question.name), type_, use_edns=0, flags=0)
        host, port = address
        try:
            response, _ = await asyncquery.udp_with_fallback(
                query, host, limit, port, ignore_unexpected=True, ignore_errors=True
            )
        except (exception.Timeout, TimeoutError):
            raise TransportError(f"does not respond at {host}") from None
        except (exception.DNSException, OSError, EOFError) as error:
            raise TransportError(f"cannot be asked at {host}: {type(error).__name__}: {error}") from error
        _require_authority(response, apex)
        for part in [*response.answer, *response.authority, *response.additional]:
            if part.name == query.question[0].name and part.rdtype == query.question[0].rdtype:
                found |= {_normal(type_, one.to_text(chunksize=0)) for one in part}
    return found


def _require_authority(response: Message, apex: Name) -> None:
    """Raise `TransportError` unless a response is that of a server which has the zone."""
    from dns import flags, rdatatype

    code = response.rcode().name
    if code not in ANSWERED:
        raise TransportError(f"responds {code}")
    below = (
        part.rdtype == rdatatype.NS and part.name.is_subdomain(apex) and part.name != apex
        for part in response.authority
    )
    if not response.flags & flags.AA and not any(below):
        raise TransportError(f"is not a name server of {apex.to_text(omit_final_dot=True)}")


def _normal(type_: str, text: str) -> str:
    """Return a value in the spelling in which equal values are equal: TXT may be in any pieces."""
    data, fields, rdata = read_rdata(type_, text)
    try:
        return write_rdata(type_, data, fields).rdata
    except InvalidArgumentError:
        return rdata

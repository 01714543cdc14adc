"""Any name server that takes dynamic updates (RFC 2136) with TSIG (RFC 8945): BIND, Knot DNS, PowerDNS.

dnspython speaks DNS, over TCP, and waits on the caller's event loop or on a private one (`waiting.run`): the
deadline of `call_options` ends each query. A zone is read by a transfer (AXFR), since queries show what a
name answers, which wildcards and delegations change, not what is there. Servers ignore duplicates and absent
deletes silently: each update therefore says which sets it has read, and is refused if they have changed.

Queries do not appear in traces, and are not sent again.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from polycloud.common.connection import ConnectionUserAndKey
from polycloud.common.credentials import Credential
from polycloud.concurrency import waiting
from polycloud.dns.content import record_type
from polycloud.dns.names import full_name, normalize_domain
from polycloud.dns.objects import Zone
from polycloud.dns.rdata import dns_name
from polycloud.dns.recordsets import RecordSet, RecordSetsDriver, SetChange, SetsChangedError, SetValue
from polycloud.dns.types import Provider, RecordType, ZoneDoesNotExistError
from polycloud.errors import (
    ConnectError,
    Exchange,
    InvalidArgumentError,
    InvalidCredsError,
    NotFoundError,
    PolycloudError,
    ProviderHTTPError,
    ReadTimeoutError,
    ServerError,
    TransportError,
)
from polycloud.utils.status import HTTPStatus

if TYPE_CHECKING:
    from dns.message import Message
    from dns.tsig import Key
    from dns.update import UpdateMessage

__all__ = ["RFC2136Connection", "RFC2136Driver"]

T = TypeVar("T")
ALGORITHMS = ("hmac-md5", "hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512")
MD5 = "hmac-md5.sig-alg.reg.int"
CHANGED = frozenset({"NXDOMAIN", "NXRRSET", "YXDOMAIN", "YXRRSET"})
OTHERS = frozenset({"ALIAS", "ANAME", "GEO", "NSEC", "REDIRECT", "RRSIG", "URL", "WKS"})


class RFC2136Connection(ConnectionUserAndKey):
    """Sends messages to a name server, signed with a key."""

    host = "localhost"
    port = 53

    def run(self, method: str, zone: str, query: Callable[[str], Awaitable[T]]) -> T:
        """Run a query, a coroutine function of the server's address, and raise its errors as ours."""

        async def resolved() -> T:
            import asyncio

            found = await asyncio.get_running_loop().getaddrinfo(self.host, self.port)
            return await query(str(found[0][4][0]))

        with self._limited(), _errors(Exchange(self._name(), method, zone)):
            return waiting.run(resolved)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} dns://{self.host}:{self.port}>"


class RFC2136Driver(RecordSetsDriver):
    """The zones of a name server: `RFC2136Driver("key-name", "c2VjcmV0", host=..., zones=["example.org"])`.

    The secret is in base64, as in the server's configuration. DNS cannot list zones: `list_zones` returns
    those of `zones`, and the id of a zone is its domain. The server must allow the key updates and transfers.
    BIND ignores DS records where there is no NS.
    """

    type = Provider.RFC2136
    name = "RFC 2136"
    api_name = "rfc2136"
    website = "https://www.rfc-editor.org/rfc/rfc2136"
    connectionCls = RFC2136Connection
    connection: RFC2136Connection
    credentials = (Credential("key_name"), Credential("secret"))
    RECORD_TYPE_MAP: ClassVar = {one: one.value for one in RecordType if one not in OTHERS}

    def __init__(
        self,
        key: str,
        secret: str,
        *args: Any,
        algorithm: str = "hmac-sha256",
        zones: Iterable[str] = (),
        **options: Any,
    ) -> None:
        super().__init__(key, secret, *args, **options)
        if algorithm not in ALGORITHMS:
            raise InvalidArgumentError(f"algorithm must be one of {', '.join(ALGORITHMS)}, got {algorithm!r}")
        normalize_domain(key, "key_name")
        if isinstance(zones, str):
            raise InvalidArgumentError(f"zones must be a list of domains, got {zones!r}")
        try:
            base64.b64decode(secret, validate=True)
        except binascii.Error as error:
            raise InvalidCredsError(f"the secret must be in base64: {error}", driver=self) from None
        self._algorithm = MD5 if algorithm == "hmac-md5" else algorithm
        self._domains = [normalize_domain(one, "zones") for one in zones]

    # Zones

    def list_zones(self) -> list[Zone]:
        """Return the zones that the driver was made for.

        Raises `ZoneDoesNotExistError` if the server lacks one of them.
        """
        return self.connection.gather([partial(self.get_zone, one) for one in self._domains])

    def find_zones(self, domain: str) -> list[Zone]:
        """Return the zone of this domain, if the server has one."""
        with suppress(ZoneDoesNotExistError):
            return [self.get_zone(domain)]
        return []

    def get_zone(self, zone_id: str) -> Zone:
        """Return the zone of this domain, also one that was not named to the driver."""
        from dns import asyncquery, message

        domain = normalize_domain(zone_id, "zone_id")
        query = message.make_query(dns_name(domain), "SOA")
        query.use_tsig(self._key())
        with self._zone_errors(zone_id):
            answer = self._sent("SOA", domain, query, asyncquery.tcp)
        if not any(part.name == dns_name(domain) and part.rdtype.name == "SOA" for part in answer.answer):
            raise ZoneDoesNotExistError(driver=self, zone_id=zone_id)
        return Zone(domain, domain, "master", None, self)

    # Record sets

    def _sets(self, zone: Zone, name: str | None = None) -> list[RecordSet]:
        """Return all sets, from a transfer of the zone."""
        from dns.zone import Zone as Transfer

        from dns import asyncquery, xfr

        content = Transfer(dns_name(zone.domain), relativize=False)
        query, _ = xfr.make_query(content, serial=None, keyring=self._key())
        line = self.connection

        async def transfer(address: str) -> None:
            await asyncquery.inbound_xfr(address, content, query, line.port, line.timeout)

        line.run("AXFR", zone.domain, transfer)
        return [self._to_set(zone, *each) for each in content.iterate_rdatasets()]

    def _change_sets(self, zone: Zone, changes: list[SetChange]) -> None:
        from dns.update import UpdateMessage

        from dns import asyncquery

        update = UpdateMessage(dns_name(zone.domain), keyring=self._key())
        for change in changes:
            _require(update, zone, change)
        for change in changes:
            _carry_out(update, zone, change)
        self._sent("UPDATE", zone.domain, update, asyncquery.tcp)

    # How

    def _key(self) -> Key:
        from dns.tsig import Key

        return Key(self.key, self.secret or "", self._algorithm)

    def _sent(
        self, method: str, zone: str, query: Message, send: Callable[..., Awaitable[Message]]
    ) -> Message:
        """Return the response to a message. Raises the error that it says."""
        line = self.connection
        response: Message = line.run(
            method, zone, lambda address: send(query, address, line.timeout, line.port)
        )
        with _errors(Exchange(self.name, method, zone)):
            code = response.rcode().name
            if code in CHANGED:
                raise SetsChangedError(driver=self)
            if code != "NOERROR":
                raise _refused(method, code)
        return response

    def _to_set(self, zone: Zone, name: Any, values: Any) -> RecordSet:
        texts = tuple(SetValue(one.to_text(chunksize=0)) for one in values)
        relative = self._received_name(name.to_text(), zone)
        return RecordSet(relative, record_type(values.rdtype.name), values.ttl, texts)


def _require(update: UpdateMessage, zone: Zone, change: SetChange) -> None:
    """Have the server refuse the update unless it has what `before` says."""
    one = change.before or change.after
    assert one is not None
    name = dns_name(full_name(one.name, zone))
    if change.before is None:
        update.absent(name, one.type)
    elif one.type != RecordType.SOA:  # its serial may rise at any time
        update.present(name, one.type, *(value.text for value in one.values))


def _carry_out(update: UpdateMessage, zone: Zone, change: SetChange) -> None:
    """Delete a set of which something goes, and add what it shall have: PowerDNS finds no value of NAPTR."""
    before, after = change
    one = after or before
    assert one is not None
    name = dns_name(full_name(one.name, zone))
    old, new = ([value.text for value in each.values] if each else [] for each in change)
    if before is not None and after is not None and before.ttl == after.ttl and set(old) <= set(new):
        new = [text for text in new if text not in old]
    elif before is not None and one.type != RecordType.NS:
        update.delete(name, one.type)
    for text in new:
        update.add(name, one.ttl, one.type, text)
    if one.type == RecordType.NS:  # the last one of the zone cannot be deleted: others come before
        for text in set(old) - {value.text for value in (after.values if after else ())}:
            update.delete(name, one.type, text)


def _refused(method: str, code: str) -> PolycloudError:
    """Return the error for a response code; servers without a zone refuse queries about it."""
    if code in {"NOTAUTH", "NOTZONE"} or (method, code) == ("SOA", "REFUSED"):
        return NotFoundError(HTTPStatus.NOT_FOUND, f"the server lacks this zone or this key ({code})")
    if (method, code) == ("AXFR", "REFUSED"):
        return InvalidCredsError("the server refuses it: the key must be allowed to transfer the zone")
    if code == "REFUSED":
        return ProviderHTTPError(
            HTTPStatus.FORBIDDEN,
            "the server refuses the update: the key must be allowed to update the zone, and the record must "
            "be one that the server accepts (BIND refuses hosts with underscores, and MX without address)",
        )
    return ServerError(HTTPStatus.INTERNAL_SERVER_ERROR, f"the server responds {code}")


@contextmanager
def _errors(exchange: Exchange) -> Iterator[None]:
    """Raise errors of dnspython and of the network as ours, with what was asked."""
    from dns import exception, tsig, xfr

    try:
        yield
    except PolycloudError as error:
        error.locate(exchange)
        raise
    except (tsig.PeerError, tsig.BadSignature, tsig.BadKey) as error:
        raise InvalidCredsError(f"the server does not accept the key: {error}").locate(exchange) from None
    except xfr.TransferError as error:
        raise _refused("AXFR", error.rcode.name).locate(exchange) from None
    except exception.FormError as error:  # it is not signed
        unsigned = _refused(exchange.method, "REFUSED") if exchange.method == "SOA" else None
        raise (unsigned or TransportError(f"the response is not valid: {error}")).locate(exchange) from error
    except (exception.Timeout, TimeoutError) as error:
        raise ReadTimeoutError("the server did not respond in time").locate(exchange) from error
    except ConnectionRefusedError as error:
        raise ConnectError(f"the connection was refused: {error}").locate(exchange) from error
    except (exception.DNSException, OSError, EOFError) as error:
        message = f"the query failed: {type(error).__name__}: {error}"
        raise TransportError(message).locate(exchange) from error

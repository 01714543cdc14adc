"""Waits of commands until the name servers of a zone serve what was changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polycloud.cli import output
from polycloud.errors import InvalidArgumentError

if TYPE_CHECKING:
    from polycloud.dns.changes import RecordChange
    from polycloud.dns.content import Content
    from polycloud.dns.objects import Record, Zone

__all__ = ["GROUP", "NameServers", "Timeout", "Wait", "wait_of"]

PORT, LAST_PORT = 53, 2**16 - 1

Timeout = Annotated[float, typer.Option("--timeout", metavar="SECONDS", min=0, help="How long to wait.")]
NameServers = Annotated[
    list[str] | None,
    typer.Option(
        "--nameserver",
        metavar="HOST[:PORT]",
        help="A name server to ask instead of those of the domain; may be repeated.",
    ),
]


@dataclass(frozen=True, slots=True)
class Wait:
    """How to wait: at most `timeout` seconds, for these name servers or, if None, those of the domain."""

    timeout: float
    nameservers: Sequence[tuple[str, int]] | None

    def changes(self, zone: Zone, changes: Iterable[RecordChange]) -> None:
        """Wait until changes of a zone are served. Raises `OperationTimeoutError`."""
        made = list(changes)
        self.served(zone, [one.after for one in made if one.after is not None])
        self.gone(zone, [one.before for one in made if one.after is None and one.before is not None])

    def served(self, zone: Zone, records: Sequence[Record | Content]) -> None:
        """Wait until all name servers serve records. Raises `OperationTimeoutError`."""
        from polycloud.dns.serving import wait_until_served

        self._run(wait_until_served, zone, records, "to serve")

    def gone(self, zone: Zone, records: Sequence[Record | Content]) -> None:
        """Wait until no name server serves records. Raises `OperationTimeoutError`."""
        from polycloud.dns.serving import wait_until_gone

        self._run(wait_until_gone, zone, records, "not to serve")

    def _run(self, wait: Any, zone: Zone, records: Sequence[Record | Content], what: str) -> None:
        from polycloud.dns.objects import Record
        from polycloud.dns.rdata import OPAQUE

        known = [
            Record("", one.name, one.type, one.data, zone, zone.driver, None, one.extra)
            for one in records
            # No name server has these; what Cloudflare's proxy stands before has addresses of the proxy
            if one.type not in OPAQUE and not one.extra.get("proxied")
        ]
        if known:
            count = "it" if len(known) == 1 else f"{len(known):,} records"
            with output.working(f"waiting for the name servers of {zone.domain} {what} {count}"):
                wait(known, timeout=self.timeout, nameservers=self.nameservers)


def wait_of(timeout: float, nameservers: Sequence[str] | None) -> Wait:
    """Return the wait that options stand for. Raises `InvalidArgumentError` for an invalid name server."""
    return Wait(timeout, None if not nameservers else [_server(text) for text in nameservers])


def _server(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or (":" in host and not host.startswith("[")):  # a host or an IPv6 address alone
        host, port = text, str(PORT)
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or not 0 < int(port) <= LAST_PORT:
        raise InvalidArgumentError(f"--nameserver must be a host or an address, HOST[:PORT], got {text!r}")
    return host, int(port)


def _options(
    *,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until all name servers of the domain serve the change.")
    ] = False,
    timeout: Timeout = 120,
    nameservers: NameServers = None,
) -> None:
    """Has the options of a wait as its parameters."""


def _wait(*, wait: bool, timeout: float, nameservers: list[str] | None) -> Wait | None:
    return wait_of(timeout, nameservers) if wait else None


GROUP = (_options, _wait)
"""The options of a wait: a command gets a `Wait`, or None."""

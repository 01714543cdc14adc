"""Members of a balancer as texts: an address or the provider's id, a port, and a weight."""

from __future__ import annotations

import re
from ipaddress import ip_address

from polycloud.errors import InvalidArgumentError
from polycloud.loadbalancer.checks import check_port
from polycloud.loadbalancer.objects import Member

__all__ = ["FORM", "address", "joined", "parsed", "spelled"]

FORM = "ADDRESS:PORT, such as 10.0.0.1:8080 or [2001:db8::1]:8080, or the id of the provider"
TEXT = re.compile(r"(?:\[(?P<bracketed>[^\[\]]*)\]|(?P<name>[^\[\]:]+))(?::(?P<port>\d+))?")
WEIGHT = re.compile(r"(?P<member>[^,]+),weight=(?P<weight>\d+)")


def parsed(text: str) -> Member:
    """Return the member that a text means, without a port where it has none.

    Raises `InvalidArgumentError` for what is neither an address nor an id, and for an invalid port.
    """
    match = WEIGHT.fullmatch(text)
    where, extra = (match["member"], {"weight": int(match["weight"])}) if match else (text, {})
    name, port = _split(where)
    if name is None:
        raise InvalidArgumentError(f"a member must be {FORM}, got {text!r}")
    if port is not None:
        check_port(port, f"the port of {text!r}")
    ip = address(name)
    return Member(None if ip else name, ip, port, extra=extra)


def spelled(text: str) -> str:
    """Return a member's address, with its port if it has one, in the spelling of `joined`."""
    name, port = _split(text)
    return joined(name, port) if name and address(name) else text


def joined(ip: str, port: int | None) -> str:
    """Return an address and a port as one text; an address of IPv6 stands in brackets before a port."""
    text = address(ip) or ip
    return text if port is None else f"[{text}]:{port}" if ":" in text else f"{text}:{port}"


def address(text: str) -> str | None:
    """Return an address in its only spelling; None for what is not one."""
    try:
        return str(ip_address(text))
    except ValueError:
        return None


def _split(text: str) -> tuple[str | None, int | None]:
    """Return the name or address and the port of a text; no name if it cannot be a member."""
    if address(text):
        return text, None
    match = TEXT.fullmatch(text)
    if match is None or (match["bracketed"] is not None and not address(match["bracketed"])):
        return None, None
    return match["bracketed"] or match["name"], int(match["port"]) if match["port"] else None

"""The listeners that a balancer is created with, checked and completed.

`create_balancer` has a port and a protocol, and in `ex_listeners` further ones. A further one of the same
port says more of the first: its member port, member protocol and certificate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from polycloud.common.arguments import require_text
from polycloud.errors import InvalidArgumentError
from polycloud.loadbalancer.checks import check_port
from polycloud.loadbalancer.objects import Member
from polycloud.loadbalancer.settings import Listener
from polycloud.utils.values import shown


def complete(
    port: int,
    protocol: str,
    certificate: str | None,
    members: Sequence[Member],
    further: Sequence[Listener],
    word: Callable[[str], str],
    encrypted: Sequence[str],
    passes_through: bool = False,
) -> list[Listener]:
    """Return all listeners of a new balancer, the first one first, with all that may be left out.

    Args:
        port: The balancer's port.
        protocol: Its protocol.
        certificate: The certificate of every listener that needs one and has none of its own.
        members: The first members; the port of the first one is the first listener's member port.
        further: The argument `ex_listeners`.
        word: Returns the provider's word for a protocol, or raises `UnsupportedOperationError`.
        encrypted: The protocols that need a certificate.
        passes_through: Whether without a certificate they reach the members as they are.

    Raises:
        InvalidArgumentError: A port comes twice or is invalid, a certificate is missing or has no use.
        UnsupportedOperationError: The provider does not have a protocol.
    """
    word(protocol)
    first = Listener(port=check_port(port), protocol=protocol.lower(), member_port=_port_of(members))
    others: dict[int, Listener] = {}
    for given in further:
        one = _checked(given)
        if check_port(one.port, "the listener's port") in others:
            raise InvalidArgumentError(f"the port {one.port} comes twice in ex_listeners")
        others[one.port] = one
    if (own := others.pop(port, None)) is not None:
        if own.protocol.lower() != first.protocol:
            raise InvalidArgumentError(
                f"the listener at {port} is {own.protocol!r} in ex_listeners, and protocol is {protocol!r}"
            )
        first = replace(own, member_port=first.member_port if own.member_port is None else own.member_port)
    completed = [_completed(one, certificate, word, encrypted) for one in (first, *others.values())]
    for one in completed:
        if one.protocol in encrypted and not (one.certificate or passes_through):
            raise InvalidArgumentError(f"the {one.protocol} listener at {one.port} needs a certificate")
    if certificate is not None and all(one.certificate != certificate for one in completed):
        raise InvalidArgumentError(f"no listener takes ex_certificate; those of {' and '.join(encrypted)} do")
    return completed


def _checked(listener: object) -> Listener:
    if not isinstance(listener, Listener):
        raise InvalidArgumentError(f"a listener must be a Listener, got {shown(listener)}")
    require_text("the protocol of a listener", listener.protocol)
    if listener.member_protocol is not None:
        require_text("the member protocol of a listener", listener.member_protocol)
    return listener


def _completed(
    one: Listener, certificate: str | None, word: Callable[[str], str], encrypted: Sequence[str]
) -> Listener:
    protocol, member_protocol = one.protocol.lower(), (one.member_protocol or one.protocol).lower()
    word(protocol)
    word(member_protocol)
    needs = protocol in encrypted
    chosen = one.certificate or (certificate if needs else None)
    if chosen and not needs:
        raise InvalidArgumentError(f"the {protocol} listener at {one.port} must not have a certificate")
    return Listener(
        port=one.port,
        protocol=protocol,
        member_port=check_port(one.port if one.member_port is None else one.member_port, "the member port"),
        member_protocol=member_protocol,
        certificate=chosen,
    )


def _port_of(members: Sequence[Member]) -> int | None:
    return members[0].port if members else None


def plain(listener: Listener) -> Listener:
    """Return a completed listener without what is "the same"."""
    port, protocol = listener.member_port, listener.member_protocol
    return replace(
        listener,
        member_port=None if port == listener.port else port,
        member_protocol=None if protocol == listener.protocol else protocol,
    )

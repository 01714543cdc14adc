"""What balancers have beyond a port and members, in the same words for every provider that has it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["HealthCheck", "Listener", "StickySessions"]


@dataclass(frozen=True, kw_only=True)
class HealthCheck:
    """How a balancer finds out whether a member takes connections.

    Attributes:
        protocol: "tcp", "http" or "https", or another one that the provider has.
        port: The port of the member; None for the one that it serves at.
        path: The path of the request, for HTTP.
        interval: Seconds between two checks; None for the provider's default, as for what follows.
        timeout: Seconds after which a check has failed.
        healthy: How many good checks make a member healthy.
        unhealthy: How many bad checks make it unhealthy.
    """

    protocol: str = "tcp"
    port: int | None = None
    path: str | None = None
    interval: int | None = None
    timeout: int | None = None
    healthy: int | None = None
    unhealthy: int | None = None


@dataclass(frozen=True, kw_only=True)
class StickySessions:
    """How the connections of a client go to one member.

    Attributes:
        by: "cookie", which the balancer sets, or "source_ip".
        cookie: The cookie's name; None for the provider's default.
        ttl: Seconds for which a cookie holds; None for the provider's default.
    """

    by: str = "cookie"
    cookie: str | None = None
    ttl: int | None = None


@dataclass(frozen=True, kw_only=True)
class Listener:
    """A port at which a balancer takes connections, and how it passes them on.

    Attributes:
        port: The port of the balancer.
        protocol: Its protocol, such as "http".
        member_port: The port of the members; None for the same.
        member_protocol: The protocol to the members; None for the same.
        certificate: The provider's id of the certificate, for "https" and "ssl".
    """

    port: int
    protocol: str = "http"
    member_port: int | None = None
    member_protocol: str | None = None
    certificate: str | None = None

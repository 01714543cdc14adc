"""Creating balancers, with all that they shall have, in one request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from polycloud.common.arguments import as_list, drop_none
from polycloud.common.creation import Creation, marker_for
from polycloud.errors import InvalidArgumentError, UnsupportedOperationError
from polycloud.loadbalancer.base import DEFAULT_ALGORITHM
from polycloud.loadbalancer.checks import check_members, check_name, check_port
from polycloud.loadbalancer.drivers.octavia.balancers import OctaviaBalancers
from polycloud.loadbalancer.drivers.octavia.payload import (
    CHECK_PORT,
    FIRST,
    MARKER,
    PORT,
    CreatedPayload,
    member_fields,
    monitor_fields,
    persistence_fields,
    tree_of,
)
from polycloud.loadbalancer.listeners import complete
from polycloud.loadbalancer.objects import LoadBalancer, Member
from polycloud.loadbalancer.settings import HealthCheck, Listener, StickySessions
from polycloud.loadbalancer.types import Algorithm

TERMINATED = "TERMINATED_HTTPS"
OVN = "ovn"


class TaggedCreation(Creation[LoadBalancer]):
    """One create of one balancer, which has a tag of its own."""

    def __init__(
        self,
        body: dict[str, Any],
        send: Callable[[dict[str, Any]], LoadBalancer],
        tagged: Callable[[str], Sequence[LoadBalancer]],
    ) -> None:
        tag = f"{MARKER}={marker_for()}"
        super().__init__(f"the balancer {body['name']!r}", f"the tag {tag}", keyed=False)
        self._send, self._tagged, self._tag = send, tagged, tag
        self._body = {**body, "tags": [*body["tags"], tag]}

    def send(self) -> LoadBalancer:
        """Send the create."""
        return self._send(self._body)

    def find(self) -> LoadBalancer | None:
        """Return the balancer with the tag."""
        return next(iter(self._tagged(self._tag)), None)


class OctaviaCreating(OctaviaBalancers):
    """Methods of creating."""

    def create_balancer(
        self,
        name: str,
        port: int,
        protocol: str = "http",
        algorithm: Algorithm = DEFAULT_ALGORITHM,
        members: Sequence[Member] = (),
        *,
        ex_vip_subnet_id: str | None = None,
        ex_vip_network_id: str | None = None,
        ex_vip_port_id: str | None = None,
        ex_vip_address: str | None = None,
        ex_listeners: Sequence[Listener] = (),
        ex_certificate: str | None = None,
        ex_health_check: HealthCheck | None = None,
        ex_sticky: StickySessions | None = None,
        ex_proxy_protocol: bool = False,
        ex_provider: str | None = None,
        ex_flavor_id: str | None = None,
        ex_availability_zone: str | None = None,
        ex_description: str | None = None,
        ex_tags: Sequence[str] = (),
    ) -> LoadBalancer:
        """Create a balancer in one request. Two balancers may have one name.

        Args:
            name: Its name.
            port: The port at which it takes connections.
            protocol: "http", "https", "tcp", "udp" or "sctp". "https" without a certificate reaches the
                members as it is; with one the balancer decrypts it, and encrypts it anew for the members
                unless a listener's `member_protocol` is "http".
            algorithm: How it chooses members; with `ex_provider="ovn"`, `Algorithm.PERSISTENT_IP` (which
                chooses by address and port of the client).
            members: Its members; `extra` may have `weight` (0 to 256, 0 to get no new connections),
                `condition`, `backup`, `subnet_id`, `monitor_port`, `monitor_address`, `name` and `tags`.
            ex_vip_subnet_id: The subnet of its address; this, the network or the port must be given, here or
                to the driver.
            ex_vip_network_id: The network of its address.
            ex_vip_port_id: The port of Neutron that has its address.
            ex_vip_address: Its address; a free one by default.
            ex_listeners: Further listeners. One of the balancer's own port says more of the first one.
            ex_certificate: Barbican's address of the certificate, for "https".
            ex_health_check: How members are checked; without it, their health is unknown.
            ex_sticky: Sticky sessions by the balancer's cookie or, if `cookie` is its name, by that of the
                application, for listeners that see HTTP; or by the client's address.
            ex_proxy_protocol: Whether members get the header of the proxy protocol, version 1.
            ex_provider: The provider of Octavia, such as "amphora" or "ovn".
            ex_flavor_id: The id of a flavor of Octavia.
            ex_availability_zone: The availability zone.
            ex_description: A description.
            ex_tags: Tags of the balancer.

        Raises:
            InvalidArgumentError: An argument is invalid; nothing was sent.
            UnsupportedOperationError: Octavia does not have this protocol, algorithm or setting.
            QuotaExceededError: A quota is used up; nothing was created.
            AmbiguousCreateError: The response was lost and the balancer not found.
        """
        check_name(name)
        word = self._algorithm(algorithm)
        if ex_provider == OVN and algorithm == Algorithm.PERSISTENT_IP:
            word = "SOURCE_IP_PORT"
        listeners = complete(
            port,
            protocol,
            ex_certificate,
            check_members(members),
            ex_listeners,
            self._protocol,
            ("https",),
            passes_through=True,
        )
        vip = {
            "vip_subnet_id": ex_vip_subnet_id,
            "vip_network_id": ex_vip_network_id,
            "vip_port_id": ex_vip_port_id,
        }
        if not any(vip.values()):
            vip["vip_subnet_id"] = self._vip_subnet_id
        if not any(vip.values()):
            raise InvalidArgumentError(
                "the balancer needs a place of its address: pass ex_vip_subnet_id=, here or to the driver, "
                "or ex_vip_network_id= or ex_vip_port_id="
            )
        pools = Pools(listeners, members, word, ex_health_check, ex_sticky, ex_proxy_protocol)
        if ex_sticky and not any("session_persistence" in one for one in pools.bodies):
            raise UnsupportedOperationError("no listener has cookies: sticky sessions must be by source_ip")
        body = drop_none(
            {
                "name": name,
                **vip,
                "vip_address": ex_vip_address,
                "provider": ex_provider,
                "flavor_id": ex_flavor_id,
                "availability_zone": ex_availability_zone,
                "description": ex_description,
                "tags": as_list(ex_tags),
                "pools": pools.bodies,
                "listeners": [
                    listener_body(one, self.protocols, pools.name_of(one), is_first=one is listeners[0])
                    for one in listeners
                ],
            }
        )
        return self._create_once(TaggedCreation(body, self._send, lambda tag: self._balancers(tags=tag)))

    def _send(self, body: dict[str, Any]) -> LoadBalancer:
        """Create a balancer; the response has all that was made."""
        made = self.connection.create("/lbaas/loadbalancers", "loadbalancer", CreatedPayload, body).value
        return self._to_balancer(tree_of(made, made.listeners, made.pools))


class Pools:
    """The pools of a new balancer: one for each port and protocol of members that listeners have."""

    def __init__(
        self,
        listeners: Sequence[Listener],
        members: Sequence[Member],
        algorithm: str,
        check: HealthCheck | None,
        sticky: StickySessions | None,
        proxied: bool,
    ) -> None:
        self.bodies: list[dict[str, Any]] = []
        self._names: dict[tuple[Any, ...], str] = {}
        for listener in listeners:
            kind = _kind_of(listener)
            if kind in self._names:
                continue
            name = f"pool-{len(self._names) + 1}"
            tags = [f"{PORT}={listener.member_port}"]
            checked_at = None
            if check is not None and check.port is not None:
                checked_at = check_port(check.port, "the port of the health check")
                tags.append(f"{CHECK_PORT}={checked_at}")
            own = members if not self._names else _followers(members)
            ports = (one.port if not self._names else listener.member_port for one in own)
            self._names[kind] = name
            self.bodies.append(
                drop_none(
                    {
                        "name": name,
                        **pool_protocol(listener, proxied),
                        "lb_algorithm": algorithm,
                        "tags": tags,
                        "members": [
                            member_fields(one, at, checked_at) for one, at in zip(own, ports, strict=True)
                        ],
                        "healthmonitor": monitor_fields(check) if check else None,
                        "session_persistence": persistence_fields(sticky, listener) if sticky else None,
                    }
                )
            )

    def name_of(self, listener: Listener) -> str:
        """Return the name of a listener's pool."""
        return self._names[_kind_of(listener)]


def _kind_of(listener: Listener) -> tuple[Any, ...]:
    return listener.member_port, tuple(pool_protocol(listener, False).items())


def _followers(members: Sequence[Member]) -> list[Member]:
    """Return the members of a further pool: each address once."""
    return list({one.ip: one for one in reversed(members)}.values())[::-1]


def pool_protocol(listener: Listener, proxied: bool) -> dict[str, Any]:
    """Return the protocol of the pool of a listener.

    Raises `UnsupportedOperationError` for one that the listener cannot be passed on by.
    """
    ours, theirs = listener.protocol, listener.member_protocol or listener.protocol
    encrypts = ours == "https" and bool(listener.certificate)
    allowed = {"https": {"https", "http"} if encrypts else {"https", "tcp"}, "tcp": {"tcp", "http", "https"}}
    if theirs not in allowed.get(ours, {ours}):
        raise UnsupportedOperationError(f"a listener by {ours!r} cannot pass on by {theirs!r}")
    if proxied and ours in {"udp", "sctp"}:
        raise UnsupportedOperationError(f"the proxy protocol is not for {ours!r}")
    word = "HTTP" if encrypts else theirs.upper()
    return {
        "protocol": "PROXY" if proxied else word,
        **({"tls_enabled": True} if encrypts and theirs == "https" else {}),
    }


def listener_body(listener: Listener, words: Any, pool: str, *, is_first: bool) -> dict[str, Any]:
    """Return the body of a listener."""
    return drop_none(
        {
            "name": f"{listener.protocol}-{listener.port}",
            "protocol": TERMINATED if listener.certificate else words[listener.protocol],
            "protocol_port": listener.port,
            "default_tls_container_ref": listener.certificate,
            "default_pool": {"name": pool},
            "tags": [FIRST] if is_first else None,
        }
    )

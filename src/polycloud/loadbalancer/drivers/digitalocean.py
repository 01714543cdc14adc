"""DigitalOcean's load balancers: https://docs.digitalocean.com/reference/api/digitalocean/#tag/Load-Balancers.

A change of a balancer is a PUT of all that it has: what is left out becomes the default again. So it is read
first, in the same turn. A balancer that carries out a change refuses others with a 403.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import msgspec

from polycloud.common.arguments import drop_none, require_bool, require_count
from polycloud.common.base import quote_segment
from polycloud.common.creation import NewCreation
from polycloud.common.digitalocean import PROCESSING, DigitalOceanBaseDriver, number
from polycloud.common.payload import Item, LazyExtra, decode
from polycloud.errors import ConflictError, InvalidArgumentError, ProviderError, UnsupportedOperationError
from polycloud.loadbalancer.base import (
    DEFAULT_ALGORITHM,
    Addressed,
    Driver,
    check_balancer,
    check_member,
    check_members,
    check_name,
    check_port,
)
from polycloud.loadbalancer.listeners import complete, plain
from polycloud.loadbalancer.objects import LoadBalancer, Member
from polycloud.loadbalancer.settings import HealthCheck, Listener, StickySessions
from polycloud.loadbalancer.types import Algorithm, Provider, State
from polycloud.utils.values import shown

__all__ = ["DigitalOceanLBDriver"]

PATH = "/load_balancers"
STATES = {"new": State.PENDING, "active": State.RUNNING, "errored": State.ERROR}
ALGORITHMS = {
    "round_robin": Algorithm.ROUND_ROBIN,
    "least_connections": Algorithm.LEAST_CONNECTIONS,
}
"""What balancers have; a request cannot choose any more."""
ENCRYPTED = ("https", "http2")
CHECKS = ("http", "https", "tcp")
CHECK_FIELDS = {
    "interval": "check_interval_seconds",
    "timeout": "response_timeout_seconds",
    "healthy": "healthy_threshold",
    "unhealthy": "unhealthy_threshold",
}
DEFAULT_COOKIE, DEFAULT_TTL = "DO-LB", 300
MOST_UNITS = 100
READ_ONLY = frozenset({"id", "ip", "ipv6", "status", "created_at", "algorithm", "size"})
CONVERTED = frozenset({"id", "name", "ip", "status", "forwarding_rules", "sticky_sessions"})


class Rule(msgspec.Struct):
    """A forwarding rule."""

    entry_protocol: str
    entry_port: int
    target_protocol: str
    target_port: int
    certificate_id: str | None = None


class Balancer(msgspec.Struct):
    """A balancer; `ip` is empty until it is active."""

    id: str
    name: str | None = None
    status: str | None = None
    ip: str | None = None
    algorithm: str | None = None
    forwarding_rules: list[Rule] = []
    droplet_ids: list[int] | None = None


class Place(msgspec.Struct):
    """A region."""

    slug: str


class Droplet(msgspec.Struct):
    """What of a droplet says where its balancer must be."""

    region: Place


class DigitalOceanLBDriver(DigitalOceanBaseDriver, Driver):
    """DigitalOcean's regional balancers: `DigitalOceanLBDriver("token", region="nyc3")`.

    Members are droplets of the balancer's region, by their ids: `Member(droplet_id, None, None)`. They all
    serve at the member port of its listeners. The API does not tell their addresses, health or connections.

    `region` is the default of `ex_location`. `extra` has the provider's other fields, such as `region` (the
    slug), `vpc_uuid`, `tag`, `droplet_ids`, `size_unit`, `created_at`, `enable_proxy_protocol`.
    """

    type = Provider.DIGITAL_OCEAN
    protocols: ClassVar = {name: name for name in ("http", "https", "http2", "tcp", "udp")}
    algorithms: ClassVar = {Algorithm.ROUND_ROBIN: "round_robin"}
    reports_health = False

    # Balancers

    def list_balancers(self) -> list[LoadBalancer]:
        """Return all balancers of the account, in one request a page."""
        return self.connection.list_all(PATH, "load_balancers", Balancer, self._to_balancer)

    def iterate_balancers(self) -> Iterator[LoadBalancer]:
        """Yield the balancers, a page at a time."""
        return self.connection.iterate(PATH, "load_balancers", Balancer, self._to_balancer)

    def get_balancer(self, balancer_id: str) -> LoadBalancer:
        """Return the balancer with this id."""
        with self._balancer_errors(balancer_id):
            return self._to_balancer(self._fetch(balancer_id))

    def create_balancer(
        self,
        name: str,
        port: int,
        protocol: str = "http",
        algorithm: Algorithm = DEFAULT_ALGORITHM,
        members: Sequence[Member] = (),
        *,
        ex_location: str | None = None,
        ex_listeners: Sequence[Listener] = (),
        ex_certificate: str | None = None,
        ex_health_check: HealthCheck | None = None,
        ex_sticky: StickySessions | None = None,
        ex_proxy_protocol: bool = False,
        ex_redirect_http_to_https: bool = False,
        ex_vpc: str | None = None,
        ex_tag: str | None = None,
        ex_size_unit: int | None = None,
    ) -> LoadBalancer:
        """Create a balancer of droplets. Names need not be unique.

        It sends two requests, and a third one if the region is that of the first member.

        Args:
            name: Its name.
            port: The port at which it takes connections.
            protocol: "http", "https", "http2", "tcp" or "udp".
            algorithm: `Algorithm.ROUND_ROBIN`; the provider lets callers choose no other any more.
            members: Droplets, by their ids. If they have a port, it is that of all of them.
            ex_location: The slug of the region; by default that of the driver, or else of the first member.
            ex_listeners: Further listeners. One of the balancer's own port says more of the first one.
            ex_certificate: The certificate's id, for "https" and "http2".
            ex_health_check: How members are checked; by default by a TCP connection to their port. "udp"
                needs one, with the port of something else.
            ex_sticky: Sticky sessions by a cookie, by default "DO-LB" for 300 seconds.
            ex_proxy_protocol: Whether members get the header of the PROXY protocol.
            ex_redirect_http_to_https: Whether HTTP at port 80 is redirected to HTTPS at port 443.
            ex_vpc: The id of the network; by default the region's default one.
            ex_tag: A tag: its members are all droplets that have it, now and later, instead of `members`.
            ex_size_unit: Its size, from 1 to 100 nodes.
        """
        check_name(name)
        self._algorithm(algorithm)
        droplets = check_members([_droplet(one) for one in members], by_id=True)
        listeners = complete(port, protocol, ex_certificate, members, ex_listeners, self._protocol, ENCRYPTED)
        for one in droplets:
            _require_port(one, listeners[0].member_port)
        if ex_tag and droplets:
            raise InvalidArgumentError("give members or ex_tag, not both")
        if ex_size_unit is not None:
            require_count("ex_size_unit", ex_size_unit, MOST_UNITS)
        body = {
            "name": name,
            "forwarding_rules": [_rule(one) for one in listeners],
            "health_check": self._check(ex_health_check, listeners[0]),
            "sticky_sessions": None if ex_sticky is None else self._sticky(ex_sticky),
            "enable_proxy_protocol": require_bool("ex_proxy_protocol", ex_proxy_protocol),
            "redirect_http_to_https": require_bool("ex_redirect_http_to_https", ex_redirect_http_to_https),
            "vpc_uuid": ex_vpc,
            "size_unit": ex_size_unit,
            **({"tag": ex_tag} if ex_tag else {"droplet_ids": [number(one.id) for one in droplets]}),
            "region": ex_location or self.region or self._region_of(droplets),
        }

        def send() -> LoadBalancer:
            return self._to_balancer(self.connection.create(PATH, "load_balancer", Balancer, drop_none(body)))

        def listed() -> list[LoadBalancer]:
            return [one for one in self.list_balancers() if one.name == name]

        return self._create_once(NewCreation(f"the balancer {name!r}", send, listed))

    def update_balancer(
        self,
        balancer: LoadBalancer,
        name: str | None = None,
        port: int | None = None,
        protocol: str | None = None,
        algorithm: Algorithm | None = None,
        *,
        ex_certificate: str | None = None,
    ) -> LoadBalancer:
        """Change a balancer: its name, and port and protocol of its first listener.

        `ex_certificate` is the certificate's id if the new protocol is "https" or "http2".
        """
        check_balancer(balancer)
        fields = {} if name is None else {"name": check_name(name)}
        changes: dict[str, Any] = {} if port is None else {"port": check_port(port)}
        if algorithm is not None:
            self._algorithm(algorithm)
        if protocol is not None:
            changes |= {"protocol": self._protocol(protocol), "certificate": ex_certificate}
            if (changes["protocol"] in ENCRYPTED) != bool(ex_certificate):
                raise InvalidArgumentError(f"ex_certificate is for {' and '.join(ENCRYPTED)}, which need it")
        if not fields and not changes:
            return self.get_balancer(balancer.id)

        def change() -> LoadBalancer:
            body = _body(self._fetch(balancer.id).raw)
            body.update(fields)
            if changes:
                body["forwarding_rules"][0] = _changed(body["forwarding_rules"][0], changes)
            return self._to_balancer(self.connection.put(_path(balancer.id), "load_balancer", Balancer, body))

        return self._changing(balancer, change)

    def destroy_balancer(self, balancer: LoadBalancer) -> bool:
        """Destroy a balancer."""
        path = _path(check_balancer(balancer).id)
        return self._changing(balancer, lambda: self.connection.delete(path))

    # Members

    def balancer_list_members(self, balancer: LoadBalancer) -> list[Member]:
        """Return the droplets of a balancer, by id or by its tag, in one request; they have no `ip`."""
        with self._balancer_errors(check_balancer(balancer).id):
            return self._members(balancer)

    def balancer_attach_member(self, balancer: LoadBalancer, member: Member) -> Member:
        """Attach a droplet. Its port, if it has one, must be the member port of the balancer."""
        check_balancer(balancer)
        wanted = _droplet(member)

        def change() -> Member:
            found = self._to_balancer(self._fetch(balancer.id))
            self._require_new(self._members_of(found, balancer), wanted)
            made = self._member(balancer, str(wanted.id), _member_port(found))
            _require_port(wanted, made.port)
            self._send_droplet("POST", made)
            return made

        return self._changing(balancer, change)

    def _member_of(self, balancer: LoadBalancer, node: Addressed) -> Member:
        """Return the droplet that a node is; it needs no address."""
        check_balancer(balancer)
        return _droplet(Member(getattr(node, "id", None), None, None))

    def balancer_detach_member(
        self, balancer: LoadBalancer, member: Member, wait_drained: float | None = None
    ) -> bool:
        """Detach a droplet; the provider does not say when it has no connections left."""
        check_balancer(balancer)
        self._refuse_draining(wait_drained)
        wanted = _droplet(member)

        def change() -> bool:
            return self._send_droplet("DELETE", self._require_member(self._members(balancer), wanted))

        return self._changing(balancer, change)

    def _send_droplet(self, method: str, member: Member) -> bool:
        """Add or remove a droplet, which the provider takes twice."""
        assert member.balancer is not None
        path, body = f"{_path(member.balancer.id)}/droplets", {"droplet_ids": [number(member.id)]}
        self.connection.request(path, method=method, json=body, idempotent=True)
        return True

    # For the methods above

    def _is_busy(self, error: ProviderError) -> bool:
        return isinstance(error, ConflictError) and PROCESSING in str(error)

    def _fetch(self, balancer_id: str) -> Item[Balancer]:
        return self.connection.fetch(_path(balancer_id), "load_balancer", Balancer)

    def _members(self, balancer: LoadBalancer) -> list[Member]:
        return self._members_of(self._to_balancer(self._fetch(balancer.id)), balancer)

    def _members_of(self, found: LoadBalancer, balancer: LoadBalancer) -> list[Member]:
        port = _member_port(found)
        return [self._member(balancer, str(id_), port) for id_ in found.extra.get("droplet_ids") or ()]

    def _member(self, balancer: LoadBalancer, id_: str, port: int | None) -> Member:
        return Member(id_, None, port, balancer)

    def _region_of(self, members: Sequence[Member]) -> str:
        """Return the region of the first member's droplet."""
        if not members:
            raise InvalidArgumentError("ex_location must be the slug of a region if there are no members")
        path = f"/droplets/{number(members[0].id)}"
        return self.connection.fetch(path, "droplet", Droplet).value.region.slug

    def _check(self, check: HealthCheck | None, listener: Listener) -> dict[str, Any]:
        """Return a health check as a request has it."""
        if check is None:
            if listener.protocol == "udp":
                raise InvalidArgumentError("a balancer for udp needs ex_health_check, of another protocol")
            check = HealthCheck()
        protocol = str(check.protocol).lower()
        if protocol not in CHECKS:
            message = f"{self.name} checks members by {', '.join(CHECKS)}, not by {check.protocol!r}"
            raise UnsupportedOperationError(message, self)
        port = listener.member_port if check.port is None else check_port(check.port)
        times = {theirs: getattr(check, ours) for ours, theirs in CHECK_FIELDS.items()}
        return drop_none({"protocol": protocol, "port": port, "path": check.path, **times})

    def _sticky(self, sticky: StickySessions) -> dict[str, Any]:
        """Return sticky sessions as a request has them."""
        if sticky.by != "cookie":
            message = f"{self.name} has sticky sessions by cookie only, not by {sticky.by!r}"
            raise UnsupportedOperationError(message, self)
        cookie, ttl = sticky.cookie or DEFAULT_COOKIE, sticky.ttl or DEFAULT_TTL
        return {"type": "cookies", "cookie_name": cookie, "cookie_ttl_seconds": ttl}

    def _to_balancer(self, item: Item[Balancer]) -> LoadBalancer:
        found = item.value
        port = found.forwarding_rules[0].entry_port if found.forwarding_rules else None
        state = STATES.get(found.status or "", State.UNKNOWN)
        extra = LazyExtra(item.raw, _extra)
        return LoadBalancer(found.id, found.name or "", state, found.ip or None, port, self, extra)


def _path(balancer_id: str) -> str:
    return f"{PATH}/{quote_segment(balancer_id)}"


def _droplet(member: Member) -> Member:
    """Return a member by the droplet's id alone. Raises `InvalidArgumentError` without an id."""
    if not isinstance(member, Member) or member.id is None:
        message = "members of DigitalOcean are droplets by id: give Member(droplet_id, None, None)"
        raise InvalidArgumentError(f"{message}, not {shown(member)}")
    return check_member(Member(str(number(member.id)), None, member.port), by_id=True)


def _member_port(balancer: LoadBalancer) -> int | None:
    listeners: list[Listener] = balancer.extra["listeners"]
    return (listeners[0].member_port or listeners[0].port) if listeners else None


def _require_port(member: Member, port: int | None) -> None:
    """Raise `InvalidArgumentError` for a member that would serve at another port than its balancer's."""
    if member.port not in (None, port):
        raise InvalidArgumentError(f"members of this balancer serve at port {port}, not at {member.port}")


def _rule(listener: Listener) -> dict[str, Any]:
    """Return a completed listener as a request has it."""
    return drop_none(
        {
            "entry_protocol": listener.protocol,
            "entry_port": listener.port,
            "target_protocol": listener.member_protocol,
            "target_port": listener.member_port,
            "certificate_id": listener.certificate,
        }
    )


def _listener(rule: Rule) -> Listener:
    """Return a rule as a completed listener."""
    return Listener(
        port=rule.entry_port,
        protocol=rule.entry_protocol,
        member_port=rule.target_port,
        member_protocol=rule.target_protocol,
        certificate=rule.certificate_id or None,
    )


def _changed(rule: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return a rule with what changes of its listener; a new protocol is that of the members too."""
    if "protocol" not in changes:
        return {**rule, "entry_port": changes["port"]}
    listener = _listener(msgspec.convert(rule, Rule))
    return _rule(replace(listener, **changes, member_protocol=changes["protocol"]))


def _body(raw: bytes) -> dict[str, Any]:
    """Return a balancer as a PUT takes it."""
    fields = {name: value for name, value in decode(raw).items() if name not in READ_ONLY}
    fields["region"] = decode(raw, dict[str, Any])["region"]["slug"]
    del fields["droplet_ids" if fields.get("tag") else "tag"]
    return drop_none(fields)


def _extra(raw: bytes) -> dict[str, Any]:
    fields, payload = decode(raw), decode(raw, Balancer)
    listeners = [_listener(rule) for rule in payload.forwarding_rules]
    return {
        **{name: value for name, value in fields.items() if name not in CONVERTED},
        "region": (fields.get("region") or {}).get("slug"),
        "protocol": listeners[0].protocol if listeners else None,
        "algorithm": ALGORITHMS.get(payload.algorithm or ""),
        "listeners": [plain(one) for one in listeners],
        "health_check": _health_check(fields.get("health_check"), listeners),
        "sticky": _sticky_sessions(fields.get("sticky_sessions") or {}),
    }


def _health_check(fields: dict[str, Any] | None, listeners: Sequence[Listener]) -> HealthCheck | None:
    if not fields:
        return None
    own = listeners[0].member_port if listeners else None
    return HealthCheck(
        protocol=fields["protocol"],
        port=None if fields["port"] == own else fields["port"],
        path=fields.get("path") or None,
        **{ours: fields.get(theirs) for ours, theirs in CHECK_FIELDS.items()},
    )


def _sticky_sessions(fields: dict[str, Any]) -> StickySessions | None:
    if fields.get("type") != "cookies":
        return None
    return StickySessions(cookie=fields.get("cookie_name"), ttl=fields.get("cookie_ttl_seconds"))

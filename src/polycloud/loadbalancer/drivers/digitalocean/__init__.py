"""DigitalOcean's load balancers: https://docs.digitalocean.com/reference/api/digitalocean/#tag/Load-Balancers.

A change of a balancer is a PUT of all that it has: what is left out becomes the default again. So it is read
first, in the same turn. A balancer that carries out a change refuses others with a 403.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from polycloud.common.arguments import as_list, drop_none, require_bool, require_count
from polycloud.common.building import quote_segment
from polycloud.common.creation import NewCreation
from polycloud.common.digitalocean import PROCESSING, DigitalOceanBaseDriver, number
from polycloud.common.payload import Item, LazyExtra
from polycloud.errors import ConflictError, InvalidArgumentError, ProviderError
from polycloud.loadbalancer.base import DEFAULT_ALGORITHM, Addressed, Driver
from polycloud.loadbalancer.checks import check_balancer, check_members, check_name, check_port
from polycloud.loadbalancer.draining import require_draining
from polycloud.loadbalancer.drivers.digitalocean.payload import (
    ENCRYPTED,
    STATES,
    Balancer,
    Droplet,
    body_of,
    changed_rule,
    check_fields,
    droplet,
    extra_of,
    require_certificate,
    require_port,
    rule_fields,
    sticky_fields,
)
from polycloud.loadbalancer.listeners import complete
from polycloud.loadbalancer.objects import LoadBalancer, Member
from polycloud.loadbalancer.settings import HealthCheck, Listener, StickySessions
from polycloud.loadbalancer.types import Algorithm, BalancerError, Provider, State

__all__ = ["DigitalOceanLBDriver"]

PATH = "/load_balancers"
MOST_UNITS = 100


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
    node_provider = "digitalocean"
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
            ex_sticky: Sticky sessions by a cookie, by default "DO-LB" for 300 seconds; not for "tcp" and
                "udp".
            ex_proxy_protocol: Whether members get the header of the PROXY protocol.
            ex_redirect_http_to_https: Whether HTTP at port 80 is redirected to HTTPS at port 443.
            ex_vpc: The id of the network; by default the region's default one.
            ex_tag: A tag: its members are all droplets that have it, now and later, instead of `members`.
            ex_size_unit: Its size, from 1 to 100 nodes.
        """
        check_name(name)
        members = as_list(members)
        self._algorithm(algorithm)
        droplets = check_members([droplet(one) for one in members], by_id=True)
        listeners = complete(port, protocol, ex_certificate, members, ex_listeners, self._protocol, ENCRYPTED)
        self._require_settings(*members)
        for one in droplets:
            require_port(one, listeners[0].member_port)
        if ex_tag and droplets:
            raise InvalidArgumentError("give members or ex_tag, not both")
        if ex_size_unit is not None:
            require_count("ex_size_unit", ex_size_unit, MOST_UNITS)
        body = {
            "name": name,
            "forwarding_rules": [rule_fields(one) for one in listeners],
            "health_check": check_fields(ex_health_check, listeners[0]),
            "sticky_sessions": None if ex_sticky is None else sticky_fields(ex_sticky, listeners),
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
        """Change a balancer: its name, and port, protocol and certificate of its first listener.

        `ex_certificate` is the certificate's id, for "https" and "http2": a change to them needs it.
        """
        check_balancer(balancer)
        fields = {} if name is None else {"name": check_name(name)}
        changes: dict[str, Any] = {} if port is None else {"port": check_port(port)}
        if algorithm is not None:
            self._algorithm(algorithm)
        if protocol is not None:
            changes |= {"protocol": self._protocol(protocol), "certificate": None}
            require_certificate(changes["protocol"], ex_certificate)
        if ex_certificate is not None:
            changes["certificate"] = ex_certificate
        if not fields and not changes:
            return self.get_balancer(balancer.id)

        def change() -> LoadBalancer:
            item = self._fetch(balancer.id)
            body = {**LazyExtra(item.raw, body_of)(), **fields}
            if changes:
                if not item.value.forwarding_rules:
                    raise BalancerError(f"the balancer {balancer.id} has no port", self, balancer.id)
                first, *others = body["forwarding_rules"]
                body["forwarding_rules"] = [changed_rule(first, changes), *others]
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
        wanted = droplet(member)
        self._require_settings(member)

        def change() -> Member:
            found = self._to_balancer(self._fetch(balancer.id))
            self._require_new(self._members_of(found, balancer), wanted)
            made = self._member(balancer, str(wanted.id), _member_port(found))
            require_port(wanted, made.port)
            self._send_droplet("POST", made)
            return made

        return self._changing(balancer, change)

    def _member_of(self, balancer: LoadBalancer, node: Addressed) -> Member:
        """Return the droplet that a node is; it needs no address."""
        check_balancer(balancer)
        region = getattr(node, "extra", {}).get("region_slug")
        self._require_own_node(node, region, balancer.extra.get("region"))
        return droplet(Member(getattr(node, "id", None), None, None))

    def balancer_detach_member(
        self, balancer: LoadBalancer, member: Member, wait_drained: float | None = None
    ) -> bool:
        """Detach a droplet. Droplets cannot drain: `wait_drained` is refused."""
        check_balancer(balancer)
        require_draining(self, wait_drained)
        wanted = droplet(member)

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

    def _to_balancer(self, item: Item[Balancer]) -> LoadBalancer:
        found = item.value
        port = found.forwarding_rules[0].entry_port if found.forwarding_rules else None
        state = STATES.get(found.status or "", State.UNKNOWN)
        extra = LazyExtra(item.raw, extra_of)
        return LoadBalancer(found.id, found.name or "", state, found.ip or None, port, self, extra)


def _path(balancer_id: str) -> str:
    return f"{PATH}/{quote_segment(balancer_id)}"


def _member_port(balancer: LoadBalancer) -> int | None:
    listeners: list[Listener] = balancer.extra["listeners"]
    return (listeners[0].member_port or listeners[0].port) if listeners else None

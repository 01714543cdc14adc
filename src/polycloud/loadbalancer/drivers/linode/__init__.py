"""Linode's NodeBalancers: https://techdocs.akamai.com/linode-api/reference/get-node-balancers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, ClassVar

from polycloud.common.arguments import as_list, drop_none, require_bool, require_count
from polycloud.common.creation import NewCreation
from polycloud.common.linode import LabelTakenError
from polycloud.common.payload import Item, decode, identity
from polycloud.errors import InvalidArgumentError, NotFoundError, translated
from polycloud.loadbalancer.base import DEFAULT_ALGORITHM
from polycloud.loadbalancer.checks import check_balancer, check_members, check_port
from polycloud.loadbalancer.drivers.linode.members import PATH, LinodeMembers, path_of
from polycloud.loadbalancer.drivers.linode.payload import (
    Config,
    NodeBalancer,
    check_fields,
    health_check_of,
    listener_of,
    node_fields,
    port_fields,
    require_label,
    require_used,
    sticky_fields,
    sticky_of,
)
from polycloud.loadbalancer.listeners import complete
from polycloud.loadbalancer.objects import LoadBalancer, Member
from polycloud.loadbalancer.settings import HealthCheck, Listener, StickySessions
from polycloud.loadbalancer.types import Algorithm, BalancerAlreadyExistsError, Provider, State

__all__ = ["LinodeLBDriver"]

MOST_THROTTLE = 20


class LinodeLBDriver(LinodeMembers):
    """Linode's NodeBalancers: `LinodeLBDriver("token", region="us-east")`.

    Members are private IPv4 addresses of the balancer's region, with a port. `region` is the default of
    `ex_location`. Names are unique, and have 3 to 32 letters, digits, dashes and underscores.

    A balancer's `extra` has the provider's other fields, such as `region`, `hostname`, `tags`, `transfer`,
    and its `configs` as the provider shows them; the first one says what its port and protocol are. That of a
    member has `label` and `mode`: "accept", "reject", "drain" or "backup".
    """

    type = Provider.LINODE
    node_provider = "linode"
    protocols: ClassVar = {name: name for name in ("http", "https", "tcp")}
    algorithms: ClassVar = {
        Algorithm.ROUND_ROBIN: "roundrobin",
        Algorithm.LEAST_CONNECTIONS: "leastconn",
        Algorithm.PERSISTENT_IP: "source",
    }
    member_settings: ClassVar = frozenset({"weight", "condition"})

    # Balancers

    def list_balancers(self) -> list[LoadBalancer]:
        """Return all balancers: a request a page, and one for each balancer's configs, side by side."""
        items = self.connection.list_all(PATH, NodeBalancer, identity, key=lambda item: item.value.id)
        found = self.connection.gather([partial(self._unless_gone, item) for item in items])
        return [one for one in found if one is not None]

    def get_balancer(self, balancer_id: str) -> LoadBalancer:
        """Return the balancer with this id, in two requests side by side."""
        with self._balancer_errors(balancer_id):
            calls: list[Callable[[], Any]] = [
                lambda: self.connection.fetch(path_of(balancer_id), NodeBalancer),
                partial(self._configs, balancer_id),
            ]
            item, configs = self.connection.gather(calls)
        return self._to_balancer(item, configs)

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
        ex_private_key: str | None = None,
        ex_health_check: HealthCheck | None = None,
        ex_sticky: StickySessions | None = None,
        ex_proxy_protocol: bool = False,
        ex_tags: Sequence[str] = (),
        ex_throttle: int | None = None,
    ) -> LoadBalancer:
        """Create a balancer, which runs at once.

        It sends four requests, and without members one more for each port.

        Args:
            name: Its name.
            port: The port at which it takes connections.
            protocol: "http", "https" or "tcp".
            algorithm: Round robin, least connections, or by the client's address (`PERSISTENT_IP`).
            members: Private addresses and ports. `extra` may have `weight`, `condition` and `label`.
            ex_location: The id of the region, by default that of the driver.
            ex_listeners: Further ports. Members have their own ports, so these have no member port.
            ex_certificate: The certificate and its chain as PEM, for "https": the provider keeps no others.
            ex_private_key: The key of the certificate as PEM.
            ex_health_check: How members are checked, by "tcp" or "http" at their port; by default by a
                connection. A check has an `interval` above its `timeout`, and no `healthy`.
            ex_sticky: Sticky sessions by address, or for "http" and "https" by a cookie of the provider's.
            ex_proxy_protocol: Whether members get the header of the PROXY protocol, version 1; for "tcp".
            ex_tags: Tags.
            ex_throttle: The most connections a second from one address, up to 20; 0 for no limit.
        """
        require_label(name)
        algorithm_ = self._algorithm(algorithm)
        region = ex_location or self.region
        if not region:
            raise InvalidArgumentError("ex_location must be the id of a region, such as 'us-east'")
        nodes = [node_fields(one) for one in check_members(members)]
        if ex_throttle:
            require_count("ex_throttle", ex_throttle, MOST_THROTTLE)
        listeners = complete(port, protocol, ex_certificate, [], ex_listeners, self._protocol, ("https",))
        proxied = require_bool("ex_proxy_protocol", ex_proxy_protocol)
        require_used(listeners, ex_listeners, ex_private_key, ex_sticky, proxied)
        check = check_fields(HealthCheck() if ex_health_check is None else ex_health_check)
        configs = [
            {
                **port_fields(one, ex_private_key),
                "algorithm": algorithm_,
                **check,
                **({} if ex_sticky is None else sticky_fields(ex_sticky, one.protocol)),
                **({"proxy_protocol": "v1"} if proxied and one.protocol == "tcp" else {}),
            }
            for one in listeners
        ]
        body: dict[str, Any] = {"label": name, "region": region, "tags": as_list(ex_tags)}
        if ex_throttle is not None:
            body["client_conn_throttle"] = ex_throttle
        if nodes:  # the provider takes no config without nodes here
            body["configs"] = [{**one, "nodes": nodes} for one in configs]
        made = self._create_named(body)
        with self._destroyed_on_failure(made):
            for one in () if nodes else configs:
                self.connection.post(f"{path_of(made.id)}/configs", Config, one)
            return self.get_balancer(made.id)

    def _create_named(self, body: dict[str, Any]) -> LoadBalancer:
        name = body["label"]

        def send() -> LoadBalancer:
            return self._to_balancer(self.connection.post(PATH, NodeBalancer, body), [])

        def listed() -> list[LoadBalancer]:
            build = partial(self._to_balancer, configs=())
            return self.connection.list_all(PATH, NodeBalancer, build, only={"label": name})

        with self._name_errors(name):
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
        ex_private_key: str | None = None,
    ) -> LoadBalancer:
        """Change a balancer: its name, and its first port, that port's protocol and algorithm.

        `ex_certificate` and `ex_private_key` are as in `create_balancer`; they may be changed alone.
        """
        check_balancer(balancer)
        if name is not None:
            require_label(name)
        tls = {"ssl_cert": ex_certificate, "ssl_key": ex_private_key}
        if protocol is not None and (self._protocol(protocol) == "https") != all(tls.values()):
            raise InvalidArgumentError("ex_certificate and ex_private_key are for https, which needs both")
        fields = {
            "port": None if port is None else check_port(port),
            "protocol": None if protocol is None else self._protocol(protocol),
            "algorithm": None if algorithm is None else self._algorithm(algorithm),
            **tls,
        }

        def change() -> LoadBalancer:
            given = drop_none(fields)
            config = self._require_configs(balancer.id)[0].value if given else None
            if config and any(tls.values()) and (fields["protocol"] or config.protocol) != "https":
                raise InvalidArgumentError(f"the {config.protocol} port {config.port} has no certificate")
            if name is not None:
                with self._name_errors(name):
                    self.connection.put(path_of(balancer.id), NodeBalancer, {"label": name})
            if config:
                self.connection.put(f"{path_of(balancer.id)}/configs/{config.id}", Config, given)
            return self.get_balancer(balancer.id)

        return self._changing(balancer, change)

    def destroy_balancer(self, balancer: LoadBalancer) -> bool:
        """Destroy a balancer."""
        path = path_of(check_balancer(balancer).id)
        return self._changing(balancer, lambda: self.connection.delete(path))

    # For the methods above

    @contextmanager
    def _name_errors(self, name: str) -> Iterator[None]:
        """Raise "the label is taken" as `BalancerAlreadyExistsError`."""
        try:
            yield
        except LabelTakenError as error:
            raise translated(error, BalancerAlreadyExistsError(error.message, self, name)) from error

    def _unless_gone(self, item: Item[NodeBalancer]) -> LoadBalancer | None:
        """Return a listed balancer with its configs; None if it was destroyed in the meantime."""
        try:
            return self._to_balancer(item, self._configs(str(item.value.id)))
        except NotFoundError:
            return None

    def _to_balancer(self, item: Item[NodeBalancer], configs: Sequence[Item[Config]]) -> LoadBalancer:
        found = item.value
        first = configs[0].value if configs else None
        words = {word: one for one, word in self.algorithms.items()}
        fields = {name: one for name, one in decode(item.raw).items() if name not in {"id", "label", "ipv4"}}
        extra = {
            **fields,
            "protocol": first.protocol if first else None,
            "algorithm": words.get(first.algorithm or "") if first else None,
            "listeners": [listener_of(one.value) for one in configs],
            "health_check": health_check_of(first) if first else None,
            "sticky": sticky_of(first) if first else None,
            "configs": [decode(one.raw) for one in configs],
        }
        port = first.port if first else None
        name, ip = found.label or "", found.ipv4
        return LoadBalancer(str(found.id), name, State.RUNNING, ip, port, self, extra)

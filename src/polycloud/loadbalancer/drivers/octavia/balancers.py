"""Balancers: lists, changes, and the end."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, ClassVar, cast

from msgspec.structs import asdict

from polycloud.common.building import quote_segment
from polycloud.common.openstack import OpenStackBaseConnection, OpenStackBaseDriver
from polycloud.common.payload import value_of
from polycloud.errors import ConflictError, ProviderError, UnsupportedOperationError
from polycloud.loadbalancer.base import Driver
from polycloud.loadbalancer.checks import check_balancer, check_name
from polycloud.loadbalancer.drivers.octavia.payload import (
    ALGORITHMS,
    OURS,
    PROXY,
    STATES,
    BalancerPayload,
    ListenerPayload,
    MonitorPayload,
    PoolPayload,
    Tree,
    check_of,
    sticky_of,
    tree_of,
)
from polycloud.loadbalancer.listeners import plain
from polycloud.loadbalancer.objects import LoadBalancer
from polycloud.loadbalancer.settings import Listener
from polycloud.loadbalancer.types import Algorithm, BalancerDoesNotExistError, State

BUSY = re.compile(r"(?i)\bimmutable\b|invalid state PENDING_")
PROTOCOLS = {"TERMINATED_HTTPS": "https"}


class OctaviaConnection(OpenStackBaseConnection):
    """A connection to Octavia."""

    service_types = ("load-balancer", "octavia")
    version = "v2.0"


class OctaviaBalancers(OpenStackBaseDriver, Driver):
    """Methods of balancers."""

    connectionCls = OctaviaConnection
    connection: OctaviaConnection
    protocols: ClassVar = {one: one.upper() for one in ("http", "https", "tcp", "udp", "sctp")}
    algorithms: ClassVar = ALGORITHMS
    member_settings: ClassVar = frozenset({"weight", "condition"})

    def __init__(self, *args: Any, ex_vip_subnet_id: str | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self._vip_subnet_id = ex_vip_subnet_id

    def list_balancers(self) -> list[LoadBalancer]:
        """Return the balancers of the project, without those that are being deleted; four lists."""
        return self._balancers()

    def get_balancer(self, balancer_id: str) -> LoadBalancer:
        """Return the balancer with this id, unless it is being deleted."""
        with self._balancer_errors(balancer_id):
            tree = self._tree(balancer_id)
            monitor = tree.pool.healthmonitor_id if tree.pool else None
            if monitor is not None:
                path = f"/lbaas/healthmonitors/{quote_segment(monitor)}"
                found = self.connection.fetch(path, "healthmonitor", MonitorPayload).value
                tree.monitors = {found.id: found}
            return self._to_balancer(tree)

    def update_balancer(
        self,
        balancer: LoadBalancer,
        name: str | None = None,
        port: int | None = None,
        protocol: str | None = None,
        algorithm: Algorithm | None = None,
    ) -> LoadBalancer:
        """Change the name or the algorithm; a listener's port and protocol cannot be changed."""
        path = _path(check_balancer(balancer).id)
        if port is not None or protocol is not None:
            raise UnsupportedOperationError(
                f"{self.name} cannot change the port or the protocol of a balancer", self
            )
        word = None if algorithm is None else self._algorithm(algorithm)
        if name is not None:
            body = {"loadbalancer": {"name": check_name(name)}}
            self._changing(balancer, lambda: self._put(path, body))
        if word is not None:
            with self._balancer_errors(balancer.id):
                tree = self._tree(balancer.id)
            for pool in [*([tree.pool] if tree.pool else []), *tree.further_pools]:
                self._set_algorithm(balancer, pool, word)
        return self.get_balancer(balancer.id)

    def destroy_balancer(self, balancer: LoadBalancer) -> bool:
        """Destroy a balancer with its listeners, pools and members; its port of Neutron goes later."""
        path = f"{_path(check_balancer(balancer).id)}?cascade=true"
        return self._changing(balancer, lambda: self.connection.delete(path))

    # For the nouns

    def _set_algorithm(self, balancer: LoadBalancer, pool: PoolPayload, word: str) -> None:
        path, body = f"/lbaas/pools/{quote_segment(pool.id)}", {"pool": {"lb_algorithm": word}}
        self._changing(balancer, lambda: self._put(path, body))

    def _put(self, path: str, body: dict[str, Any]) -> None:
        self.connection.request(path, json=body, method="PUT", idempotent=True)

    def _is_busy(self, error: ProviderError) -> bool:
        return super()._is_busy(error) or (
            isinstance(error, ConflictError) and bool(BUSY.search(str(error.message)))
        )

    def _lists(self, *lists: tuple[str, Any, dict[str, str]]) -> list[Any]:
        """Return complete lists, which are read at the same time: name, type and parameters of each."""
        read = self.connection.list_all

        def reader(name: str, type_: Any, params: dict[str, str]) -> Any:
            return lambda: read(f"/lbaas/{name}", name, type_, value_of, params=params)

        return list(self.connection.gather([reader(*one) for one in lists]))

    def _balancers(self, **params: str) -> list[LoadBalancer]:
        (balancers,) = self._lists(("loadbalancers", BalancerPayload, params))
        if not balancers:
            return []
        listeners, pools, monitors = self._lists(
            ("listeners", ListenerPayload, {}),
            ("pools", PoolPayload, {}),
            ("healthmonitors", MonitorPayload, {}),
        )
        trees = Index(listeners, pools, monitors)
        return [self._to_balancer(trees.of(one)) for one in balancers if not _is_deleted(one)]

    def _tree(self, balancer_id: str) -> Tree:
        """Return a balancer's tree, without monitors. Raises `BalancerDoesNotExistError` and its like."""
        connection = self.connection

        def fetch() -> BalancerPayload:
            return connection.fetch(_path(balancer_id), "loadbalancer", BalancerPayload).value

        balancer, (listeners, pools) = cast(
            "tuple[BalancerPayload, list[Any]]",
            connection.gather(
                [
                    fetch,
                    lambda: self._lists(
                        ("listeners", ListenerPayload, {"load_balancer_id": str(balancer_id)}),
                        ("pools", PoolPayload, {"loadbalancer_id": str(balancer_id)}),
                    ),
                ]
            ),
        )
        if _is_deleted(balancer):
            raise BalancerDoesNotExistError(
                f"the balancer {balancer.name!r} is being deleted", self, balancer_id
            )
        return tree_of(balancer, listeners, pools)

    def _to_balancer(self, tree: Tree) -> LoadBalancer:
        payload, pool = tree.balancer, tree.pool
        listeners = [_to_listener(one, tree) for one in tree.listeners]
        first = listeners[0] if listeners else None
        own = ("id", "name", "listeners", "pools")
        extra = {
            **{name: value for name, value in asdict(payload).items() if name not in own},
            "protocol": first.protocol if first else None,
            "algorithm": OURS.get(pool.lb_algorithm) if pool else None,
            "listeners": listeners,
            "health_check": check_of(tree.monitor, pool),
            "sticky": sticky_of(pool.session_persistence) if pool else None,
            "proxy_protocol": bool(pool and pool.protocol in PROXY),
        }
        state = STATES.get(payload.provisioning_status, State.UNKNOWN)
        ip = payload.vip_address or None
        return LoadBalancer(
            payload.id, payload.name or "", state, ip, first.port if first else None, self, extra
        )


class Index:
    """The listeners, pools and monitors of a project, by the balancers that have them."""

    def __init__(
        self,
        listeners: Sequence[ListenerPayload],
        pools: Sequence[PoolPayload],
        monitors: Sequence[MonitorPayload],
    ) -> None:
        self._listeners = {one.id: one for one in listeners}
        self._pools = {one.id: one for one in pools}
        self._monitors = {one.id: one for one in monitors}

    def of(self, balancer: BalancerPayload) -> Tree:
        """Return the tree of a balancer."""
        listeners = [self._listeners[one.id] for one in balancer.listeners if one.id in self._listeners]
        pools = [self._pools[one.id] for one in balancer.pools if one.id in self._pools]
        ids = [one.healthmonitor_id for one in pools if one.healthmonitor_id in self._monitors]
        return tree_of(balancer, listeners, pools, [self._monitors[one] for one in ids if one])


def _path(balancer_id: str) -> str:
    return f"/lbaas/loadbalancers/{quote_segment(balancer_id)}"


def _is_deleted(balancer: BalancerPayload) -> bool:
    return STATES.get(balancer.provisioning_status) == State.DELETED


def _to_listener(listener: ListenerPayload, tree: Tree) -> Listener:
    pool = tree.pools.get(listener.default_pool_id or "")
    protocol = PROTOCOLS.get(listener.protocol, listener.protocol.lower())
    member_protocol = protocol
    if pool is not None and pool.protocol not in PROXY:
        member_protocol = "https" if pool.tls_enabled else pool.protocol.lower()
    return plain(
        Listener(
            port=listener.protocol_port,
            protocol=protocol,
            member_port=(pool.member_port if pool else None) or listener.protocol_port,
            member_protocol=member_protocol,
            certificate=listener.default_tls_container_ref,
        )
    )

"""Balancers: lists, creates, changes, and the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, ClassVar, TypeVar

from polycloud.common.arguments import drop_none
from polycloud.common.building import quote_segment
from polycloud.common.creation import UniqueCreation, marker_for
from polycloud.common.openstack import OpenStackBaseDriver
from polycloud.errors import InvalidArgumentError, NotFoundError, ProviderError, ProviderHTTPError, translated
from polycloud.loadbalancer.base import DEFAULT_ALGORITHM, Driver
from polycloud.loadbalancer.checks import check_balancer, check_members, check_name, check_port
from polycloud.loadbalancer.drivers.rackspace.connection import CloudLBConnection, is_busy, is_gone
from polycloud.loadbalancer.drivers.rackspace.payload import (
    ALGORITHMS,
    PROTOCOLS,
    STATES,
    BalancerPayload,
    Metadata,
    address_of,
    extra_of,
    monitor_fields,
    node_fields,
    persistence_fields,
)
from polycloud.loadbalancer.objects import LoadBalancer, Member
from polycloud.loadbalancer.settings import HealthCheck, StickySessions
from polycloud.loadbalancer.types import Algorithm, BalancerDoesNotExistError, State

T = TypeVar("T")
ADDRESSES = ("PUBLIC", "SERVICENET")
LONGEST_NAME = 128
MARKER = "polycloudcreate"
"""The metadata whose value is known to the create alone that made a balancer: letters and digits only."""


class CloudLBBalancers(OpenStackBaseDriver, Driver):
    """Methods of balancers."""

    connectionCls = CloudLBConnection
    connection: CloudLBConnection
    protocols: ClassVar = PROTOCOLS
    algorithms: ClassVar = ALGORITHMS
    member_settings: ClassVar = frozenset({"weight", "condition"})

    def list_balancers(self, *, ex_details: bool = True) -> list[LoadBalancer]:
        """Return the balancers of the region, without deleted ones.

        The provider's list lacks health checks, sticky sessions and limits of connections. `ex_details`
        requests these, one request for each balancer; without it they are None.
        """
        found = [one for one in self.connection.balancers() if not _is_deleted(one)]
        if not ex_details:
            return [self._to_balancer(one) for one in found]
        detailed = self.connection.gather([partial(self._detailed, one) for one in found])
        return [one for one in detailed if one is not None]

    def iterate_balancers(self) -> Iterator[LoadBalancer]:
        """Yield the balancers as `list_balancers` returns them, one request after another."""
        for one in self.connection.balancers():
            if not _is_deleted(one) and (found := self._detailed(one)) is not None:
                yield found

    def get_balancer(self, balancer_id: str) -> LoadBalancer:
        """Return the balancer with this id, unless it was deleted."""
        with self._balancer_errors(balancer_id):
            found = self.connection.fetch(_path(balancer_id), "loadBalancer", BalancerPayload).value
        if _is_deleted(found):
            raise BalancerDoesNotExistError(f"the balancer {found.name!r} was deleted", self, balancer_id)
        return self._to_balancer(found)

    def create_balancer(
        self,
        name: str,
        port: int,
        protocol: str = "http",
        algorithm: Algorithm = DEFAULT_ALGORITHM,
        members: Sequence[Member] = (),
        *,
        ex_address_type: str = "PUBLIC",
        ex_virtual_ip_id: str | int | None = None,
        ex_health_check: HealthCheck | None = None,
        ex_sticky: StickySessions | None = None,
        ex_connection_throttle: Mapping[str, int] | None = None,
        ex_access_list: Sequence[Mapping[str, str]] = (),
        ex_timeout: int | None = None,
        ex_metadata: Mapping[str, str] | None = None,
    ) -> LoadBalancer:
        """Create a balancer in one request. Two balancers may have one name.

        If the response is lost, the balancer is found by its metadata `polycloudcreate`.

        Args:
            name: Its name, of up to 128 characters.
            port: The port at which it takes connections.
            protocol: "http", "https" (which reaches the members as it is), "tcp" or one of the others.
            algorithm: How it chooses members.
            members: Its members; `extra` may have `weight` (1 to 100, for the weighted algorithms),
                `condition`, and `type`: "PRIMARY" or "SECONDARY", which serves when no primary one does.
            ex_address_type: "PUBLIC", or "SERVICENET" for an address within the region.
            ex_virtual_ip_id: The id of an address of another balancer, to share it at another port.
            ex_health_check: How members are checked: by "tcp", or by "http" or "https" for a status below
                400. Without it, the balancer notices failing connections only.
            ex_sticky: Sticky sessions by the balancer's cookie, for "http", or by the client's address, for
                "http" and "https".
            ex_connection_throttle: Limits of a client's connections: `maxConnections`, `minConnections`,
                `maxConnectionRate` and `rateInterval`.
            ex_access_list: Who may connect: `{"address": "192.0.2.0/24", "type": "ALLOW"}` or "DENY".
            ex_timeout: Seconds that a member may take to respond, 30 by default and 120 at most.
            ex_metadata: Metadata; letters and digits only.

        Raises:
            InvalidArgumentError: An argument is invalid; nothing was sent.
            UnsupportedOperationError: The provider does not have this protocol, algorithm or setting.
            QuotaExceededError: The account has as many balancers as it may have.
            AmbiguousCreateError: The response was lost and the balancer not found.
        """
        if ex_address_type not in ADDRESSES:
            raise InvalidArgumentError(
                f"ex_address_type must be one of {', '.join(ADDRESSES)}, got {ex_address_type!r}"
            )
        address = {"type": ex_address_type} if ex_virtual_ip_id is None else {"id": ex_virtual_ip_id}
        word = self._protocol(protocol)
        mark = marker_for()
        metadata = [
            {"key": key, "value": value} for key, value in {**(ex_metadata or {}), MARKER: mark}.items()
        ]
        body = {
            "name": _check_name(name),
            "port": check_port(port),
            "protocol": word,
            "algorithm": self._algorithm(algorithm),
            "virtualIps": [address],
            "nodes": node_fields(check_members(members)) or None,
            "healthMonitor": monitor_fields(ex_health_check) if ex_health_check else None,
            "sessionPersistence": persistence_fields(ex_sticky, protocol.lower()) if ex_sticky else None,
            "connectionThrottle": dict(ex_connection_throttle) if ex_connection_throttle else None,
            "accessList": [dict(one) for one in ex_access_list] or None,
            "timeout": ex_timeout,
            "metadata": metadata,
        }

        def send() -> LoadBalancer:
            made = self.connection.create("/loadbalancers", "loadBalancer", BalancerPayload, drop_none(body))
            return self._to_balancer(made.value)

        def marked() -> list[LoadBalancer]:
            named = [one for one in self.list_balancers(ex_details=False) if one.name == name]
            return [one for one in named if self._metadata(one.id).get(MARKER) == mark]

        creation = UniqueCreation(f"the balancer {name!r}", send, marked)
        creation.marker = f"the name {name!r} and the metadata {MARKER}={mark}"
        return self._create_once(creation)

    def update_balancer(
        self,
        balancer: LoadBalancer,
        name: str | None = None,
        port: int | None = None,
        protocol: str | None = None,
        algorithm: Algorithm | None = None,
    ) -> LoadBalancer:
        """Change a balancer in one request. Another protocol ends sticky sessions."""
        path = _path(check_balancer(balancer).id)
        body = drop_none(
            {
                "name": None if name is None else _check_name(name),
                "port": None if port is None else check_port(port),
                "protocol": None if protocol is None else self._protocol(protocol),
                "algorithm": None if algorithm is None else self._algorithm(algorithm),
            }
        )
        if body:
            self._change(balancer, lambda: self._put(path, {"loadBalancer": body}))
        return self.get_balancer(balancer.id)

    def destroy_balancer(self, balancer: LoadBalancer) -> bool:
        """Destroy a balancer. The provider keeps it in its records for 90 days."""
        path = _path(check_balancer(balancer).id)

        def destroy() -> bool:
            try:
                return self.connection.delete(path)
            except ProviderHTTPError as error:
                if error.repeated and is_gone(error):  # the response to the first request was lost
                    return True
                raise

        return self._change(balancer, destroy)

    # For the nouns

    def _metadata(self, balancer_id: str) -> dict[str, str]:
        """Return the metadata of a balancer; none if it is gone."""
        try:
            with self._balancer_errors(balancer_id):
                found = self.connection.request(f"{_path(balancer_id)}/metadata").decode(Metadata)
        except NotFoundError:
            return {}
        return {one.key: one.value for one in found.metadata}

    def _put(self, path: str, body: dict[str, Any]) -> None:
        self.connection.request(path, json=body, method="PUT", idempotent=True)

    def _is_busy(self, error: ProviderError) -> bool:
        return super()._is_busy(error) or is_busy(error)

    def _change(self, balancer: LoadBalancer, change: Callable[[], T]) -> T:
        """Return the result of a change of a balancer, as `_changing` does."""
        with self._balancer_errors(balancer.id):
            return self._changing(balancer, change)

    @contextmanager
    def _balancer_errors(self, balancer_id: str) -> Iterator[None]:
        """Raise what the provider says of a deleted balancer as `BalancerDoesNotExistError`, too."""
        with super()._balancer_errors(balancer_id):
            try:
                yield
            except ProviderHTTPError as error:
                if not is_gone(error):
                    raise
                raise translated(
                    error, BalancerDoesNotExistError(error.message, self, balancer_id)
                ) from error

    def _detailed(self, listed: BalancerPayload) -> LoadBalancer | None:
        """Return a balancer with its details; None if it was deleted in the meantime."""
        try:
            return self.get_balancer(str(listed.id))
        except NotFoundError:
            return None

    def _to_balancer(self, payload: BalancerPayload) -> LoadBalancer:
        state = STATES.get(payload.status, State.UNKNOWN)
        return LoadBalancer(
            str(payload.id),
            payload.name,
            state,
            address_of(payload),
            payload.port,
            self,
            extra_of(payload),
        )


def _check_name(name: str) -> str:
    if len(check_name(name)) > LONGEST_NAME:
        raise InvalidArgumentError(f"name must have {LONGEST_NAME} characters at most, got {len(name)}")
    return name


def _path(balancer_id: str) -> str:
    return f"/loadbalancers/{quote_segment(balancer_id)}"


def _is_deleted(payload: BalancerPayload) -> bool:
    return STATES.get(payload.status) == State.DELETED

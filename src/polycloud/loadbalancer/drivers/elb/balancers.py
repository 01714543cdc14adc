"""Classic balancers: lists, changes, and the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, ClassVar

from polycloud.common.aws.balancing import BalancingBaseDriver, BalancingConnection, code_of
from polycloud.common.aws.xml import Item
from polycloud.errors import (
    InvalidArgumentError,
    PolycloudError,
    ProviderHTTPError,
    UnsupportedOperationError,
    translated,
)
from polycloud.loadbalancer.base import Driver
from polycloud.loadbalancer.checks import check_balancer, check_port
from polycloud.loadbalancer.drivers.elb.payload import HTTP, Description, extra_of, listener_fields
from polycloud.loadbalancer.objects import LoadBalancer
from polycloud.loadbalancer.settings import Listener
from polycloud.loadbalancer.types import Algorithm, BalancerDoesNotExistError, BalancerInUseError, State


class ELBConnection(BalancingConnection):
    """Sends actions of the classic API."""

    version = "2012-06-01"


class ELBBalancers(BalancingBaseDriver, Driver):
    """Methods of balancers."""

    connectionCls = ELBConnection
    connection: ELBConnection
    protocols: ClassVar = {"http": "HTTP", "https": "HTTPS", "tcp": "TCP", "ssl": "SSL"}
    algorithms: ClassVar = {Algorithm.ROUND_ROBIN: "round robin"}

    def list_balancers(self) -> list[LoadBalancer]:
        """Return all balancers of the region."""
        return list(self.iterate_balancers())

    def iterate_balancers(self) -> Iterator[LoadBalancer]:
        """Yield the balancers, a page at a time."""
        found = self.connection.iterate("DescribeLoadBalancers", "LoadBalancerDescriptions", Description)
        yield from map(self._to_balancer, found)

    def get_balancer(self, balancer_id: str) -> LoadBalancer:
        """Return the balancer of this name, which is its id."""
        with self._balancer_errors(balancer_id):
            return self._to_balancer(self._described(balancer_id))

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
        """Change the listener at the balancer's port; the name and the algorithm cannot be changed.

        At another port the new listener is made before the old one is deleted; at the same port after it.
        `ex_certificate` is the certificate if the new protocol needs one and the old listener has none.
        """
        check_balancer(balancer)
        if name is not None:
            raise UnsupportedOperationError(f"{self.name} cannot change a balancer's name", self)
        if port is not None:
            check_port(port)
        if protocol is not None:
            self._protocol(protocol)
        if algorithm is not None:
            self._algorithm(algorithm)

        def change() -> LoadBalancer:
            described = self._described(balancer.id)
            listeners = described.value.listeners
            if listeners:
                first = next((one for one in listeners if one.listener.port == balancer.port), listeners[0])
                old = _completed(first.listener.settings())
                new = _changed(old, port, protocol, ex_certificate)
                if new.port != old.port and any(one.listener.port == new.port for one in listeners):
                    raise InvalidArgumentError(f"the balancer has another listener at port {new.port}")
                if new != old:
                    self._replace(balancer.id, old, new, first.policy_names or ())
                    described = self._described(balancer.id)
            return self._to_balancer(described)

        return self._changing(balancer, change)

    def destroy_balancer(self, balancer: LoadBalancer) -> bool:
        """Destroy a balancer."""
        check_balancer(balancer)

        def destroy() -> bool:
            self._described(balancer.id)  # deleting what does not exist succeeds
            try:
                self._delete(balancer)
            except ProviderHTTPError as error:
                if code_of(error) in {"OperationNotPermitted", "ResourceInUse", "DependencyViolation"}:
                    ours = BalancerInUseError(error.message, self, balancer.id)
                    raise translated(error, ours) from error
                raise
            return True

        return self._changing(balancer, destroy)

    def _delete(self, balancer: LoadBalancer) -> None:
        self.connection.act("DeleteLoadBalancer", LoadBalancerName=balancer.id)

    def _described(self, name: str) -> Item[Description]:
        """Return a balancer as the provider describes it. Raises `NotFoundError`."""
        action, list_ = "DescribeLoadBalancers", "LoadBalancerDescriptions"
        if not isinstance(name, str) or not name:
            raise BalancerDoesNotExistError(driver=self, balancer_id=str(name))
        found = self.connection.iterate(action, list_, Description, paged=False, LoadBalancerNames=[name])
        first = next(found, None)
        if first is None:
            raise BalancerDoesNotExistError(driver=self, balancer_id=str(name))
        return first

    def _to_balancer(self, item: Item[Description]) -> LoadBalancer:
        raw = item.value
        extra = {**extra_of(item), "algorithm": Algorithm.ROUND_ROBIN}
        listeners = extra["listeners"]
        port = listeners[0].port if listeners else None
        state = State.RUNNING if raw.address else State.PENDING
        return LoadBalancer(raw.name, raw.name, state, raw.address, port, self, extra)

    def _replace(self, name: str, old: Listener, new: Listener, policies: Sequence[str]) -> None:
        if new.port == old.port:
            self._delete_listener(name, old)
            try:
                self._create_listener(name, new, policies)
            except BaseException as error:
                error.add_note(f"the listener at {old.port} was deleted before, and is made again")
                self._create_listener(name, old, policies)
                raise
            return
        try:
            self._create_listener(name, new, policies)
        except BaseException:
            with suppress(PolycloudError):  # it may have been made, and its policies refused
                self._delete_listener(name, new)
            raise
        self._delete_listener(name, old)

    def _create_listener(self, name: str, listener: Listener, policies: Sequence[str]) -> None:
        fields: dict[str, Any] = {"Listeners": [listener_fields(listener, self.protocols)]}
        # The provider takes the same listener twice
        self.connection.call(
            "CreateLoadBalancerListeners", {"LoadBalancerName": name, **fields}, idempotent=True
        )
        if policies and listener.protocol in HTTP:
            self._set_policies(name, listener.port, policies)

    def _delete_listener(self, name: str, listener: Listener) -> None:
        fields = {"LoadBalancerName": name, "LoadBalancerPorts": [listener.port]}
        self.connection.call("DeleteLoadBalancerListeners", fields, idempotent=True)

    def _set_policies(self, name: str, port: int, policies: Sequence[str]) -> None:
        fields = {"LoadBalancerName": name, "LoadBalancerPort": port, "PolicyNames": policies}
        self.connection.act("SetLoadBalancerPoliciesOfListener", **fields)


def _completed(one: Listener) -> Listener:
    return replace(
        one,
        member_port=one.member_port or one.port,
        member_protocol=one.member_protocol or one.protocol,
    )


def _changed(old: Listener, port: int | None, protocol: str | None, certificate: str | None) -> Listener:
    """Return the listener with a new port and protocol."""
    chosen = old.protocol if protocol is None else protocol.lower()
    needs = chosen in {"https", "ssl"}
    same_layer = (chosen in HTTP) == (old.member_protocol in HTTP)
    new = Listener(
        port=port or old.port,
        protocol=chosen,
        member_port=old.member_port,
        member_protocol=old.member_protocol if same_layer else chosen,
        certificate=(certificate or old.certificate) if needs else None,
    )
    if needs and not new.certificate:
        raise InvalidArgumentError(f"the protocol {chosen} needs ex_certificate")
    if certificate and not needs:
        raise InvalidArgumentError(f"the protocol {chosen} must not have ex_certificate")
    return new

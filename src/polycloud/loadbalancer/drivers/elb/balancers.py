"""Classic balancers: lists, changes, and the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import Any, ClassVar

from polycloud.common.aws.balancing import (
    PORT,
    BalancingBaseDriver,
    BalancingConnection,
    code_of,
    tag_list,
    tags_of,
)
from polycloud.common.aws.xml import Item
from polycloud.errors import (
    InvalidArgumentError,
    NotFoundError,
    PolycloudError,
    ProviderHTTPError,
    UnsupportedOperationError,
    translated,
)
from polycloud.loadbalancer.base import Driver
from polycloud.loadbalancer.checks import check_balancer, check_port
from polycloud.loadbalancer.drivers.elb.payload import (
    HTTP,
    Description,
    ListenerDescription,
    TagDescription,
    extra_of,
    listener_fields,
)
from polycloud.loadbalancer.objects import LoadBalancer
from polycloud.loadbalancer.settings import Listener
from polycloud.loadbalancer.types import Algorithm, BalancerDoesNotExistError, BalancerInUseError, State

MOST_NAMES = 20
"""Tags of so many balancers can be described at once."""


class ELBConnection(BalancingConnection):
    """Sends actions of the classic API."""

    version = "2012-06-01"


class ELBBalancers(BalancingBaseDriver, Driver):
    """Methods of balancers."""

    connectionCls = ELBConnection
    connection: ELBConnection
    node_provider = "ec2"
    protocols: ClassVar = {"http": "HTTP", "https": "HTTPS", "tcp": "TCP", "ssl": "SSL"}
    algorithms: ClassVar = {Algorithm.ROUND_ROBIN: "round robin"}

    def list_balancers(self) -> list[LoadBalancer]:
        """Return all balancers of the region: a request for 400, and one for 20 with several listeners."""
        return list(self.iterate_balancers())

    def iterate_balancers(self) -> Iterator[LoadBalancer]:
        """Yield the balancers, a page at a time."""
        items = self.connection.iterate("DescribeLoadBalancers", "LoadBalancerDescriptions", Description)
        while page := list(islice(items, self.connection.per_page)):
            yield from self._to_balancers(page)

    def get_balancer(self, balancer_id: str) -> LoadBalancer:
        """Return the balancer of this name, which is its id."""
        with self._balancer_errors(balancer_id):
            return self._fresh(balancer_id)

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

        It is refused if the balancer, as it is now, has several listeners and none at `balancer.port`.
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
            if listeners := self._described(balancer.id).value.listeners:
                first = _listener_at(balancer.port, listeners)
                old = _completed(first.listener.settings())
                new = _changed(old, port, protocol, ex_certificate)
                if new.port != old.port and any(one.listener.port == new.port for one in listeners):
                    raise InvalidArgumentError(f"the balancer has another listener at port {new.port}")
                if new != old:
                    self._replace(balancer.id, old, new, first.policy_names or ())
                if len(listeners) > 1:
                    self._set_tags(balancer.id, {PORT: str(new.port)})
            return self._fresh(balancer.id)

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

    def _fresh(self, name: str) -> LoadBalancer:
        return self._to_balancers([self._described(name)])[0]

    def _to_balancers(self, items: Sequence[Item[Description]]) -> list[LoadBalancer]:
        """Return balancers with that listener as the first one that the tag names, if there are several."""
        tags = self._tags([one.value.name for one in items if len(one.value.listeners or ()) > 1])
        return [self._to_balancer(one, tags.get(one.value.name, {}).get(PORT)) for one in items]

    def _tags(self, names: Sequence[str]) -> dict[str, dict[str, str]]:
        """Return the tags of balancers by their names; without those that are gone."""
        tags: dict[str, dict[str, str]] = {}
        for start in range(0, len(names), MOST_NAMES):
            some = names[start : start + MOST_NAMES]
            try:
                found = [one.value for one in self._described_tags(some)]
            except NotFoundError:  # one of them is gone by now
                if len(some) > 1:
                    for one in some:
                        tags |= self._tags([one])
                continue
            tags |= {one.name: tags_of(one.tags) for one in found}
        return tags

    def _described_tags(self, names: Sequence[str]) -> Iterator[Item[TagDescription]]:
        list_ = "TagDescriptions"
        return self.connection.iterate(
            "DescribeTags", list_, TagDescription, paged=False, LoadBalancerNames=names
        )

    def _set_tags(self, name: str, tags: dict[str, str]) -> None:
        fields = {"LoadBalancerNames": [name], "Tags": tag_list(tags)}
        self.connection.call("AddTags", fields, idempotent=True)

    def _to_balancer(self, item: Item[Description], port: str | None) -> LoadBalancer:
        raw = item.value
        if raw.listeners:
            raw.listeners.sort(key=lambda one: str(one.listener.port) != port)
        extra = {**extra_of(item), "algorithm": Algorithm.ROUND_ROBIN}
        listeners = extra["listeners"]
        first = listeners[0].port if listeners else None
        state = State.RUNNING if raw.address else State.PENDING
        return LoadBalancer(raw.name, raw.name, state, raw.address, first, self, extra)

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


def _listener_at(port: int | None, listeners: Sequence[ListenerDescription]) -> ListenerDescription:
    """Return the listener at a port, or the only one. Raises `InvalidArgumentError` if there is none."""
    found = next((one for one in listeners if one.listener.port == port), None)
    if found is None and len(listeners) > 1:
        ports = ", ".join(str(one.listener.port) for one in listeners)
        raise InvalidArgumentError(
            f"the balancer has listeners at {ports}, none at {port}; get_balancer() returns it as it is now"
        )
    return found or listeners[0]


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

"""Balancers of version 2: lists, changes, and the end.

The provider's list has neither ports nor protocols: those are of listeners, and algorithms and sticky
sessions of target groups. Both are asked for each balancer, side by side.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Any

from polycloud.common.aws.balancing import PORT, code_of, tag_list
from polycloud.common.aws.xml import Item
from polycloud.common.busy import when_free
from polycloud.errors import (
    ConflictError,
    InvalidArgumentError,
    NotFoundError,
    PolycloudError,
    ProviderHTTPError,
    UnsupportedOperationError,
    translated,
)
from polycloud.loadbalancer.checks import check_balancer, check_port
from polycloud.loadbalancer.drivers.alb.connection import ALBBaseDriver
from polycloud.loadbalancer.drivers.alb.payload import (
    ALGORITHM,
    APPLICATION,
    BY_DEFAULT,
    TYPES,
    Balancer,
    Group,
    RawListener,
    sticky_of,
)
from polycloud.loadbalancer.objects import LoadBalancer
from polycloud.loadbalancer.types import Algorithm, BalancerDoesNotExistError, BalancerInUseError

OWNER = "polycloud-balancer"
"""The tag of a target group that this driver made: the ARN of its balancer."""

UNKNOWN = ("protocol", "algorithm", "listeners", "health_check", "sticky", "target_group")
"""What the provider's list of balancers does not say of them."""

Listened = tuple[Item[Balancer], list[RawListener]]


class ALBBalancers(ALBBaseDriver):
    """Methods of balancers."""

    def list_balancers(self, *, ex_details: bool = True) -> list[LoadBalancer]:
        """Return all balancers of the region.

        It takes a request for 400 balancers, one for 400 target groups, and for each balancer one for its
        listeners and, if it is an application balancer, one for its algorithm; eight at once. With
        `ex_details=False` it takes the first one only: then `port` and what is in `extra` of listeners and
        target groups is None.
        """
        if not ex_details:
            return [self._bare(item) for item in self._described()]
        return list(self.iterate_balancers())

    def iterate_balancers(self) -> Iterator[LoadBalancer]:
        """Yield the balancers, a page at a time."""
        items = self._described()
        while page := list(islice(items, self.connection.per_page)):
            yield from self._detailed(page)

    def get_balancer(self, balancer_id: str) -> LoadBalancer:
        """Return the balancer with this ARN, which is its id."""
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
        """Change the listener at the balancer's port, or the algorithm; the name cannot be changed.

        The new protocol must be one of the same type of balancer, application or network. `ex_certificate` is
        the ARN of the certificate, if the protocol needs one and the listener has none.
        """
        check_balancer(balancer)
        if name is not None:
            raise UnsupportedOperationError(f"{self.name} cannot change a balancer's name", self)
        fields: dict[str, Any] = {}
        if port is not None:
            fields["Port"] = check_port(port)
        if protocol is not None:
            fields["Protocol"] = self._protocol(protocol)
            self._require_type(str(balancer.extra.get("protocol") or protocol), fields["Protocol"])
        if ex_certificate is not None:
            fields["Certificates"] = [{"CertificateArn": ex_certificate}]
        if algorithm is not None:
            self._algorithm(algorithm)

        def change() -> LoadBalancer:
            listeners = self._listeners(balancer.id)
            if fields:
                self._change_listener(balancer, listeners, fields)
            if algorithm is not None:
                for one in self._serving(balancer.id):
                    self._set_attributes(one.arn, {ALGORITHM: self._algorithm(algorithm)})
            return self._fresh(balancer.id)

        return self._changing(balancer, change)

    def destroy_balancer(self, balancer: LoadBalancer) -> bool:
        """Destroy a balancer with its listeners, and the target groups that this driver made for it."""
        check_balancer(balancer)

        def destroy() -> bool:
            owned = self._owned(balancer.id, [one.arn for one in self._groups(self._listeners(balancer.id))])
            try:
                self.connection.act("DeleteLoadBalancer", LoadBalancerArn=balancer.id)
            except ProviderHTTPError as error:
                if code_of(error) in {"OperationNotPermitted", "ResourceInUse"}:
                    ours = BalancerInUseError(error.message, self, balancer.id)
                    raise translated(error, ours) from error
                raise
            self._delete_groups(owned)
            return True

        return self._changing(balancer, destroy)

    # Parts

    def _described(self, **which: Any) -> Iterator[Item[Balancer]]:
        """Yield balancers as the provider describes them."""
        return self.connection.iterate(
            "DescribeLoadBalancers", "LoadBalancers", Balancer, paged=not which, **which
        )

    def _fresh(self, arn: str) -> LoadBalancer:
        """Return a balancer as it is now. Raises `NotFoundError`."""
        which = [self._require_arn(arn)]
        found = self._detailed(self._described(LoadBalancerArns=which), listed=False)
        if found and found[0].id == arn:
            return found[0]
        raise BalancerDoesNotExistError(driver=self, balancer_id=arn)

    def _detailed(self, items: Iterable[Item[Balancer]], *, listed: bool = True) -> list[LoadBalancer]:
        """Return balancers with what their listeners and target groups say; without those that are gone."""
        items = list(items)
        listeners = self.connection.gather([partial(self._listeners_of, one.value.arn) for one in items])
        there = [(item, found) for item, found in zip(items, listeners, strict=True) if found is not None]
        there = self._in_order(there)
        groups = self._all_groups([one for _, found in there for one in found], listed=listed)
        firsts = [(found[0].group() if found else None) for _, found in there]
        attributes = self.connection.gather([partial(self._attributes, arn) for arn in firsts])
        return [
            self._to_balancer(item, found, groups, said)
            for (item, found), said in zip(there, attributes, strict=True)
        ]

    def _in_order(self, there: list[Listened]) -> list[Listened]:
        """Return balancers with that listener as the first one that the tag names, if a group has several."""
        shared = [item.value.arn for item, found in there if len(found) > 1 and _share(*found[:2])]
        try:
            tags = self._tags(shared)
        except NotFoundError:  # one of them is gone by now
            tags = {}
        return [(item, _ordered(found, tags.get(item.value.arn, {}).get(PORT))) for item, found in there]

    def _listeners_of(self, arn: str) -> list[RawListener] | None:
        try:
            return self._listeners(arn)
        except NotFoundError:
            return None

    def _all_groups(self, listeners: list[RawListener], *, listed: bool) -> dict[str, Group]:
        """Return the target groups of listeners by their ARNs, of many from the list of all."""
        if not listed:
            return {one.arn: one for one in self._groups(listeners)}
        found = self.connection.iterate("DescribeTargetGroups", "TargetGroups", Group)
        return {one.value.arn: one.value for one in found} if listeners else {}

    def _bare(self, item: Item[Balancer]) -> LoadBalancer:
        raw = item.value
        unknown = dict.fromkeys(UNKNOWN)
        return LoadBalancer(
            raw.arn, raw.name, raw.status, raw.address, None, self, {**item.fields, **unknown}
        )

    def _to_balancer(
        self,
        item: Item[Balancer],
        listeners: list[RawListener],
        groups: dict[str, Group],
        attributes: dict[str, str],
    ) -> LoadBalancer:
        made = self._bare(item)
        settings = [one.settings(groups.get(one.group() or "")) for one in listeners]
        first = groups.get(listeners[0].group() or "") if listeners else None
        words = {word: ours for ours, word in self.algorithms.items()}
        has_algorithm = item.value.type == APPLICATION and attributes
        made.port = settings[0].port if settings else None
        made.extra.update(
            protocol=settings[0].protocol if settings else None,
            algorithm=words.get(attributes.get(ALGORITHM, BY_DEFAULT)) if has_algorithm else None,
            listeners=settings,
            health_check=first.check() if first else None,
            sticky=sticky_of(attributes),
            target_group=first.arn if first else None,
        )
        return made

    def _change_listener(
        self, balancer: LoadBalancer, listeners: list[RawListener], fields: dict[str, Any]
    ) -> None:
        if not listeners:
            raise InvalidArgumentError("the balancer has no listener that could be changed")
        first = next((one for one in listeners if one.port == balancer.port), listeners[0])
        old = first.protocol or ""
        new = fields.get("Protocol", old)
        self._require_type(old.lower(), new)
        given = fields.get("Certificates")
        if new in {"HTTPS", "TLS"} and not (given or first.certificates):
            raise InvalidArgumentError(f"the protocol {new} needs ex_certificate")
        if given and new not in {"HTTPS", "TLS"}:
            raise InvalidArgumentError(f"the protocol {new} must not have ex_certificate")
        self.connection.call("ModifyListener", {"ListenerArn": first.arn, **fields})
        if len(listeners) > 1 and "Port" in fields:
            tags = tag_list({PORT: str(fields["Port"])})
            self.connection.call("AddTags", {"ResourceArns": [balancer.id], "Tags": tags}, idempotent=True)

    def _require_type(self, old: str, new: str) -> None:
        """Raise `UnsupportedOperationError` if a balancer of the protocol `old` cannot have `new`."""
        type_ = TYPES.get(self.protocols.get(old, ""))
        if type_ != TYPES[new]:
            raise UnsupportedOperationError(f"{type_} balancers have no protocol {new}", self)

    def _owned(self, balancer: str, groups: list[str]) -> list[str]:
        """Return those target groups that this driver made for this balancer."""
        tags = self._tags(groups)
        return [arn for arn in groups if tags.get(arn, {}).get(OWNER) == balancer]

    def _delete_groups(self, arns: Iterable[str]) -> None:
        """Delete target groups, which are in use until their balancer is gone everywhere."""
        left = list(arns)
        try:
            while left:
                self._delete_group(left[0])
                left.pop(0)
        except PolycloudError as error:
            error.add_note(
                f"the balancer is destroyed; these of its target groups are left: {', '.join(left)}"
            )
            raise

    def _delete_group(self, arn: str) -> None:
        def delete() -> None:
            try:
                self.connection.act("DeleteTargetGroup", TargetGroupArn=arn)
            except NotFoundError:
                return

        when_free(delete, timeout=self.busy_time, is_busy=lambda error: isinstance(error, ConflictError))


def _share(one: RawListener, other: RawListener) -> bool:
    return one.group() == other.group()


def _ordered(listeners: list[RawListener], port: str | None) -> list[RawListener]:
    """Return listeners with the one at `port` first, if it has the same target group as the first one."""
    return sorted(listeners, key=lambda one: not (_share(one, listeners[0]) and str(one.port) == port))

"""The members of balancers: those of the pool of the first listener.

The pools of further listeners, where the driver has made them, have the same addresses at the port of their
listener.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from polycloud.common.building import quote_segment
from polycloud.common.payload import Item, value_of
from polycloud.concurrency.calls import cleanup
from polycloud.errors import ConflictError, InvalidArgumentError, NotFoundError, PolycloudError, translated
from polycloud.loadbalancer.checks import address_of, check_balancer, check_member
from polycloud.loadbalancer.draining import Place, TimedDrain, refusal
from polycloud.loadbalancer.drivers.octavia.creating import OVN, OctaviaCreating
from polycloud.loadbalancer.drivers.octavia.payload import (
    BalancerPayload,
    MemberPayload,
    PoolPayload,
    Tree,
    check_port_of,
    member_fields,
    to_member,
)
from polycloud.loadbalancer.objects import LoadBalancer, Member
from polycloud.loadbalancer.types import (
    Draining,
    MemberAlreadyExistsError,
    MemberCondition,
    MemberDoesNotExistError,
)


class OctaviaMembers(OctaviaCreating):
    """Methods of members."""

    draining = Draining.TIMED

    def balancer_list_members(self, balancer: LoadBalancer) -> list[Member]:
        """Return the members of the pool of the balancer's first listener."""
        check_balancer(balancer)
        with self._balancer_errors(balancer.id):
            pool = self._tree(balancer.id).pool
            return [] if pool is None else self._members(balancer, pool)

    def balancer_attach_member(self, balancer: LoadBalancer, member: Member) -> Member:
        """Attach a member; see `create_balancer` for its `extra`."""
        member_fields(check_member(member), member.port, None)  # refuses other settings before a request
        tree, pool = self._place(balancer)
        made = [(pool, self._attach(balancer, pool, member, member.port))]
        try:
            for further in tree.further_pools:
                with suppress(MemberAlreadyExistsError):  # its address is there
                    made.append((further, self._attach(balancer, further, member, further.member_port)))
        except BaseException as error:
            self._undo_attach(balancer, made, error)
            raise
        return made[0][1]

    def balancer_detach_member(
        self, balancer: LoadBalancer, member: Member, wait_drained: float | None = None
    ) -> bool:
        """Detach a member.

        Octavia does not count the connections of members: all of `wait_drained` is waited, with the weight 0.
        Balancers of the provider "ovn", which has no weights, refuse it.
        """
        tree, pool = self._place(balancer)
        there = [(pool, one) for one in self._members(balancer, pool)]
        found = self._require_member([one for _, one in there], member)
        leaving = [(pool, found)]
        if not any(one.ip == found.ip for _, one in there if one.id != found.id):
            further = ((each, one) for each in tree.further_pools for one in self._members(balancer, each))
            leaving += [(each, one) for each, one in further if one.ip == found.ip]

        def detach() -> bool:
            (first, *others) = leaving
            self._detach(balancer, *first)
            for one in others:
                self._detach_if_there(balancer, *one)
            return True

        if wait_drained is None:
            return detach()
        if tree.balancer.provider == OVN:
            raise refusal(self, 'of a balancer of the provider "ovn"')
        drain = TimedDrain(
            self,
            address_of(found),
            [_drained(*one) for one in leaving if one[1].extra["condition"] == MemberCondition.ENABLED],
            partial(self._set, balancer),
            partial(self._is_settled, balancer),
        )
        return drain.run(wait_drained, detach)

    def ex_update_member(self, balancer: LoadBalancer, member: Member) -> Member:
        """Change a member to what its `extra` has: `weight`, `condition` and what else Octavia can change.

        It is identified by its address and port. Returns it as it is then.
        """
        _, pool = self._place(balancer)
        found = self._require_member(self._members(balancer, pool), member)
        fixed = ("address", "protocol_port", "subnet_id")
        fields = member_fields(member, member.port, check_port_of(pool))
        changes = {name: value for name, value in fields.items() if name not in fixed}
        changes.setdefault("admin_state_up", True)
        path = _path(pool, found)

        def change() -> Member:
            with self._no_member(found):
                sent = self.connection.put(path, "member", MemberPayload, changes, idempotent=True)
            return to_member(sent.value, balancer)

        return self._changing(balancer, change)

    def _place(self, balancer: LoadBalancer) -> tuple[Tree, PoolPayload]:
        """Return a balancer's tree and the pool of its members."""
        check_balancer(balancer)
        with self._balancer_errors(balancer.id):
            tree = self._tree(balancer.id)
        if tree.pool is None:
            raise InvalidArgumentError(
                f"the balancer {balancer.name!r} has no pool; create one for its listener"
            )
        return tree, tree.pool

    def _members(self, balancer: LoadBalancer, pool: PoolPayload) -> list[Member]:
        def build(item: Item[MemberPayload]) -> Member:
            return to_member(value_of(item), balancer)

        return self.connection.list_all(f"{_pool_path(pool)}/members", "members", MemberPayload, build)

    def _set(self, balancer: LoadBalancer, path: str, fields: dict[str, Any]) -> None:
        self._changing(balancer, lambda: self._put(path, {"member": fields}))

    def _is_settled(self, balancer: LoadBalancer) -> bool:
        """Return whether all changes of a balancer are carried out."""
        with self._balancer_errors(balancer.id):
            path = f"/lbaas/loadbalancers/{quote_segment(balancer.id)}"
            found = self.connection.fetch(path, "loadbalancer", BalancerPayload).value
            return not found.provisioning_status.startswith("PENDING")

    def _attach(self, balancer: LoadBalancer, pool: PoolPayload, member: Member, port: int | None) -> Member:
        body = member_fields(member, port, check_port_of(pool))

        def send() -> Member:
            try:
                made = self.connection.create(f"{_pool_path(pool)}/members", "member", MemberPayload, body)
            except ConflictError as error:
                if self._is_busy(error):
                    raise
                taken = MemberAlreadyExistsError(error.message, self, address_of(member))
                raise translated(error, taken) from error
            return to_member(made.value, balancer)

        return self._changing(balancer, send)

    def _detach(self, balancer: LoadBalancer, pool: PoolPayload, member: Member) -> None:
        def send() -> bool:
            with self._no_member(member):
                return self.connection.delete(_path(pool, member))

        self._changing(balancer, send)

    @contextmanager
    def _no_member(self, member: Member) -> Iterator[None]:
        try:
            yield
        except NotFoundError as error:
            gone = MemberDoesNotExistError(error.message, self, str(member.id))
            raise translated(error, gone) from error

    def _detach_if_there(self, balancer: LoadBalancer, pool: PoolPayload, member: Member) -> None:
        try:
            self._detach(balancer, pool, member)
        except NotFoundError:
            return

    def _undo_attach(
        self, balancer: LoadBalancer, made: Sequence[tuple[PoolPayload, Member]], error: BaseException
    ) -> None:
        """Detach a member from the pools to which it was attached; a note of `error` says if that failed."""
        for pool, member in made:
            try:
                with cleanup():
                    self._detach_if_there(balancer, pool, member)
            except PolycloudError as failure:
                named = f"the member {member.id} of the pool {pool.id}"
                error.add_note(f"{named} could not be detached: {failure}")


def _pool_path(pool: PoolPayload) -> str:
    return f"/lbaas/pools/{quote_segment(pool.id)}"


def _path(pool: PoolPayload, member: Member) -> str:
    return f"{_pool_path(pool)}/members/{quote_segment(str(member.id))}"


def _drained(pool: PoolPayload, member: Member) -> Place:
    return Place(_path(pool, member), {"weight": 0}, {"weight": member.extra["weight"]})

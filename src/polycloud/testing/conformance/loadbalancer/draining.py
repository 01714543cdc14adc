"""Rules of draining: what a detach does that lets the connections of a member end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import pytest

from polycloud.errors import PolycloudError, UnsupportedOperationError
from polycloud.loadbalancer.base import Driver
from polycloud.loadbalancer.objects import LoadBalancer, Member
from polycloud.loadbalancer.types import Draining, MemberCondition, MemberHealth
from polycloud.testing.conformance.assertions import require_true
from polycloud.testing.conformance.base import rule
from polycloud.testing.conformance.loadbalancer.suite import LBSuite

NEEDED = ("balancer_attach_member", "balancer_detach_member", "balancer_list_members")
SETTINGS = ("weight", "condition")
MOMENT, PAUSE = 1.0, 0.02
"""Seconds for which a member drains, and between two looks at it."""
LONG = 60.0
"""Seconds that end before they are over."""


class Look(NamedTuple):
    """When a look at a member began, and what it showed; None for one that was detached."""

    began: float
    member: Member | None

    @property
    def is_open(self) -> bool:
        """Whether the member got new connections."""
        return self.member is not None and not _drains(self.member)


class DrainingRules(LBSuite):
    """The rules of draining."""

    @rule(*NEEDED)
    def test_l56_drained(self, driver: Driver, balancer: LoadBalancer, member: Member) -> None:
        """A detach that waits for connections ends in time; where members cannot drain, it is refused."""
        for wrong in (-1, float("nan")):
            self.check_refused_unsent(driver, PolycloudError, partial(_detach, balancer, member, wrong))
        if driver.draining is Draining.NONE:
            refused = partial(_detach, balancer, member, 1)
            self.check_refused_unsent(driver, UnsupportedOperationError, refused)
            self.listed(driver, balancer, member)
            return
        seconds = max(self.patience, 1) if driver.draining is Draining.COUNTED else 0
        began = time.monotonic()
        done = driver.balancer_detach_member(balancer, member, wait_drained=seconds)
        require_true("balancer_detach_member", done)
        self.delisted(driver, balancer, member)
        took = time.monotonic() - began
        assert took <= seconds + self.patience + 1, f"wait_drained={seconds:g} took {took:g} s"

    @rule(*NEEDED)
    def test_l62_drained_for_a_time(self, driver: Driver, balancer: LoadBalancer, member: Member) -> None:
        """A member whose connections are not counted gets no new ones for all of `wait_drained`."""
        self._need_timed(driver)
        looks = [Look(time.monotonic(), member)]
        detach = partial(_detach, balancer, member, MOMENT, driver)
        watch = partial(self._watch, driver, balancer, member, looks)
        calls: list[Callable[[], object]] = [detach, watch]
        driver.connection.gather(calls)
        states = [("open" if one.is_open else "draining") if one.member else "gone" for one in looks]
        assert "draining" in states, f"it was {' '.join(states)}: new connections came until it was detached"
        last = max(at for at, state in enumerate(states) if state == "open")
        assert "draining" not in states[:last], f"it was {' '.join(states)}"
        drained = looks[-1].began - looks[last].began
        assert drained >= MOMENT, f"it drained for {drained:g} s, not {MOMENT:g} s"

    @rule(*NEEDED)
    def test_l63_interrupted_drains(self, driver: Driver, balancer: LoadBalancer, member: Member) -> None:
        """A drain for a time that is interrupted leaves the member as it was, and a note says so."""
        self._need_timed(driver)
        notes = asyncio.run(self._interrupt(driver, balancer, member))
        left = self.listed(driver, balancer, member)
        found, wanted = ({name: one.extra.get(name) for name in SETTINGS} for one in (left, member))
        assert found == wanted, f"the settings were {wanted}, now they are {found}"
        assert any("still attached" in one for one in notes), f"the notes are {notes}"

    def _need_timed(self, driver: Driver) -> None:
        if driver.draining is not Draining.TIMED:
            pytest.skip("the provider counts connections, or lets no member drain")

    def _find(self, driver: Driver, balancer: LoadBalancer, member: Member) -> Member | None:
        there = driver.balancer_list_members(balancer)
        return next((one for one in there if self.is_member(member, one)), None)

    def _watch(self, driver: Driver, balancer: LoadBalancer, member: Member, looks: list[Look]) -> None:
        """Look at a member until it is detached; the last look has the time of its end."""
        ends_at = time.monotonic() + MOMENT + self.patience + LONG
        while looks[-1].member is not None and time.monotonic() < ends_at:
            began = time.monotonic()
            found = self._find(driver, balancer, member)
            looks.append(Look(began if found else time.monotonic(), found))
            time.sleep(PAUSE)  # noqa: TID251 - plain code, on a thread of `gather`

    async def _interrupt(self, driver: Driver, balancer: LoadBalancer, member: Member) -> list[str]:
        """Cancel a detach as soon as its member drains; return the notes of the cancellation."""
        from polycloud import aio

        async with aio.AsyncDriver(driver) as cloud:
            task = asyncio.ensure_future(cloud.run(_detach, balancer, member, LONG, driver))
            ends_at = time.monotonic() + self.patience + MOMENT
            while not task.done() and time.monotonic() < ends_at:
                found = await cloud.run(self._find, driver, balancer, member)
                if found is None or _drains(found):
                    break
                await asyncio.sleep(PAUSE)
            task.cancel()
            try:
                await task
            except (asyncio.CancelledError, PolycloudError) as ended:
                return [*_notes(ended), *_notes(ended.__cause__), *_notes(ended.__context__)]
        return []


def _notes(error: BaseException | None) -> list[str]:
    return list(getattr(error, "__notes__", ()))


def _drains(member: Member) -> bool:
    """Return whether a listed member gets no new connections."""
    extra: Any = member.extra
    return (
        member.health == MemberHealth.DRAINING
        or extra.get("condition") == MemberCondition.DRAINING
        or extra.get("weight") == 0
    )


def _detach(balancer: LoadBalancer, member: Member, wait_drained: float, driver: Driver) -> bool:
    return driver.balancer_detach_member(balancer, member, wait_drained)

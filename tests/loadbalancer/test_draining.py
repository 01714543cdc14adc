"""Draining at providers that do not count the connections of a member, on their sandboxes."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import pytest

from polycloud import call_options
from polycloud.concurrency import waiting
from polycloud.errors import OperationTimeoutError, PolycloudError, ProviderError, UnsupportedOperationError
from polycloud.loadbalancer.base import Driver, LoadBalancer, Member
from polycloud.loadbalancer.drivers.linode import LinodeLBDriver
from polycloud.loadbalancer.drivers.octavia import OctaviaLBDriver
from polycloud.loadbalancer.drivers.rackspace import RackspaceLBDriver
from polycloud.loadbalancer.providers import get_driver
from polycloud.loadbalancer.settings import Listener
from polycloud.loadbalancer.types import Draining, MemberCondition, MemberDoesNotExistError
from polycloud.rolling import rolling
from polycloud.sandbox import Sandbox
from polycloud.sandbox.faults import Action, Slow
from support.clock import ends_within
from support.octavia import SUBNET

ONE, TWO = Member(None, "192.168.200.1", 8080, extra={"weight": 7}), Member(None, "192.168.200.2", 8080)
AS_BEFORE = "192.168.200.1:8080 is still attached, with the settings that it had"


class Provider(NamedTuple):
    """A provider: its driver, the options of that, and the settings with which a member drains and serves."""

    kind: type[Any]
    options: dict[str, Any]
    drains: dict[str, Any]
    serves: dict[str, Any]


PROVIDERS = {
    "linode": Provider(LinodeLBDriver, {"region": "us-east"}, {"mode": "drain"}, {"mode": "accept"}),
    "octavia": Provider(OctaviaLBDriver, {"ex_vip_subnet_id": SUBNET}, {"weight": 0}, {"weight": 7}),
    "rackspace": Provider(RackspaceLBDriver, {}, {"condition": "DRAINING"}, {"condition": "ENABLED"}),
}


@dataclass
class Ground:
    """A provider's sandbox, its driver, and the requests that change something."""

    cloud: Sandbox
    driver: Driver
    provider: Provider
    seen: int = 0

    def balancer(self) -> LoadBalancer:
        """Return a new balancer with two members."""
        made = self.driver.create_balancer("web", 80, members=[ONE, TWO])
        self.forget()
        return made

    def forget(self) -> None:
        """Begin to collect the changes anew."""
        self.seen = len(self.cloud.requests)

    def changes(self) -> list[tuple[str, Any]]:
        """Return method and settings of the changes."""
        sent = [one for one in self.cloud.requests[self.seen :] if one.method != "GET"]
        return [(one.method, _settings(one.body)) for one in sent]

    def settings(self, balancer: LoadBalancer) -> list[tuple[Any, ...]]:
        """Return the addresses of members with their settings."""
        names = ("weight", "condition", "mode")
        there = balancer.list_members()
        return sorted((str(one.ip), *(one.extra.get(name) for name in names)) for one in there)


def _settings(body: str) -> Any:
    """Return the settings in a body, which Octavia and Rackspace wrap."""
    found = json.loads(body) if body else None
    return next((one for one in found.values() if isinstance(one, dict)), found) if found else None


@pytest.fixture(scope="module")
def sandboxes() -> Iterator[dict[str, Sandbox]]:
    settings: dict[str, dict[str, Any]] = {"octavia": {"balancing": 0.0}, "rackspace": {"balancing": 0.0}}
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(Sandbox(name, ssh="off", **settings.get(name, {})))
            for name in PROVIDERS
        }


@contextmanager
def ground(name: str, cloud: Sandbox) -> Iterator[Ground]:
    provider = PROVIDERS[name]
    with provider.kind(*cloud.credentials, **{**cloud.options, **provider.options}) as driver:
        yield Ground(cloud, driver, provider)
    cloud.reset()


@pytest.fixture(params=PROVIDERS)
def here(request: pytest.FixtureRequest, sandboxes: dict[str, Sandbox]) -> Iterator[Ground]:
    with ground(request.param, sandboxes[request.param]) as made:
        yield made


@pytest.fixture
def everywhere(sandboxes: dict[str, Sandbox]) -> Iterator[list[Ground]]:
    """All providers, for waits that are long: they pass side by side."""
    with ExitStack() as stack:
        yield [stack.enter_context(ground(name, cloud)) for name, cloud in sandboxes.items()]


@contextmanager
def interrupted(here: Ground, web: LoadBalancer, *acts: Callable[[], object]) -> Iterator[None]:
    """Once the first member drains, do each of these, and send Ctrl-C after it, while the block runs."""

    def drain() -> None:
        until(lambda: here.settings(web)[0][2] == MemberCondition.DRAINING)
        waiting.sleep(0.3)  # until the driver knows, too
        for act in acts:
            act()
            os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=drain)
    thread.start()
    try:
        yield
    finally:
        thread.join(20)


def until(condition: Callable[[], bool]) -> None:
    """Look again and again, for a minute at most."""
    waiting.poll(lambda: condition() or None, waiting_for="a test", timeout=60, longest_pause=0.05)


def nothing() -> None:
    """Let the member drain."""


def test_a_drain_for_a_time(here: Ground) -> None:
    """The member is told to drain, nothing is changed for the whole time, and then it is detached."""
    web = here.balancer()
    began = time.monotonic()
    assert web.detach_member(ONE, wait_drained=0.5)
    assert time.monotonic() - began >= 0.5
    assert here.changes() == [("PUT", here.provider.drains), ("DELETE", None)]
    assert [one.ip for one in web.list_members()] == [TWO.ip]
    with pytest.raises(MemberDoesNotExistError):
        web.detach_member(ONE, wait_drained=60)


def test_other_changes_meanwhile(everywhere: list[Ground]) -> None:
    """A member that drains is listed as draining, and others can be attached and detached meanwhile."""

    def change_others(here: Ground) -> None:
        web = here.balancer()
        detach = threading.Thread(target=web.detach_member, args=(ONE, 3.0))
        began = time.monotonic()
        detach.start()
        while here.settings(web)[0][2] != MemberCondition.DRAINING:
            assert time.monotonic() - began < 3
        three = web.attach_member(Member(None, "192.168.200.3", 8080))
        assert web.detach_member(three)
        assert time.monotonic() - began < 3
        detach.join(20)
        assert [one.ip for one in web.list_members()] == [TWO.ip]

    waiting.gather([partial(change_others, here) for here in everywhere])


def test_members_without_new_connections(here: Ground) -> None:
    """A member that drains already or is disabled keeps its settings while its connections end."""
    web = here.balancer()
    for condition in (MemberCondition.DRAINING, MemberCondition.DISABLED):
        three = web.attach_member(Member(None, "192.168.200.3", 8080, extra={"condition": condition}))
        here.forget()
        assert web.detach_member(three, wait_drained=0.1)
        assert here.changes() == [("DELETE", None)]


def test_an_interruption(here: Ground) -> None:
    """Ctrl-C while a member drains restores its settings, and a note says so."""
    web = here.balancer()
    before = here.settings(web)
    with interrupted(here, web, nothing), pytest.raises(KeyboardInterrupt) as caught:
        web.detach_member(ONE, wait_drained=60)
    assert caught.value.__notes__ == [AS_BEFORE]
    assert here.changes() == [("PUT", here.provider.drains), ("PUT", here.provider.serves)]
    assert here.settings(web) == before


def test_deadlines(everywhere: list[Ground]) -> None:
    """If the deadline leaves less than the wait, nothing is changed, or the settings are restored at once."""

    def run_out_of_time(here: Ground) -> None:
        web = here.balancer()
        before = here.settings(web)
        with call_options(deadline=5), pytest.raises(OperationTimeoutError, match="all 60 s are waited for"):
            web.detach_member(ONE, wait_drained=60)
        assert here.changes() == []
        faults: list[Action] = [Slow(1.5), "stall"]
        for fault in faults:
            here.cloud.fault(fault, method="PUT")
            with call_options(deadline=2), pytest.raises(PolycloudError) as caught:
                web.detach_member(ONE, wait_drained=1)
            assert caught.value.__notes__[-1] == AS_BEFORE
            assert here.settings(web) == before

    with ends_within(20):
        waiting.gather([partial(run_out_of_time, here) for here in everywhere])


def test_a_refused_detach(here: Ground) -> None:
    """If the provider refuses the detach after the wait, the member gets back its settings."""
    web = here.balancer()
    before = here.settings(web)
    here.cloud.fault(403, method="DELETE")
    with pytest.raises(ProviderError) as caught:
        web.detach_member(ONE, wait_drained=0.1)
    assert caught.value.__notes__[-1] == AS_BEFORE
    assert here.settings(web) == before


def test_a_lost_detach(here: Ground) -> None:
    """If the response to the detach is lost the member is left, and the note has its former settings."""
    web = here.balancer()
    here.cloud.fault(500, method="DELETE", times=None)
    with pytest.raises(PolycloudError) as caught:
        web.detach_member(ONE, wait_drained=0.1)
    ((name, value),) = here.provider.serves.items()
    assert caught.value.__notes__[-1] == (
        "192.168.200.1:8080 may be detached; if not, it drains: it gets no new connections; before it had "
        f"{name} {value}, which ex_update_member gives back"
    )
    assert here.settings(web)[0][2] == MemberCondition.DRAINING


def test_a_member_that_cannot_be_restored(here: Ground) -> None:
    """If the settings cannot be given back, the note says why, and what they were."""
    web = here.balancer()
    refuse = partial(here.cloud.fault, 403, method="PUT", times=None)
    with interrupted(here, web, refuse), pytest.raises(KeyboardInterrupt) as caught:
        web.detach_member(ONE, wait_drained=60)
    ((name, value),) = here.provider.serves.items()
    (note,) = caught.value.__notes__
    assert note.startswith("192.168.200.1:8080 could not be restored: ")
    assert f"HTTP 403); it drains: it gets no new connections; before it had {name} {value}" in note


def test_a_second_interruption(here: Ground) -> None:
    """Ctrl-C while the settings are given back ends that, and the note says what they were."""
    web = here.balancer()
    stall = partial(here.cloud.fault, "stall", method="PUT")

    def stalled() -> None:
        until(lambda: len(here.changes()) == 2)

    with interrupted(here, web, stall, stalled), pytest.raises(KeyboardInterrupt) as caught:
        web.detach_member(ONE, wait_drained=60)
    ((name, value),) = here.provider.serves.items()
    (note,) = (one for one in caught.value.__notes__ if "restored" in one)
    assert note.startswith("192.168.200.1:8080 was not restored: it drains: it gets no new connections;")
    assert f"before it had {name} {value}" in note


def test_a_member_that_is_gone(here: Ground) -> None:
    """If somebody else detaches the member while it drains, no note of an interruption says what it is."""
    web = here.balancer()
    with interrupted(here, web, lambda: web.detach_member(ONE)), pytest.raises(KeyboardInterrupt) as caught:
        web.detach_member(ONE, wait_drained=60)
    assert not hasattr(caught.value, "__notes__")


def test_rolling_deployments(here: Ground) -> None:
    """A round lets each member drain before it is taken out, and puts it back with its settings."""
    web = here.balancer()
    before = here.settings(web)
    here.driver.reports_health = False  # type: ignore[misc] # nothing serves at these addresses
    rolling(web, web.list_members(), lambda _: None, wait_drained=0.1)
    assert [method for method, _ in here.changes()] == ["PUT", "DELETE", "POST"] * 2
    assert here.settings(web) == before


def test_several_ports_of_a_nodebalancer() -> None:
    """At Linode a member drains at all ports, and gets back the mode that it had at each."""
    with (
        Sandbox("linode", ssh="off") as cloud,
        LinodeLBDriver(*cloud.credentials, **{**cloud.options, "region": "us-east"}) as driver,
    ):
        web = driver.create_balancer("web", 80, members=[ONE], ex_listeners=[Listener(port=81)])
        paths = [f"/nodebalancers/{web.id}/configs/{one['id']}/nodes" for one in web.extra["configs"]]

        def modes() -> list[str]:
            return [driver.connection.request(path).object["data"][0]["mode"] for path in paths]

        (node,) = driver.connection.request(paths[1]).object["data"]
        driver.connection.request(f"{paths[1]}/{node['id']}", method="PUT", json={"mode": "backup"})
        found = list[list[str]]()
        here = Ground(cloud, driver, PROVIDERS["linode"])
        with interrupted(here, web, lambda: found.append(modes())), pytest.raises(KeyboardInterrupt):
            web.detach_member(ONE, wait_drained=60)
        assert (found, modes()) == ([["drain", "drain"]], ["accept", "backup"])
        cloud.fault(403, method="PUT", path=f"*/{node['id']}")
        with pytest.raises(ProviderError):
            web.detach_member(ONE, wait_drained=60)
        assert modes() == ["accept", "backup"]


def test_further_pools_of_octavia() -> None:
    """At Octavia a member drains in all pools, once the changes are carried out; "ovn" cannot drain."""
    with (
        Sandbox("octavia", ssh="off", balancing=0.2) as cloud,
        OctaviaLBDriver(*cloud.credentials, ex_vip_subnet_id=SUBNET, **cloud.options) as driver,
    ):
        listeners = [Listener(port=81, member_port=8081)]
        web = driver.create_balancer("web", 80, members=[ONE, TWO], ex_listeners=listeners)
        driver.wait_until_running(web, wait_period=0.1)
        began = time.monotonic()
        assert web.detach_member(ONE, wait_drained=0.3)
        assert time.monotonic() - began >= 0.2 + 0.2 + 0.3
        sent = [one for one in cloud.requests if one.method in {"PUT", "DELETE"}]
        methods = [one.method for one in sent]
        assert methods == sorted(methods, reverse=True)
        assert len({one.path for one in sent}) == 2
        assert {one.path for one in sent if one.method == "PUT"} == {one.path for one in sent}
        assert {str(_settings(one.body)) for one in sent} == {"{'weight': 0}", "None"}
        other = driver.create_balancer("other", 80, "tcp", members=[ONE], ex_provider="ovn")
        driver.wait_until_running(other, wait_period=0.1)
        with pytest.raises(UnsupportedOperationError, match=r'provider "ovn".*give wait_drained=None'):
            other.detach_member(ONE, wait_drained=1)
        assert other.detach_member(ONE)


def test_what_drivers_say() -> None:
    """Each driver says whether its provider counts connections, lets members drain for a time, or neither."""
    said = {
        Draining.COUNTED: ("haproxy", "elb", "alb", "dummy"),
        Draining.TIMED: ("octavia", "linode", "rackspace"),
        Draining.NONE: ("digitalocean",),
    }
    for draining, names in said.items():
        assert {get_driver(name).draining for name in names} == {draining}

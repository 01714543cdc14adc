"""The proof of the rules of load balancers: every rule catches the fault that was seeded for it."""

from __future__ import annotations

import asyncio
import os
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from polycloud.common.creation import Creation
from polycloud.concurrency import waiting
from polycloud.errors import (
    MalformedResponseError,
    PolycloudError,
    ServerError,
    TransportError,
    UnsupportedOperationError,
)
from polycloud.loadbalancer.base import Addressed, Driver
from polycloud.loadbalancer.draining import Place, TimedDrain
from polycloud.loadbalancer.drivers.dummy import DummyLBDriver
from polycloud.loadbalancer.objects import LoadBalancer, Member
from polycloud.loadbalancer.settings import HealthCheck, Listener, StickySessions
from polycloud.loadbalancer.types import (
    Algorithm,
    BalancerAlreadyExistsError,
    BalancerDoesNotExistError,
    MemberAlreadyExistsError,
    MemberDoesNotExistError,
    MemberHealth,
    State,
)
from polycloud.testing import LBConformance
from polycloud.testing.conformance.base import rules
from support import suites
from support.balancers import KEY, SmallCloud, SmallLBDriver

RULES = rules(LBConformance)

# Faults of a driver that keeps everything in memory


class Silent(DummyLBDriver):
    """Returns None for an operation that it does not support."""

    def supports(self, name: str) -> bool:
        return name != "update_balancer" and super().supports(name)

    def update_balancer(self, *args: Any, **kwargs: Any) -> LoadBalancer:
        return None  # type: ignore[return-value]


class TakesAnyOption(DummyLBDriver):
    """Ignores options."""

    def __init__(self, api_key: str = "dummy", **_: Any) -> None:
        super().__init__(api_key)


class OwnBalancer(LoadBalancer):
    """A balancer with another uuid, which loses its port in a pickle."""

    def get_uuid(self) -> str:
        return f"uuid-{self.id}"

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "port": 1}


class OwnBalancers(DummyLBDriver):
    """Makes balancers of a class of its own."""

    def create_balancer(self, *args: Any, **kwargs: Any) -> LoadBalancer:
        made = super().create_balancer(*args, **kwargs)
        own = OwnBalancer(made.id, made.name, made.state, made.ip, made.port, self, dict(made.extra))
        self._balancers[made.id] = own
        return own

    def _copy(self, one: LoadBalancer) -> LoadBalancer:
        return one


class ShowsSecret(DummyLBDriver):
    """Shows its key."""

    def __repr__(self) -> str:
        return f"<ShowsSecret {self.key}>"


class ClosesForGood(DummyLBDriver):
    """Cannot be used after close()."""

    def close(self) -> None:
        self._balancers.clear()


class SharedState(DummyLBDriver):
    """Keeps the result of a call on the driver."""

    result: Any = None

    def balancer_list_members(self, balancer: LoadBalancer) -> list[Member]:
        self.result = super().balancer_list_members(balancer)
        waiting.sleep(0.002)
        members: list[Member] = self.result
        return members


class OwnLoop(DummyLBDriver):
    """Runs an event loop of its own in a call."""

    def balancer_list_members(self, balancer: LoadBalancer) -> list[Member]:
        members = super().balancer_list_members(balancer)
        pause = asyncio.sleep(0)
        loop = asyncio.Runner()
        try:
            loop.run(pause)
        finally:
            pause.close()  # on a thread whose loop runs already it was not awaited
            loop.close()
        return members


class HoldsLock(DummyLBDriver):
    """Has an attribute that cannot be pickled."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.lock = threading.Lock()


class Sleeps(DummyLBDriver):
    """Waits by `time.sleep`."""

    def destroy_balancer(self, balancer: LoadBalancer) -> bool:
        time.sleep(0.001)  # noqa: TID251 - the fault
        return super().destroy_balancer(balancer)


class StatesAsText(DummyLBDriver):
    """Has states as the provider writes them."""

    def create_balancer(self, *args: Any, **kwargs: Any) -> LoadBalancer:
        made = self._balancers[super().create_balancer(*args, **kwargs).id]
        made.state = "active"  # type: ignore[assignment]
        return made


class ProvidersProtocols(DummyLBDriver):
    """Has protocols as the provider writes them, and ports as text."""

    def create_balancer(self, *args: Any, **kwargs: Any) -> LoadBalancer:
        made = self._balancers[super().create_balancer(*args, **kwargs).id]
        made.extra["protocol"] = made.extra["protocol"].upper()
        made.port = str(made.port)  # type: ignore[assignment]
        return made


class NoAddress(DummyLBDriver):
    """Says that a balancer runs before it has an address."""

    def create_balancer(self, *args: Any, **kwargs: Any) -> LoadBalancer:
        made = self._balancers[super().create_balancer(*args, **kwargs).id]
        made.ip = None
        return made

    def wait_until_running(self, balancer: LoadBalancer, *_: Any, **__: Any) -> LoadBalancer:
        return balancer


class ForgetsMembers(DummyLBDriver):
    """Creates balancers without their members."""

    def create_balancer(self, *args: Any, members: Sequence[Member] = (), **kwargs: Any) -> LoadBalancer:
        return super().create_balancer(*args, **kwargs)


class OneAlgorithm(DummyLBDriver):
    """Has all balancers use one algorithm, which is not the default one."""

    def create_balancer(self, *args: Any, **kwargs: Any) -> LoadBalancer:
        made = self._balancers[super().create_balancer(*args, **kwargs).id]
        made.extra["algorithm"] = Algorithm.RANDOM
        return made


class AnyWord(DummyLBDriver):
    """Sends any protocol and any algorithm."""

    def _protocol(self, protocol: str) -> str:
        return protocol

    def _algorithm(self, algorithm: Algorithm | int) -> str:
        return str(algorithm)


class FewAlgorithms(AnyWord):
    """Has one algorithm, and sends any."""

    algorithms = {Algorithm.ROUND_ROBIN: "rr"}  # noqa: RUF012 - as drivers write it


class Unchecked(DummyLBDriver):
    """Sends what it is given."""

    def create_balancer(self, *args: Any, **kwargs: Any) -> LoadBalancer:
        try:
            return super().create_balancer(*args, **kwargs)
        except PolycloudError:
            return LoadBalancer("1", "name", State.RUNNING, None, 1, self)

    def update_balancer(self, balancer: LoadBalancer, *args: Any, **kwargs: Any) -> LoadBalancer:
        try:
            return super().update_balancer(balancer, *args, **kwargs)
        except PolycloudError:
            return balancer

    def balancer_attach_member(self, balancer: LoadBalancer, member: Member) -> Member:
        try:
            return super().balancer_attach_member(balancer, member)
        except PolycloudError:
            return member

    def balancer_attach_compute_node(self, balancer: LoadBalancer, node: Addressed) -> Member:
        return Member("1", None, None, balancer)

    def balancer_detach_member(
        self, balancer: LoadBalancer, member: Member, wait_drained: float | None = None
    ) -> bool:
        return super().balancer_detach_member(balancer, member)


class Replaces(DummyLBDriver):
    """Creates a balancer in the place of the one that has its name."""

    def create_balancer(self, name: str, *args: Any, **kwargs: Any) -> LoadBalancer:
        for one in self.list_balancers():
            if one.name == name:
                self.destroy_balancer(one)
        return super().create_balancer(name, *args, **kwargs)


class SameBalancer(DummyLBDriver):
    """Returns the existing balancer for the create of a second one."""

    def create_balancer(self, name: str, *args: Any, **kwargs: Any) -> LoadBalancer:
        try:
            return super().create_balancer(name, *args, **kwargs)
        except BalancerAlreadyExistsError:
            return next(one for one in self.list_balancers() if one.name == name)


class OnePage(DummyLBDriver):
    """Lists the first page only."""

    def list_balancers(self) -> list[LoadBalancer]:
        return super().list_balancers()[:2]


class IteratesNothing(DummyLBDriver):
    """Iterates over empty pages."""

    def iterate_balancers(self) -> Iterator[LoadBalancer]:
        yield from ()

    def get_balancer(self, balancer_id: str) -> LoadBalancer:
        return self._balancers[balancer_id]


class LeaksKeyError(DummyLBDriver):
    """Looks up balancers in a dict."""

    def get_balancer(self, balancer_id: str) -> LoadBalancer:
        return self._balancers[balancer_id]


class SaysTrue(DummyLBDriver):
    """Does nothing, and returns True."""

    def destroy_balancer(self, balancer: LoadBalancer) -> bool:
        return True

    def balancer_detach_member(self, *args: Any, **kwargs: Any) -> bool:
        return True


class NoneForUnknown(DummyLBDriver):
    """Returns an empty list for a balancer that does not exist."""

    def balancer_list_members(self, balancer: LoadBalancer) -> list[Member]:
        try:
            return super().balancer_list_members(balancer)
        except BalancerDoesNotExistError:
            return []


class DropsSettings(DummyLBDriver):
    """Takes settings, and drops them."""

    def create_balancer(
        self,
        *args: Any,
        ex_health_check: HealthCheck | None = None,
        ex_sticky: StickySessions | None = None,
        ex_listeners: Sequence[Listener] = (),
        **kwargs: Any,
    ) -> LoadBalancer:
        made = self._balancers[super().create_balancer(*args, **kwargs).id]
        made.extra.update(health_check=HealthCheck(), sticky=None, listeners=[])
        return made


class ResetsSettings(DummyLBDriver):
    """Resets settings when a balancer changes."""

    def create_balancer(
        self, *args: Any, ex_health_check: HealthCheck | None = None, **kwargs: Any
    ) -> LoadBalancer:
        made = self._balancers[super().create_balancer(*args, **kwargs).id]
        made.extra["health_check"] = ex_health_check
        return made

    def update_balancer(self, *args: Any, **kwargs: Any) -> LoadBalancer:
        changed = self._balancers[super().update_balancer(*args, **kwargs).id]
        changed.extra["health_check"] = None
        return changed


class DropsFields(DummyLBDriver):
    """Takes health checks, and drops their port."""

    def create_balancer(
        self, *args: Any, ex_health_check: HealthCheck | None = None, **kwargs: Any
    ) -> LoadBalancer:
        made = self._balancers[super().create_balancer(*args, **kwargs).id]
        made.extra["health_check"] = ex_health_check and replace(ex_health_check, port=None)
        return made


class NoConditions(DummyLBDriver):
    """Drops the weights and conditions of members."""

    def _attach(self, balancer: LoadBalancer, member: Member) -> Member:
        return super()._attach(balancer, Member(member.id, member.ip, member.port))


class OneWeight(DummyLBDriver):
    """Has the weight 1 for all members."""

    def _attach(self, balancer: LoadBalancer, member: Member) -> Member:
        made = super()._attach(balancer, member)
        self._members[balancer.id][str(made.id)].extra["weight"] = 1
        return made


class OneBalancer(DummyLBDriver):
    """Takes a member that any balancer has for one that is attached."""

    def _require_new(self, members: Sequence[Member], member: Member) -> None:
        super()._require_new(members, member)
        if member.balancer is not None:
            raise MemberAlreadyExistsError(driver=self, member_id=str(member.id))


class ResetsOthers(DummyLBDriver):
    """Resets whatever an update does not name, and lets names be taken."""

    def update_balancer(
        self, balancer: LoadBalancer, name: str | None = None, port: int | None = None, *_: Any, **__: Any
    ) -> LoadBalancer:
        old = self._balancers[balancer.id]
        extra = {**old.extra, "protocol": "udp"}
        new = LoadBalancer(old.id, name or old.name, old.state, old.ip, port or 1, self, extra)
        self._balancers[old.id] = new
        return new


class AttachesTwice(DummyLBDriver):
    """Adds a member that is there already."""

    def _require_new(self, members: Sequence[Member], member: Member) -> None:
        """Leave it."""


class OverwritesMembers(DummyLBDriver):
    """Reads, waits and writes, whatever others have written in the meantime."""

    def balancer_attach_member(self, balancer: LoadBalancer, member: Member) -> Member:
        before = {**self._members[balancer.id]}
        self._require_new(list(before.values()), member)
        waiting.sleep(0.02)
        made = Member(f"{member.ip}:{member.port}", member.ip, member.port, balancer, health=MemberHealth.UP)
        self._members[balancer.id] = {**before, str(made.id): made}
        return made


class BareMembers(DummyLBDriver):
    """Returns the member as it was given, and lists weights as text."""

    def balancer_attach_member(self, balancer: LoadBalancer, member: Member) -> Member:
        super().balancer_attach_member(balancer, member)
        return member

    def balancer_list_members(self, balancer: LoadBalancer) -> list[Member]:
        there = super().balancer_list_members(balancer)
        for one in there:
            one.extra["weight"] = "1"
        return there


class DetachesAll(DummyLBDriver):
    """Detaches all members of the address."""

    def balancer_detach_member(
        self, balancer: LoadBalancer, member: Member, wait_drained: float | None = None
    ) -> bool:
        self._members[balancer.id].clear()
        return True


class OnePort(DummyLBDriver):
    """Knows members by their addresses alone."""

    def balancer_attach_member(self, balancer: LoadBalancer, member: Member) -> Member:
        if any(one.ip == member.ip for one in self.balancer_list_members(balancer)):
            raise MemberAlreadyExistsError(driver=self, member_id=str(member.ip))
        return super().balancer_attach_member(balancer, member)


class LeaksLookup(DummyLBDriver):
    """Says of a member that is not there what Python does."""

    def balancer_detach_member(
        self, balancer: LoadBalancer, member: Member, wait_drained: float | None = None
    ) -> bool:
        try:
            return super().balancer_detach_member(balancer, member, wait_drained)
        except MemberDoesNotExistError:
            raise LookupError(member.id) from None


class PublicFirst(DummyLBDriver):
    """Attaches nodes by their public addresses."""

    def balancer_attach_compute_node(self, balancer: LoadBalancer, node: Addressed) -> Member:
        return self.balancer_attach_member(balancer, Member(None, node.public_ips[0], 1))


class AlwaysHealthy(DummyLBDriver):
    """Returns the members, whatever their health."""

    def wait_until_healthy(self, balancer: LoadBalancer, *_: Any, **__: Any) -> list[Member]:
        there = self.balancer_list_members(balancer)
        for one in there:
            one.health = MemberHealth.DOWN
        return there


class DetachesAndRefuses(DummyLBDriver):
    """Detaches a member before it says that it cannot wait."""

    def balancer_detach_member(
        self, balancer: LoadBalancer, member: Member, wait_drained: float | None = None
    ) -> bool:
        super().balancer_detach_member(balancer, member)
        if wait_drained is not None:
            raise UnsupportedOperationError("it cannot wait", self)
        return True


# Faults that show over HTTP


class EmptyForAnError(SmallLBDriver):
    """Lists nothing if listing failed."""

    def list_balancers(self) -> list[LoadBalancer]:
        try:
            return super().list_balancers()
        except PolycloudError:
            return []


class SecretInErrors(SmallLBDriver):
    """Adds the key to errors, which loses the request, and does not let them be cleaned."""

    def clean_error(self, error: PolycloudError) -> None:
        """Leave the error as it is."""

    def list_balancers(self) -> list[LoadBalancer]:
        try:
            return super().list_balancers()
        except PolycloudError as error:
            raise PolycloudError(f"{error.value}; the key was {self.key}") from error


class SendsAgain(SmallLBDriver):
    """Retries a create whose response was lost."""

    def _create_once(self, creation: Creation[LoadBalancer]) -> LoadBalancer:
        losses = (TransportError, MalformedResponseError, ServerError)
        for _ in "12":
            try:
                return creation.send()  # type: ignore[return-value]
            except (*losses, BalancerAlreadyExistsError):
                continue
        return LoadBalancer("none", "none", State.PENDING, None, None, self)

    def _require_new(self, members: Sequence[Member], member: Member) -> None:
        """Leave it."""

    def balancer_attach_member(self, balancer: LoadBalancer, member: Member) -> Member:
        try:
            return super().balancer_attach_member(balancer, member)
        except (TransportError, MalformedResponseError, ServerError):
            return super().balancer_attach_member(balancer, member)


class LeavesHalves(SmallLBDriver):
    """Leaves a balancer whose members could not be attached."""

    def _destroyed_on_failure(self, balancer: LoadBalancer) -> Any:
        return threading.Lock()


class LooksAtEach(SmallLBDriver):
    """Asks for each balancer of the list."""

    def list_balancers(self) -> list[LoadBalancer]:
        return [self.get_balancer(one.id) for one in super().list_balancers()]


class TakesNames(SmallLBDriver):
    """Searches by name for a create whose response was lost, whatever was there before."""

    def _named(self, name: str) -> list[LoadBalancer]:
        searching = any(frame.name == "_search" for frame in traceback.extract_stack())
        return super()._named(name) if searching else []


class Cuts(SmallLBDriver):
    """Detaches members at once, whatever connections they may have."""

    def balancer_detach_member(
        self, balancer: LoadBalancer, member: Member, wait_drained: float | None = None
    ) -> bool:
        return super().balancer_detach_member(balancer, member)


class WaitsOnly(SmallLBDriver):
    """Waits, while the member gets new connections."""

    def _drain(self, balancer: LoadBalancer, path: str, member: Member) -> TimedDrain:
        return TimedDrain(self, str(member.id), [], lambda *_: None)


class CutsShort(SmallLBDriver):
    """Waits for a part of the time."""

    def balancer_detach_member(
        self, balancer: LoadBalancer, member: Member, wait_drained: float | None = None
    ) -> bool:
        return super().balancer_detach_member(balancer, member, wait_drained and wait_drained / 4)


class StaysDraining(SmallLBDriver):
    """Leaves a member draining."""

    def _drain(self, balancer: LoadBalancer, path: str, member: Member) -> TimedDrain:
        drain = super()._drain(balancer, path, member)
        drain.places = [Place(path, one.draining, one.draining) for one in drain.places]
        return drain


class Unquoted(SmallLBDriver):
    """Puts the id into paths as it is."""

    def destroy_balancer(self, balancer: LoadBalancer) -> bool:
        self.connection.request(f"/balancers/{balancer.id}", method="DELETE")
        return True


# A driver that creates no balancers


class Given(SmallLBDriver):
    """Has the balancers that somebody else has created."""

    create_balancer = Driver.create_balancer
    update_balancer = Driver.update_balancer
    destroy_balancer = Driver.destroy_balancer


class GivenAndFaulty(Given):
    """Such a driver, whose members are added twice, and all detached at once."""

    def _require_new(self, members: Sequence[Member], member: Member) -> None:
        """Leave it."""

    def balancer_detach_member(
        self, balancer: LoadBalancer, member: Member, wait_drained: float | None = None
    ) -> bool:
        return all(super().balancer_detach_member(balancer, one) for one in balancer.list_members())


IN_MEMORY: Mapping[type[Any], str] = {
    Silent: "L02 L03 L41 L42 L43",
    TakesAnyOption: "L04",
    OwnBalancers: "L05 L22",
    ShowsSecret: "L07",
    ClosesForGood: "L12",
    SharedState: "L13",
    OwnLoop: "L14",
    HoldsLock: "L15",
    Sleeps: "L20",
    StatesAsText: "L24",
    ProvidersProtocols: "L21 L23 L27",
    NoAddress: "L24",
    ForgetsMembers: "L25",
    OneAlgorithm: "L26 L28",
    AnyWord: "L29",
    FewAlgorithms: "L29",
    Unchecked: "L30 L38 L42 L43 L46 L47 L48 L54",
    Replaces: "L31",
    SameBalancer: "L31",
    OnePage: "L33",
    IteratesNothing: "L35",
    LeaksKeyError: "L36 L38",
    SaysTrue: "L37 L38 L39 L51 L52",
    NoneForUnknown: "L38",
    DropsSettings: "L40",
    ResetsSettings: "L58",
    DropsFields: "L61",
    OneWeight: "L59",
    NoConditions: "L59",
    OneBalancer: "L60",
    ResetsOthers: "L41 L42 L43",
    AttachesTwice: "L47 L48",
    OverwritesMembers: "L48 L49",
    BareMembers: "L44 L45",
    DetachesAll: "L49 L51 L52",
    OnePort: "L50",
    LeaksLookup: "L52",
    PublicFirst: "L53",
    AlwaysHealthy: "L55",
    DetachesAndRefuses: "L56",
}
OVER_HTTP: Mapping[type[Any], str] = {
    EmptyForAnError: "L06 L09 L10 L18",
    SecretInErrors: "L08 L11",
    SendsAgain: "L16 L17",
    LeavesHalves: "L32",
    LooksAtEach: "L34",
    TakesNames: "L57",
    Unquoted: "L19",
    Cuts: "L62",
    WaitsOnly: "L62",
    CutsShort: "L62",
    StaysDraining: "L63",
}
SEEDED = {**IN_MEMORY, **OVER_HTTP}

# The suite, run on the driver that the environment names


def seeded() -> Any:
    return globals()[os.environ["SEEDED"]]


class SeededDummy(LBConformance):
    over_http = False
    unique_names = True
    patience = 0.0

    @pytest.fixture
    def driver(self) -> DummyLBDriver:
        driver: DummyLBDriver = seeded()("correct horse battery staple")
        return driver


class SeededSmall(LBConformance):
    unique_names = True
    patience = 3.0  # a busy machine may take long for a removal

    @pytest.fixture
    def driver(self) -> Iterator[SmallLBDriver]:
        if issubclass(seeded(), LeavesHalves):
            self.patience = 0.5  # type: ignore[misc] # what it leaves is never removed
        with SmallCloud() as cloud, seeded()(KEY, **cloud.options) as driver:
            yield driver


class SeededGiven(SeededSmall):
    not_offered = frozenset({"create_balancer", "update_balancer", "destroy_balancer"})

    @pytest.fixture
    def driver(self) -> Iterator[Given]:
        with SmallCloud(building=0) as cloud, seeded()(KEY, **cloud.options) as driver:
            for name in ("a", "b"):
                body = {"name": name, "port": 80, "protocol": "HTTP", "algorithm": "rr"}
                id_ = cloud.create(body)[1]["id"]
                cloud.member(id_, "POST", None, {"ip": "192.0.2.200", "port": 80})
            before = {id_: [*there] for id_, there in cloud.members.items()}
            yield driver
            assert cloud.members == before


Judge = Callable[..., suites.Outcome]


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Judge:
    """Runs the rules with these numbers, or all, on a driver class of this file."""

    def run(kind: type[Any], *numbers: str) -> suites.Outcome:
        suites_of = {Given: SeededGiven, SmallLBDriver: SeededSmall, DummyLBDriver: SeededDummy}
        suite = next(suite for base, suite in suites_of.items() if issubclass(kind, base))
        return suites.judge(monkeypatch, tmp_path, __file__, suite, kind, numbers)

    return run


@pytest.mark.parametrize("kind", [DummyLBDriver, SmallLBDriver, Given])
def test_sound_drivers(judge: Judge, kind: type[Any]) -> None:
    """A sound driver breaks no rule but that of the registry, and nothing that the tests created is left."""
    broken, errors = judge(kind)
    assert (broken.keys() - {"L01"}, errors) == (set(), [])
    assert ("L01" in broken) == (kind is not DummyLBDriver)


@pytest.mark.parametrize("kind", SEEDED)
def test_seeded_faults(judge: Judge, kind: type[Any]) -> None:
    """A faulty driver breaks the rule of its fault, and the failure quotes the rule."""
    expected = {*SEEDED[kind].split(), "L01"}  # no seeded driver is registered
    broken = judge(kind, *expected).broken
    assert expected <= broken.keys()
    for number in expected:
        assert f"{number} {RULES[number].rstrip('.')}: " in broken[number]


def test_given_balancers(judge: Judge) -> None:
    """The rules of members hold for a driver that creates no balancers, and find its faults."""
    expected = {"L47", "L48", "L49", "L51", "L52"}
    assert expected <= judge(GivenAndFaulty, *expected).broken.keys()


def test_every_rule_is_proven() -> None:
    """Every rule is broken by a seeded fault."""
    proven = {"L01", *" ".join(SEEDED.values()).split()}
    assert proven == RULES.keys()


def test_document_and_suite_agree() -> None:
    """The document states the suite's rules, with the same numbers and sentences, in order."""
    assert suites.stated_rules("loadbalancer.md") == list(RULES.items())
    assert list(RULES) == [f"L{number:02}" for number in range(1, len(RULES) + 1)]

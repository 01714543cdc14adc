"""A small good driver of load balancers and its fake cloud, over HTTP.

The cloud builds a balancer for some requests, during which it refuses changes with 409; its lists have pages
of two; it has no create with members, so the driver attaches them one by one.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from msgspec import Struct

from polycloud.common.arguments import drop_none
from polycloud.common.base import ConnectionKey, JsonResponse, quote_segment
from polycloud.common.creation import UniqueCreation
from polycloud.errors import ConflictError, InvalidCredsError, ProviderError, translated
from polycloud.loadbalancer.base import DEFAULT_ALGORITHM, Driver
from polycloud.loadbalancer.checks import check_balancer, check_member, check_members, check_name, check_port
from polycloud.loadbalancer.draining import Place, TimedDrain
from polycloud.loadbalancer.objects import LoadBalancer, Member
from polycloud.loadbalancer.types import (
    Algorithm,
    BalancerAlreadyExistsError,
    Draining,
    MemberCondition,
    MemberHealth,
    State,
)
from polycloud.testing.loopback import Answer, LoopbackServer, SeenRequest

KEY = "key of small balancers"
STATES = {"active": State.RUNNING, "building": State.PENDING, "failed": State.ERROR}
HEALTH = {"up": MemberHealth.UP, "down": MemberHealth.DOWN}
PAGE = 2


class Balancer(Struct):
    id: str
    name: str
    state: str
    ip: str | None
    port: int
    protocol: str
    algorithm: str


class Balancers(Struct):
    balancers: list[Balancer]
    pages: int


class Server(Struct):
    id: str
    ip: str
    port: int
    health: str
    open: bool = True


class Servers(Struct):
    members: list[Server]


class Reply(JsonResponse):
    def parse_error(self) -> Any:
        message = self.object.get("message", "") if isinstance(self.object, dict) else self.body
        if self.status == 401:
            raise InvalidCredsError(message)
        return message


class Line(ConnectionKey):
    host = "api.small.example"
    responseCls = Reply

    def add_default_headers(self, headers: dict[str, str]) -> dict[str, str]:
        return {**headers, "X-Key": self.key}


class SmallLBDriver(Driver):
    """A good driver."""

    type = "small"
    name = "Small"
    connectionCls = Line
    connection: Line
    draining = Draining.TIMED
    protocols: ClassVar = {"http": "HTTP", "tcp": "TCP"}
    algorithms: ClassVar = {Algorithm.ROUND_ROBIN: "rr", Algorithm.LEAST_CONNECTIONS: "least"}

    def list_balancers(self) -> list[LoadBalancer]:
        return [self._to_balancer(one) for page in self._pages() for one in page.balancers]

    def _pages(self) -> Iterator[Balancers]:
        number, last = 1, 1
        while number <= last:
            page = self.connection.request("/balancers", {"page": number}).decode(Balancers)
            number, last = number + 1, page.pages
            yield page

    def get_balancer(self, balancer_id: str) -> LoadBalancer:
        with self._balancer_errors(balancer_id):
            path = f"/balancers/{quote_segment(balancer_id)}"
            return self._to_balancer(self.connection.request(path).decode(Balancer))

    def create_balancer(
        self,
        name: str,
        port: int,
        protocol: str = "http",
        algorithm: Algorithm = DEFAULT_ALGORITHM,
        members: Sequence[Member] = (),
    ) -> LoadBalancer:
        body = {
            "name": check_name(name),
            "port": check_port(port),
            "protocol": self._protocol(protocol),
            "algorithm": self._algorithm(algorithm),
        }
        wanted = check_members(members)
        self._require_settings(*wanted)
        if self._named(name):  # or a create whose response is lost would take that one for its own
            raise BalancerAlreadyExistsError(driver=self, balancer_id=name)
        made = self._create_once(
            UniqueCreation(
                f"the balancer {name!r}", lambda: self._send("POST", "", body), lambda: self._named(name)
            )
        )
        with self._destroyed_on_failure(made):
            for one in wanted:
                self.balancer_attach_member(made, one)
        return made

    def _named(self, name: str) -> list[LoadBalancer]:
        return [one for one in self.list_balancers() if one.name == name]

    def _send(self, method: str, path: str, body: dict[str, Any]) -> LoadBalancer:
        try:
            response = self.connection.request(f"/balancers{path}", json=body, method=method)
        except ConflictError as error:
            if self._is_busy(error):
                raise
            raise translated(error, BalancerAlreadyExistsError(error.message, self, path[1:])) from error
        return self._to_balancer(response.decode(Balancer))

    def update_balancer(
        self,
        balancer: LoadBalancer,
        name: str | None = None,
        port: int | None = None,
        protocol: str | None = None,
        algorithm: Algorithm | None = None,
    ) -> LoadBalancer:
        body = drop_none(
            {
                "name": None if name is None else check_name(name),
                "port": None if port is None else check_port(port),
                "protocol": None if protocol is None else self._protocol(protocol),
                "algorithm": None if algorithm is None else self._algorithm(algorithm),
            }
        )
        path = f"/{quote_segment(check_balancer(balancer).id)}"
        return self._changing(balancer, lambda: self._send("PATCH", path, body))

    def destroy_balancer(self, balancer: LoadBalancer) -> bool:
        path = f"/balancers/{quote_segment(check_balancer(balancer).id)}"
        self._changing(balancer, lambda: self.connection.request(path, method="DELETE"))
        return True

    def balancer_list_members(self, balancer: LoadBalancer) -> list[Member]:
        with self._balancer_errors(check_balancer(balancer).id):
            servers = self.connection.request(self._members(balancer)).decode(Servers).members
        return [self._to_member(one, balancer) for one in servers]

    def balancer_attach_member(self, balancer: LoadBalancer, member: Member) -> Member:
        check_balancer(balancer)
        body = {"ip": check_member(member).ip, "port": member.port}
        self._require_settings(member)

        def attach() -> Member:
            self._require_new(self.balancer_list_members(balancer), member)
            response = self.connection.request(self._members(balancer), json=body, method="POST")
            return self._to_member(response.decode(Server), balancer)

        return self._changing(balancer, attach)

    def balancer_detach_member(
        self, balancer: LoadBalancer, member: Member, wait_drained: float | None = None
    ) -> bool:
        check_balancer(balancer)
        found = self._require_member(self.balancer_list_members(balancer), member)
        path = f"{self._members(balancer)}/{quote_segment(str(found.id))}"

        def detach() -> bool:
            with self._member_errors(str(found.id)):
                self.connection.request(path, method="DELETE")
            return True

        def change() -> bool:
            return self._changing(balancer, detach)

        if wait_drained is None:
            return change()
        return self._drain(balancer, path, found).run(wait_drained, change)

    def _drain(self, balancer: LoadBalancer, path: str, member: Member) -> TimedDrain:
        def write(path: str, body: dict[str, Any]) -> None:
            self._changing(balancer, lambda: self.connection.request(path, json=body, method="PATCH"))

        places = [Place(path, {"open": False}, {"open": True})]
        return TimedDrain(self, str(member.id), places, write)

    def _is_busy(self, error: ProviderError) -> bool:
        return "is building" in str(error) or super()._is_busy(error)

    def _members(self, balancer: LoadBalancer) -> str:
        return f"/balancers/{quote_segment(balancer.id)}/members"

    def _to_balancer(self, one: Balancer) -> LoadBalancer:
        algorithms = {word: algorithm for algorithm, word in self.algorithms.items()}
        extra = {"protocol": one.protocol.lower(), "algorithm": algorithms.get(one.algorithm)}
        state = STATES.get(one.state, State.UNKNOWN)
        return LoadBalancer(one.id, one.name, state, one.ip, one.port, self, extra)

    def _to_member(self, one: Server, balancer: LoadBalancer) -> Member:
        health = HEALTH.get(one.health, MemberHealth.UNKNOWN)
        extra = {} if one.open else {"condition": MemberCondition.DRAINING}
        return Member(one.id, one.ip, one.port, balancer, extra, health)


class SmallCloud(LoopbackServer):
    """The fake cloud, which knows nothing of the driver; a new balancer is built for `building` requests."""

    def __init__(self, building: int = 2) -> None:
        self.building = building
        self.lock = threading.Lock()
        self.balancers: dict[str, dict[str, Any]] = {}
        self.members: dict[str, list[dict[str, Any]]] = {}
        self.left: dict[str, int] = {}
        self.made = 0
        self.requests: list[str] = []

    def answer(self, request: SeenRequest) -> Answer:
        with self.lock:
            self.requests.append(f"{request.method} {request.path}")
            status, payload = self.reply(request)
        return Answer(status, [("Content-Type", "application/json")], json.dumps(payload).encode())

    def reply(self, request: SeenRequest) -> tuple[int, Any]:
        if request.headers["X-Key"] != KEY:
            return 401, {"message": "wrong key"}
        body = json.loads(request.body) if request.body else {}
        if request.path == "/balancers":
            return self.create(body) if request.method == "POST" else self.listed(request)
        found = re.fullmatch("/balancers/([^/]+)(/members)?(?:/([^/]+))?", request.path)
        if found is None or found[1] not in self.balancers:
            return 404, {"message": f"there is no {request.path}"}
        id_ = found[1]
        busy = self.step(id_)
        if request.method != "GET" and busy:
            return 409, {"message": f"the balancer {id_} is building"}
        if found[2]:
            return self.member(id_, request.method, found[3], body)
        return self.balancer(id_, request.method, body)

    def step(self, id_: str) -> bool:
        """Go on building; return whether that is not done yet."""
        self.left[id_] = max(0, self.left[id_] - 1)
        if self.left[id_] == 0 and self.balancers[id_]["state"] == "building":
            self.balancers[id_].update(state="active", ip=f"198.51.100.{self.made % 250}")
        return self.left[id_] > 0

    def listed(self, request: SeenRequest) -> tuple[int, Any]:
        for id_ in self.balancers:
            self.step(id_)
        there, first = list(self.balancers.values()), PAGE * (int(request.query["page"][0]) - 1)
        return 200, {"balancers": there[first : first + PAGE], "pages": max(1, -(-len(there) // PAGE))}

    def create(self, body: dict[str, Any]) -> tuple[int, Any]:
        if any(one["name"] == body["name"] for one in self.balancers.values()):
            return 409, {"message": f"the name {body['name']} is taken"}
        self.made += 1
        id_ = f"b-{self.made}"
        self.balancers[id_] = {"id": id_, "ip": None, "state": "building", **body}
        self.members[id_], self.left[id_] = [], self.building
        return 201, self.balancers[id_]

    def balancer(self, id_: str, method: str, body: dict[str, Any]) -> tuple[int, Any]:
        taken = [one["name"] for one in self.balancers.values() if one["id"] != id_]
        if method == "DELETE":
            del self.balancers[id_], self.members[id_]
            return 200, {}
        if body.get("name") in taken:
            return 409, {"message": f"the name {body['name']} is taken"}
        self.balancers[id_].update(body)
        return 200, self.balancers[id_]

    def member(self, id_: str, method: str, member: str | None, body: dict[str, Any]) -> tuple[int, Any]:
        there = self.members[id_]
        if method == "POST":
            self.made += 1
            there.append({"id": f"m-{self.made}", "health": "up", **body})
            return 201, there[-1]
        found = [one for one in there if one["id"] == member]
        if method == "PATCH" and found:
            found[0].update(body)
        if method == "DELETE":
            there[:] = [one for one in there if one["id"] != member]
        missing = member is not None and not found
        return (404, {"message": f"there is no member {member}"}) if missing else (200, {"members": there})

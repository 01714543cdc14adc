"""A running HAProxy, by its runtime API: a balancer is a backend, its members are its servers.

A server in maintenance is not a member: to attach its address again sets it ready, with the settings that it
has. Otherwise a server is added (HAProxy 2.4 and later), named by its address, or one takes the address that
the configuration holds in reserve (`server-template ... disabled`). To detach a member, its server is put in
maintenance, and deleted if the driver has added it; one of the configuration stays, for HAProxy would have it
again after a reload. Nothing of this changes the configuration file.

A new member gets connections once HAProxy has found that it takes them: the checks of a server are begun, and
its health is set to "down", before it is set ready.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any, ClassVar

from polycloud.common.credentials import Credential
from polycloud.concurrency import waiting
from polycloud.errors import (
    InvalidArgumentError,
    NotFoundError,
    ProviderHTTPError,
    UnsupportedOperationError,
)
from polycloud.loadbalancer.base import Addressed, Driver
from polycloud.loadbalancer.checks import check_balancer, check_member, weight_of
from polycloud.loadbalancer.draining import wait_until_idle
from polycloud.loadbalancer.drivers.haproxy import servers
from polycloud.loadbalancer.drivers.haproxy.runtime import RuntimeConnection, word
from polycloud.loadbalancer.drivers.haproxy.servers import Row, Server
from polycloud.loadbalancer.objects import LoadBalancer, Member
from polycloud.loadbalancer.settings import HealthCheck
from polycloud.loadbalancer.types import (
    Algorithm,
    BalancerDoesNotExistError,
    Draining,
    MemberHealth,
    Provider,
    State,
)

__all__ = ["HAProxyDriver"]

DEFAULT_CHECK = HealthCheck()
DYNAMIC, CHECKS, STABLE = (2, 4), (2, 5), (2, 6)
"""The versions since which servers are added, their health is checked, and neither is experimental."""
EXPERIMENTAL = "experimental-mode on"
BACKEND, FRONTEND, LISTENER, SERVER = "1", "0", "3", "2"
READ = {"static-rr": Algorithm.ROUND_ROBIN}


class HAProxyDriver(Driver):
    """The backends of a running HAProxy: `HAProxyDriver("/run/haproxy.sock")`, or `HAProxyDriver(port=9999)`.

    Without path, host and port, the path is that of POLYCLOUD_HAPROXY_PATH in the environment.
    The socket must have the level admin (`stats socket ... level admin`). HAProxy asks for no password: other
    hosts than this one need `secure=True`, with TLS before the socket (such as a `listen` section of mode tcp
    that verifies `client_cert=`), or `allow_insecure=True`. Backends are made in the configuration: balancers
    can neither be created nor destroyed.
    """

    type = Provider.HAPROXY
    api_name = "haproxy"
    name = "HAProxy"
    website = "https://www.haproxy.org/"
    connectionCls = RuntimeConnection
    connection: RuntimeConnection
    credentials = (Credential("path"),)
    draining = Draining.COUNTED
    finds_credentials = True  # a host and port need none; the path may stand in the environment
    protocols: ClassVar = {"http": "http", "tcp": "tcp"}
    algorithms: ClassVar = {
        Algorithm.ROUND_ROBIN: "roundrobin",
        Algorithm.LEAST_CONNECTIONS: "leastconn",
        Algorithm.RANDOM: "random",
        Algorithm.PERSISTENT_IP: "source",
    }
    member_settings: ClassVar = frozenset({"weight"})

    removal_time: ClassVar[float] = 10.0
    """Seconds in which the connections of a server end that are cut, before it can be deleted."""

    def __init__(self, path: str | None = None, *, secure: bool = False, **options: Any) -> None:
        if path is None and not any(options.get(name) for name in ("host", "port", "url")):
            path = os.environ.get("POLYCLOUD_HAPROXY_PATH") or None
        self._path = path
        super().__init__("", None, secure, **options)

    def _ex_connection_class_kwargs(self) -> dict[str, Any]:
        return {"path": self._path}

    # Balancers

    def list_balancers(self) -> list[LoadBalancer]:
        """Return the backends, with those of `listen` sections."""
        found = servers.rows(self.connection.show("show stat"))
        return [self._to_balancer(row, found) for row in found if row["type"] == BACKEND]

    def get_balancer(self, balancer_id: str) -> LoadBalancer:
        """Return the backend of this name. Raises `BalancerDoesNotExistError` if there is none."""
        found = self._rows(word(balancer_id, "balancer_id"))
        return self._to_balancer(next(row for row in found if row["type"] == BACKEND), found)

    # Members

    def balancer_list_members(self, balancer: LoadBalancer) -> list[Member]:
        """Return the servers of a backend that are not in maintenance.

        `extra` has `weight`, `condition`, `sessions` (the connections that it has, with those that wait for
        it), `status` and `check` (HAProxy's words). The health of a server without checks is unknown.
        """
        there = self.ex_list_servers(balancer)
        return [one for one in there if not one.extra["status"].startswith("MAINT")]

    def ex_list_servers(self, balancer: LoadBalancer) -> list[Member]:
        """Return all servers of a backend, with those in maintenance."""
        backend = word(check_balancer(balancer).id, "the balancer's id")
        return [servers.to_member(row, balancer) for row in self._rows(backend) if row["type"] == SERVER]

    def balancer_attach_member(
        self,
        balancer: LoadBalancer,
        member: Member,
        *,
        ex_health_check: HealthCheck | None = DEFAULT_CHECK,
        ex_proxy_protocol: bool = False,
    ) -> Member:
        """Attach a member: set its server ready if it drains or is in maintenance, else add one; return it.

        A member that the backend lists as draining, as after too short a `wait_drained`, may be given so.

        Args:
            balancer: The backend.
            member: Its address, port, and in `extra["weight"]` a weight from 0 to 256.
            ex_health_check: How a new server is checked; None for not at all. What is sent to it, and to
                which path, stands in the configuration of the backend. HAProxy 2.4 checks no new servers: by
                default they are not checked then, and a check that is given is refused.
            ex_proxy_protocol: Whether a new server gets the client's address (version 2).

        Raises:
            MemberAlreadyExistsError: The backend has this member.
            UnsupportedOperationError: This HAProxy or the backend's algorithm allows no new servers, and no
                server of the configuration is in reserve; or such a server, which keeps its own, was to get a
                health check or the PROXY protocol; or the health check has what is the backend's; or the
                condition of a new member is not ENABLED.
        """
        check_balancer(balancer)
        wanted = servers.normalized(check_member(member))
        weight = weight_of(member, 0, servers.LARGEST_WEIGHT)
        if not servers.drains(member, balancer):
            self._require_settings(member)
        check = servers.check_words(ex_health_check)
        words = ["send-proxy-v2"] if ex_proxy_protocol else []
        must_check = ex_health_check not in (None, DEFAULT_CHECK)

        def attach() -> None:
            there = self._servers(balancer)
            own = [one for one in there if (one.ip, one.port) == (wanted.ip, wanted.port)]
            own.sort(key=lambda one: one.name != wanted.id)
            if not own or own[0].name != wanted.id or own[0].is_open:
                self._require_new([one.member(balancer) for one in own if one.is_open], wanted)
            server = own[0] if own else self._add(balancer, wanted, words, check, must_check)
            server = server or self._take(there, balancer, wanted, must_check or bool(words))
            if weight is not None:
                self._set(balancer, server.name, f"weight {weight}")
            self._set_ready(balancer, server)

        self._changing(balancer, attach)
        return self._require_member(self.balancer_list_members(balancer), wanted)

    def balancer_detach_member(
        self, balancer: LoadBalancer, member: Member, wait_drained: float | None = None
    ) -> bool:
        """Detach a member: put its server in maintenance, and delete it if the driver has added it.

        With `wait_drained`, the server is set to drain before, which gives it no connections but those of
        clients that a cookie or a table sends there, until it has none.
        """
        found = self._put_in_maintenance(balancer, member, wait_drained)
        if found.id == servers.joined(found.ip, found.port):
            self._delete(balancer, found.id, cut=wait_drained is None)
        return True

    def balancer_suspend_member(
        self, balancer: LoadBalancer, member: Member, wait_drained: float | None = None
    ) -> Member:
        """Put a server in maintenance, where it keeps its settings; attaching its address sets it ready.

        Raises `InvalidArgumentError` for a server that has none: with a socket's path, or without a port.
        """
        check_member(self._require_member(self.balancer_list_members(balancer), member))
        return self._put_in_maintenance(balancer, member, wait_drained)

    def wait_until_healthy(
        self,
        balancer: LoadBalancer,
        members: Sequence[Member] | None = None,
        wait_period: float = 2,
        timeout: float = 300,
    ) -> list[Member]:
        """Wait until members take connections, as in the base.

        Raises `UnsupportedOperationError` too, if HAProxy does not check one of them.
        """
        there = self.balancer_list_members(balancer)
        wanted = {(one.ip, one.port) for one in (there if members is None else members)}
        unknown = (one for one in there if one.health == MemberHealth.UNKNOWN)
        blind = [str(one.id) for one in unknown if (one.ip, one.port) in wanted]
        if blind:
            raise UnsupportedOperationError(f"HAProxy does not check the health of {', '.join(blind)}", self)
        return super().wait_until_healthy(balancer, members, wait_period, timeout)

    # How

    def _to_balancer(self, row: Row, proxies: Sequence[Row]) -> LoadBalancer:
        name = row["pxname"]
        # Listeners are shown with `option socket-stats`, and belong to a backend in `listen` sections only
        own = [one["addr"] for one in proxies if (one["pxname"], one["type"]) == (name, LISTENER)]
        ip, port = servers.address(own[0]) if own else (None, None)
        ip = None if ip in {"0.0.0.0", "::"} else ip  # noqa: S104 - that is, any
        host = "127.0.0.1" if self.connection.path else self.connection.host
        extra = {
            "protocol": self.protocols.get(row["mode"]),
            "algorithm": self._read_algorithm(row.get("algo") or ""),
            "sessions": servers.sessions(row),
            "status": row["status"],
        }
        return LoadBalancer(name, name, State.RUNNING, ip or host, port, self, extra)

    def _read_algorithm(self, text: str) -> Algorithm | None:
        read = {theirs: ours for ours, theirs in self.algorithms.items()} | READ
        return read.get(text.partition("(")[0])

    def _rows(self, backend: str) -> list[Row]:
        """Return the rows of `show stat` about a backend, its servers, and the frontend of its `listen`."""
        which = "" if backend.isdigit() else f" {backend} -1 -1"  # HAProxy takes a number for an id
        with self._balancer_errors(backend):
            there = servers.rows(self.connection.show(f"show stat{which}"))
        found = [row for row in there if row["pxname"] == backend]
        if not any(row["type"] == BACKEND for row in found):
            raise BalancerDoesNotExistError(driver=self, balancer_id=backend)
        return found

    def _servers(self, balancer: LoadBalancer) -> list[Server]:
        backend = word(balancer.id, "the balancer's id")
        which = "" if backend.isdigit() else f" {backend}"
        if backend.isdigit():
            self._rows(backend)  # raises if there is none
        there = servers.servers(self.connection.show(f"show servers state{which}"))
        return [one for one in there if one.backend == backend]

    def _member_of(self, balancer: LoadBalancer, node: Addressed) -> Member:
        """Return the member that a node becomes: at the port that all members have, or the balancer's."""
        made = super()._member_of(balancer, node)
        made.port = servers.common_port(self.balancer_list_members(balancer)) or made.port
        if made.port is None:
            raise InvalidArgumentError(
                f"the port of the backend {balancer.id!r} is not known; attach a Member, with a port"
            )
        return made

    def _set(self, balancer: LoadBalancer, name: str, what: str) -> None:
        with self._member_errors(name):
            self.connection.change(f"set server {balancer.id}/{name} {what}")

    def _set_ready(self, balancer: LoadBalancer, server: Server) -> None:
        """Have a server take connections: at once, or if it is checked after good checks."""
        if server.is_checked:
            self.connection.change(f"enable health {balancer.id}/{server.name}")
            self._set(balancer, server.name, "state drain")  # ends the maintenance, without connections
            self._set(balancer, server.name, "health down")
        self._set(balancer, server.name, "state ready")

    def _add(
        self, balancer: LoadBalancer, member: Member, words: list[str], check: list[str], must_check: bool
    ) -> Server | None:
        """Add a server, in maintenance; None where that cannot be done."""
        version = servers.version(self.connection.show("show info"))
        if version < DYNAMIC:
            return None
        if version < CHECKS and must_check:
            raise UnsupportedOperationError(
                "HAProxy 2.4 checks no new servers: leave out ex_health_check", self
            )
        check = check if version >= CHECKS else []
        name = servers.joined(member.ip, member.port)
        where = f"[{member.ip}]:{member.port}" if ":" in str(member.ip) else name
        command = " ".join([f"add server {balancer.id}/{name} {where}", *words, *check])
        try:
            with self._member_errors(name):
                self.connection.change(command, before=EXPERIMENTAL if version < STABLE else "")
        except ProviderHTTPError as error:
            if "dynamic load balancing" in str(error.message):
                return None
            raise
        configured = servers.CHECKED if check else 0
        return Server(balancer.id, name, str(member.ip), int(member.port or 0), servers.FORCED, configured)

    def _take(self, there: Sequence[Server], balancer: LoadBalancer, member: Member, asked: bool) -> Server:
        """Give the address to a server of the configuration that is held in reserve."""
        if asked:
            raise UnsupportedOperationError(
                f"the backend {balancer.id!r} takes servers of its configuration only, which keep their "
                "health checks and PROXY protocol: leave out ex_health_check and ex_proxy_protocol",
                self,
            )
        free = next((one for one in there if one.is_slot), None)
        if free is None:
            raise UnsupportedOperationError(
                f"the backend {balancer.id!r} takes no new servers (before HAProxy 2.4, or with a static "
                "algorithm), and the configuration holds none in reserve: server-template ... disabled",
                self,
            )
        self._set(balancer, free.name, f"addr {member.ip} port {member.port}")
        return free

    def _put_in_maintenance(
        self, balancer: LoadBalancer, member: Member, wait_drained: float | None
    ) -> Member:
        if wait_drained is not None:
            waiting.require_times(wait_drained)
        found = self._require_member(self.balancer_list_members(balancer), member)
        name = str(found.id)

        def change(state: str) -> None:
            self._changing(balancer, lambda: self._set(balancer, name, f"state {state}"))

        def connections() -> int:
            rows = self._rows(balancer.id)
            return sum(servers.sessions(row) for row in rows if row["svname"] == name)

        if wait_drained is None:
            change("maint")
            return found
        ends_at = time.monotonic() + wait_drained
        change("drain")
        wait_until_idle(self, name, connections, wait_drained)
        change("maint")
        # A client that a cookie sends there may have come in between
        wait_until_idle(self, name, connections, max(1.0, ends_at - time.monotonic()))
        return found

    def _delete(self, balancer: LoadBalancer, name: str, *, cut: bool) -> None:
        """Delete a server in maintenance, once its idle connections are closed, which takes a moment.

        One that somebody has attached again meanwhile stays.
        """
        version = servers.version(self.connection.show("show info"))
        before = EXPERIMENTAL if version < STABLE else ""
        server = f"{balancer.id}/{name}"

        def delete() -> bool | None:
            if any(one.name == name and one.is_open for one in self._servers(balancer)):
                return True
            try:
                if cut:
                    self.connection.change(f"shutdown sessions server {server}")
                self.connection.change(f"del server {server}", before=before)
            except NotFoundError:
                return True  # somebody else has
            except ProviderHTTPError as error:
                return _deleted(error)
            return True

        waiting_for = f"the connections of {name} to end"
        self._polled(lambda: self._changing(balancer, delete), waiting_for, self.removal_time, 1.0)


def _deleted(error: ProviderHTTPError) -> bool | None:
    """Return None for a server that cannot be deleted yet, True for one that stays in maintenance."""
    said = str(error.message)
    if "connection" in said:
        return None
    if "configuration elements" in said:
        return True
    raise error

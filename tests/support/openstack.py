"""A client of an OpenStack: the sandbox's, or the real services of a server kit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import urllib3

from polycloud.sandbox import Sandbox

IMAGE = "155d900f-4e14-4e4c-a73d-069cbf4541e6"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEZ0eHQgZm9yIGEgdGVzdCwgMzIgYnl0ZXMgbG9uZyEh a@b"
ORDER = {"name": "web", "flavorRef": "1", "imageRef": IMAGE}
"""A server that any cloud of ours can build."""


def password_auth(user: str, password: str, **scope: Any) -> dict[str, Any]:
    """The body of a login with a password, and the scope if one is given."""
    who = {"name": user, "password": password, "domain": {"id": "default"}}
    auth: dict[str, Any] = {"identity": {"methods": ["password"], "password": {"user": who}}}
    if scope:
        auth["scope"] = scope
    return {"auth": auth}


def in_project(name: str) -> dict[str, Any]:
    """The scope of a project."""
    return {"project": {"name": name, "domain": {"id": "default"}}}


@dataclass
class Client:
    """A session of a user.

    Attributes:
        roots: the addresses of the services, by the names "identity", "compute" and so on.
        token: the value of X-Auth-Token.
        now: the time of a sandbox, as the only item.
    """

    roots: dict[str, str]
    pool: urllib3.PoolManager
    token: str = ""
    project: str = ""
    user: str = ""
    now: list[float] = field(default_factory=list)

    def send(
        self, method: str, path: str, body: Any = None, *, version: str = "", **headers: str
    ) -> urllib3.BaseHTTPResponse:
        """Send a request to "service/path"; `version` is a microversion, `body` is JSON or bytes."""
        service, _, rest = path.partition("/")
        given = {"Accept": "application/json", **{name.replace("_", "-"): v for name, v in headers.items()}}
        if self.token:
            given["X-Auth-Token"] = self.token
        if version:
            given["OpenStack-API-Version"] = f"{service} {version}"
        more: dict[str, Any] = {"body": body} if isinstance(body, bytes) else {"json": body}
        sent = {} if body is None else more
        url = f"{self.roots[service]}/{rest}" if rest else self.roots[service]
        return self.pool.request(method, url, headers=given, redirect=False, **sent)

    def ask(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """Send a request that is carried out; return the body of its response, None without one."""
        response = self.send(method, path, body, **more)
        assert response.status < 300, (response.status, response.data)
        return response.json() if response.data else None

    def refused(self, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, str]:
        """Send a request that is refused; return the status and the message."""
        response = self.send(method, path, body, **more)
        assert response.status >= 400, (response.status, response.data)
        return response.status, message(response.json())

    def log_in(self, user: str, password: str, project: str) -> None:
        """Get a token for a project."""
        response = self.send(
            "POST", "identity/auth/tokens", password_auth(user, password, **in_project(project))
        )
        assert response.status == 201, response.data
        token = response.json()["token"]
        self.token = response.headers["X-Subject-Token"]
        self.project, self.user = token["project"]["id"], token["user"]["id"]

    def later(self, seconds: float) -> None:
        """Let the sandbox's time pass."""
        self.now[0] += seconds

    def server(self, **order: Any) -> dict[str, Any]:
        """A server that was built, as the API shows it."""
        made = self.ask("POST", "compute/servers", {"server": {**ORDER, **order}})["server"]
        self.later(10)
        shown: dict[str, Any] = self.ask("GET", f"compute/servers/{made['id']}")["server"]
        return shown


def message(body: Any) -> str:
    """The message of an error, whatever its envelope."""
    if "message" in body:
        return str(body["message"])
    [inner] = body.values()
    return str(inner["message"])


def roots_of(url: str) -> dict[str, str]:
    """The addresses of the sandbox's services."""
    paths = {
        "identity": "/identity/v3",
        "compute": "/compute/v2.1",
        "image": "/image/v2",
        "network": "/network/v2.0",
        "volume": "/volume/v3",
        "dns": "/dns/v2",
    }
    return {name: url + path for name, path in paths.items()}


@contextmanager
def client(user: str = "demo", **settings: Any) -> Iterator[Client]:
    """A sandbox without machines whose time passes only when a test says so, and a user who has logged in."""
    now = [1000.0]
    with (
        Sandbox("openstack", ssh="off", clock=lambda: now[0], **settings) as cloud,
        urllib3.PoolManager(retries=False, timeout=10) as pool,
    ):
        made = Client(roots_of(cloud.url), pool, now=now)
        made.log_in(user, "openstack_sandbox", user)
        yield made

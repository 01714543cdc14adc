"""A small Keystone and a service behind it, whose clock and whose tokens a test decides."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import count
from typing import Any

from support.web import Answer, Seen, Web, serve

REFUSED = {"error": {"code": 401, "title": "Unauthorized", "message": "The request requires authentication."}}
LONG = 3600.0


class Keystone:
    """Users `demo`/`secret` (project web) and `many`/`secret` (projects one, two) of the domain Default.

    `life` is the life of tokens in seconds, `skew` what its clock differs by, `items` what the service lists,
    `a_page` how many a page holds. `refuse` refuses every token that was given out so far.
    """

    def __init__(self) -> None:
        self.numbers = count(1)
        self.tokens: dict[str, str | None] = {}
        self.logins: list[dict[str, Any]] = []
        self.projects = {"demo": ["web"], "many": ["one", "two"]}
        self.life, self.skew = LONG, 0.0
        self.items = [f"item-{number}" for number in range(5)]
        self.a_page = 1000
        self.base = ""
        self.regions = ["RegionOne"]
        self.versions: dict[str, Any] = {"id": "v2.1", "version": "2.60", "min_version": "2.1"}
        self.refused_items = 0

    def refuse(self) -> None:
        self.tokens.clear()

    def respond(self, seen: Seen) -> Answer:
        base = f"http://{seen.headers['Host']}"
        date = {"Date": format_datetime(self.now(), usegmt=True)}
        if seen.path == "/v3/auth/tokens" and seen.method == "POST":
            answer = self.log_in(json.loads(seen.body)["auth"], base)
        elif seen.path == "/v2.0/tokens":
            answer = self.log_in_2(json.loads(seen.body)["auth"], base)
        elif (token := seen.headers.get("X-Auth-Token", "")) not in self.tokens:
            answer = Answer(401, REFUSED)
        elif seen.path == "/v3/auth/tokens":
            answer = Answer(200, self.token(self.tokens[token], base), {"X-Subject-Token": token})
        elif seen.path == "/v3/auth/projects":
            names = self.projects["many" if token.startswith("many") else "demo"]
            answer = Answer(200, {"projects": [{"id": f"id-{name}", "name": name} for name in names]})
        elif seen.path == "/compute/v2.1/":
            answer = Answer(200, {"version": self.versions})
        else:
            answer = self.listed(seen, base)
        answer.headers = {**date, **answer.headers}
        return answer

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.skew)

    def log_in(self, auth: dict[str, Any], base: str) -> Answer:
        self.logins.append(auth)
        identity = auth["identity"]
        if "token" in identity:
            user = identity["token"]["id"].partition("-")[0]
        elif "application_credential" in identity:
            user = "demo" if identity["application_credential"]["secret"] == "secret" else ""
        else:
            one = identity["password"]["user"]
            known = one["domain"] in ({"name": "Default"}, {"id": "default"}) and one["password"] == "secret"
            user = one["name"] if known else ""
        scope = auth.get("scope") or {}
        wanted = None if scope == "unscoped" else scope.get("project") or {}
        name = wanted and (wanted.get("name") or wanted["id"].removeprefix("id-"))
        if user not in self.projects or (name and name not in self.projects[user]):
            return Answer(401, REFUSED)
        if "application_credential" in identity:
            name = "web"
        token = f"{user}-{next(self.numbers)}"
        self.tokens[token] = name or None
        return Answer(201, self.token(name or None, base), {"X-Subject-Token": token})

    def token(self, project: str | None, base: str) -> dict[str, Any]:
        ends = self.now() + timedelta(seconds=self.life)
        token: dict[str, Any] = {"expires_at": ends.strftime("%Y-%m-%dT%H:%M:%S.000000Z")}
        if project:
            token["project"] = {"id": f"id-{project}", "name": project}
            token["catalog"] = [{"type": "compute", "name": "nova", "endpoints": self.endpoints(base)}]
        return {"token": token}

    def endpoints(self, base: str) -> list[dict[str, Any]]:
        return [
            {"interface": interface, "region": region, "url": f"{base}/compute{path}"}
            for region in self.regions
            for interface, path in (("internal", "/internal/v2.1"), ("public", "/v2.1"))
        ]

    def log_in_2(self, auth: dict[str, Any], base: str) -> Answer:
        self.logins.append(auth)
        credentials = auth.get("passwordCredentials") or auth.get("RAX-KSKEY:apiKeyCredentials") or {}
        if "secret" not in (credentials.get("password"), credentials.get("apiKey")):
            return Answer(401, {"unauthorized": {"code": 401, "message": "Unable to authenticate user"}})
        token = f"demo-{next(self.numbers)}"
        self.tokens[token] = "web"
        endpoint = {
            "region": "RegionOne",
            "publicURL": f"{base}/compute/v2.1",
            "internalURL": f"{base}/internal",
        }
        return Answer(
            200,
            {
                "access": {
                    "token": {
                        "id": token,
                        "expires": self.now().isoformat(),
                        "tenant": {"id": "id-web", "name": "web"},
                    },
                    "serviceCatalog": [{"type": "compute", "name": "nova", "endpoints": [endpoint]}],
                }
            },
        )

    def listed(self, seen: Seen, base: str) -> Answer:
        marker = seen.query.get("marker", [None])[0]
        if marker is not None and marker not in self.items:
            return Answer(400, {"badRequest": {"code": 400, "message": f"marker [{marker}] not found"}})
        begin = 0 if marker is None else self.items.index(marker) + 1
        page = self.items[begin : begin + self.a_page]
        body: dict[str, Any] = {"things": [{"id": name} for name in page]}
        if len(page) == self.a_page:
            # A link to another host, as behind a proxy that does not rewrite them
            href = f"http://internal.example:8774/v2.1/things?limit=2&marker={page[-1]}"
            body["things_links"] = [{"rel": "next", "href": href}]
        self.on_page(begin)
        return Answer(200, body)

    def on_page(self, begin: int) -> None:
        """Called after each page; a test may replace it."""


@contextmanager
def keystone() -> Iterator[tuple[Keystone, Web]]:
    """Serve one on loopback until the block ends."""
    cloud = Keystone()
    with serve(cloud.respond) as web:
        yield cloud, web

"""A client of the sandbox's DigitalOcean that holds every answer against the provider's OpenAPI document.

The document is no part of the project: POLYCLOUD_SPECS names the folder that has it, or it lies in
`shared/specs` beside the checkout. Without it, or without jsonschema, answers are not held against anything.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import urllib3

from polycloud.sandbox import Sandbox

if TYPE_CHECKING:
    from polycloud.testing.contract import Contract

_BESIDE = Path(__file__).parents[3] / "shared" / "specs"
_DOCUMENT = Path(os.environ.get("POLYCLOUD_SPECS", _BESIDE)) / "digitalocean.json"

_UNDOCUMENTED = re.compile("the field '(action|images)' is not documented")
"""Faults of the document: the schema of image actions does not wrap them, `images` of a tag is misspelt."""

ORDER = {"name": "web", "region": "nyc3", "size": "s-1vcpu-1gb", "image": "ubuntu-24-04-x64"}
"""The body of a create that is carried out."""


def _with_required_headers(document: dict[str, Any]) -> dict[str, Any]:
    """The document, in which a response has all headers that are described."""
    for header in document["components"]["headers"].values():
        header["required"] = True
    return document


def _has_zone(text: str) -> bool:
    return datetime.fromisoformat(text).tzinfo is not None


@cache
def contract() -> Contract | None:
    """The document; None if it or jsonschema is missing."""
    if not _DOCUMENT.exists() or not importlib.util.find_spec("jsonschema"):
        return None
    from polycloud.testing.contract import Contract

    document = json.loads(_DOCUMENT.read_text(encoding="utf-8"))
    return Contract(_with_required_headers(document), formats={"date-time": _has_zone})


class Client:
    """Speaks to a sandbox whose time stands still until `later`."""

    def __init__(self, cloud: Sandbox, now: list[float], pool: urllib3.PoolManager) -> None:
        self.cloud, self._now, self._pool = cloud, now, pool
        (self.token,) = cloud.credentials

    def later(self, seconds: float) -> None:
        """Let time pass in the cloud."""
        self._now[0] += seconds

    def send(
        self, method: str, path: str, body: object = None, *, token: str | None = None
    ) -> urllib3.BaseHTTPResponse:
        """Send a request, with a path below /v2 and a JSON body, and hold the answer against the document."""
        headers = {"Authorization": f"Bearer {token or self.token}", "Content-Type": "application/json"}
        data = body if isinstance(body, bytes | None) else json.dumps(body)
        answer = self._pool.request(method, f"{self.cloud.url}/v2{path}", body=data, headers=headers)
        document = contract()
        if document:
            problems = document.response_problems(
                method, f"/v2{path}", answer.status, answer.headers, answer.data
            )
            assert [text for text in problems if not _UNDOCUMENTED.search(text)] == []
        return answer

    def get(self, path: str) -> Any:
        """The JSON that is there."""
        return self.act("GET", path)

    def act(self, method: str, path: str, **body: Any) -> Any:
        """The JSON answer to a request that must succeed; None if there is none."""
        answer = self.send(method, path, body or None)
        assert answer.status < 300, answer.data
        return answer.json() if answer.data else None

    def refused(self, method: str, path: str, **body: Any) -> tuple[int, str]:
        """The status and the message of a request that must fail."""
        answer = self.send(method, path, body or None)
        assert answer.status >= 400, answer.data
        return answer.status, answer.json()["message"]

    def built(self, **changes: Any) -> Any:
        """A droplet that has been created and built."""
        droplet = self.act("POST", "/droplets", **{**ORDER, **changes})["droplet"]
        self.later(2)
        return self.get(f"/droplets/{droplet['id']}")["droplet"]

    def switched(self, id: int, type: str, **body: Any) -> Any:
        """A droplet after an action on it has taken its time."""
        self.act("POST", f"/droplets/{id}/actions", type=type, **body)
        self.later(2)
        return self.get(f"/droplets/{id}")["droplet"]


@contextmanager
def client(**knobs: Any) -> Iterator[Client]:
    """A client of a DigitalOcean with these knobs, without machines."""
    now = [1000.0]
    with (
        urllib3.PoolManager(retries=False, timeout=10) as pool,
        Sandbox("digitalocean", clock=lambda: now[0], ssh="off", **knobs) as cloud,
    ):
        yield Client(cloud, now, pool)

"""A client of the sandbox's Linode that holds requests and answers against the provider's OpenAPI document.

The document is no part of the project: POLYCLOUD_SPECS names the folder that has it, or it lies in
`shared/specs` beside the checkout. Without it, or without jsonschema, nothing is held against anything.
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
_DOCUMENT = Path(os.environ.get("POLYCLOUD_SPECS", _BESIDE)) / "linode.json"

PASSWORD = "a-Complex!Passw0rd"
ORDER = {
    "label": "web",
    "region": "us-east",
    "type": "g6-nanode-1",
    "image": "linode/debian12",
    "root_pass": PASSWORD,
}
"""The body of a create that is carried out."""

_NULL = {
    *(f"sd{letter}" for letter in "abcdefgh"),  # an empty slot of a configuration: "Can be null"
    *("disk_id", "volume_id"),  # the one that a slot has not: "or null", its text says
    "duration",  # of an event that has not ended
    "field",  # of an error: "may come back as null"
    "finished",  # of a backup that is being taken
    "gateway",  # of a private address
    "last_successful",  # "Displayed as null", its text says
    "percent_complete",  # of notifications: "Returns null", its text says
    "rate",  # of an event that has none
    "rdns",  # of a private address
    "secondary_entity",  # of an event with one entity
    "vpc_nat_1_1",  # "null is returned", its text says
    "current",  # no snapshot
    "in_progress",  # no snapshot
}
"""Fields that are null at the provider, and in the document's text or examples, but not in its schemas."""

_UNDOCUMENTED = {
    "site_type",  # spelt "site-type" in the document's schema alone
}


def _mended(node: Any, name: str = "") -> Any:
    """The document without its known faults, and with OpenAPI's `nullable` put as JSON Schema knows it."""
    if isinstance(node, list):
        return [_mended(item) for item in node]
    if not isinstance(node, dict):
        return node
    made = {key: _mended(value, key) for key, value in node.items() if key not in {"example", "examples"}}
    if name in {"root_device", "label"}:
        # The one is prose; the other refuses digits that its text allows, and takes hyphens that it forbids.
        made.pop("pattern", None)
    if name in {"name", "description", "group"}:
        # The text of MX and CAA says "" for the domain itself; the provider's examples have "" in the others.
        made.pop("minLength", None)
    if name == "responses" and set(made) == {"200"}:
        # All operations can be refused, but some do not say so.
        made["default"] = {"description": "Error", "content": {"application/json": {}}}
    if name == "interfaces":
        # "An empty array results in a default public interface", its text says.
        made.pop("minItems", None)
    if "allOf" in made and (len(made["allOf"]) > 1 or "properties" in made):
        # Parts of one object that each refuse the fields of the others.
        made = {**_open(made), "allOf": [_open(part) for part in made["allOf"]]}
    if node.get("nullable") is True or (name in _NULL and "type" in node):
        return {"anyOf": [made, {"type": "null"}]}
    return made


def _open(part: dict[str, Any]) -> dict[str, Any]:
    """A schema that takes further fields, and whose fields do."""
    fields = part.get("properties", {})
    taking = {name: {**field, "additionalProperties": True} for name, field in fields.items()}
    return {**part, "properties": taking, "additionalProperties": True}


def _has_no_zone(text: str) -> bool:
    # All times are UTC, although they do not say so.
    return datetime.fromisoformat(text).tzinfo is None


def _any(_: str) -> bool:
    return True


def _is_absent_or_address(text: str) -> bool:
    # A slave has no address of SOA
    return not text or "@" in text


FORMATS = {
    "date-time": _has_no_zone,
    "email": _is_absent_or_address,
    "ipv4": _any,
    "ipv6": _any,
    "uuid": _any,
}
"""The document is right about none of them: prefixes stand with addresses, and a UUID has no hyphens."""


@cache
def contract() -> Contract | None:
    """The document; None if it or jsonschema is missing."""
    if not _DOCUMENT.exists() or not importlib.util.find_spec("jsonschema"):
        return None
    from polycloud.testing.contract import Contract

    return Contract(_mended(json.loads(_DOCUMENT.read_text(encoding="utf-8"))), formats=FORMATS)


def _target(path: str) -> str:
    """The target of a request, as the document expects it: ids of images and kernels have a slash."""
    return "/v4" + re.sub(r"/(images|kernels)/([^/?]+)/([^/?]+)", r"/\1/\2%2F\3", path)


def _require_documented(problems: list[str]) -> None:
    assert [text for text in problems if not any(f"'{name}'" in text for name in _UNDOCUMENTED)] == []


class Client:
    """Speaks to a sandbox whose time stands still until `later`."""

    def __init__(self, cloud: Sandbox, now: list[float], pool: urllib3.PoolManager) -> None:
        self.cloud, self._now, self._pool = cloud, now, pool
        (self.token,) = cloud.credentials

    def later(self, seconds: float) -> None:
        """Let time pass in the cloud."""
        self._now[0] += seconds

    def send(
        self, method: str, path: str, body: object = None, *, token: str | None = "", wanted: object = None
    ) -> urllib3.BaseHTTPResponse:
        """Send a request, with a path below /v4 and a JSON body, and hold the answer against the document.

        Args:
            method: "GET", "POST" ...
            path: below /v4.
            body: bytes as they are, or what is put as JSON.
            token: the right one unless told; None for no token.
            wanted: the header X-Filter.
        """
        headers = {"Content-Type": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token or self.token}"
        if wanted is not None:
            headers["X-Filter"] = wanted if isinstance(wanted, str) else json.dumps(wanted)
        data = body if isinstance(body, bytes | None) else json.dumps(body)
        answer = self._pool.request(method, f"{self.cloud.url}/v4{path}", body=data, headers=headers)
        document = contract()
        if document and method != "HEAD":
            _require_documented(
                document.response_problems(method, _target(path), answer.status, answer.headers, answer.data)
            )
        return answer

    def get(self, path: str, wanted: object = None) -> Any:
        """The JSON that is there."""
        answer = self.send("GET", path, wanted=wanted)
        assert answer.status == 200, answer.data
        return answer.json()

    def act(self, method: str, path: str, **body: Any) -> Any:
        """The JSON answer to a request that is as documented, and must succeed."""
        document = contract()
        if document:
            data = json.dumps(body).encode() if body else b""
            headers = {"Content-Type": "application/json"}
            problems = document.request_problems(method, _target(path), headers, data)
            _require_documented([text for text in problems if not text.endswith("rdns is null")])
        answer = self.send(method, path, body or None)
        assert answer.status == 200, answer.data
        return answer.json()

    def refused(self, method: str, path: str, **body: Any) -> tuple[int, list[tuple[str | None, str]]]:
        """The status of a request that must fail, and its problems, each a field and a reason."""
        answer = self.send(method, path, body or None)
        assert answer.status >= 400, answer.data
        return answer.status, [(error.get("field"), error["reason"]) for error in answer.json()["errors"]]

    def built(self, **changes: Any) -> Any:
        """A Linode that has been created and, unless it is not to boot, booted."""
        linode = self.act("POST", "/linode/instances", **{**ORDER, **changes})
        return self.waited(linode["id"])

    def waited(self, id: int, path: str = "", **body: Any) -> Any:
        """A Linode after a request to its path, if one is named, has taken its time."""
        if path:
            self.act("POST", f"/linode/instances/{id}/{path}", **body)
        self.later(2)
        # One thing may lead to another, such as a rebuild to a boot.
        self.get(f"/linode/instances/{id}")
        self.later(2)
        return self.get(f"/linode/instances/{id}")


@contextmanager
def client(**knobs: Any) -> Iterator[Client]:
    """A client of a Linode with these knobs, without machines."""
    now = [1000.0]
    with (
        urllib3.PoolManager(retries=False, timeout=10) as pool,
        Sandbox("linode", clock=lambda: now[0], ssh="off", **knobs) as cloud,
    ):
        yield Client(cloud, now, pool)

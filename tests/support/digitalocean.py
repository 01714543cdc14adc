"""A client of the sandbox's DigitalOcean that holds every answer against the provider's OpenAPI document.

The document is no part of the project: POLYCLOUD_SPECS names the folder that has it, or it lies in
`shared/specs` beside the checkout. Without it, or without jsonschema, answers are not held against anything.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import urllib3

from polycloud.sandbox import Sandbox

_BESIDE = Path(__file__).parents[3] / "shared" / "specs"
_DOCUMENT = Path(os.environ.get("POLYCLOUD_SPECS", _BESIDE)) / "digitalocean.json"
_ROOT = "digitalocean"
_JOINTS = ("allOf", "anyOf", "oneOf")

_UNDOCUMENTED = {
    "action",  # image actions: the examples wrap the action, the schema does not
    "images",  # resources of a tag: spelt "imgages" in the schema
}

ORDER = {"name": "web", "region": "nyc3", "size": "s-1vcpu-1gb", "image": "ubuntu-24-04-x64"}
"""The body of a create that is carried out."""


class Contract:
    """The document, and which of its operations have been seen, as (method, path) pairs."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document: dict[str, Any] = _with_null(document)
        self.seen: set[tuple[str, str]] = set()
        jsonschema = importlib.import_module("jsonschema")
        referencing = importlib.import_module("referencing")
        draft = importlib.import_module("referencing.jsonschema").DRAFT4
        resource = referencing.Resource(contents=self._document, specification=draft)
        self._registry = referencing.Registry().with_resource(_ROOT, resource)
        self._formats = jsonschema.FormatChecker()
        self._formats.checks("date-time", raises=ValueError)(_is_date)
        self._validator = jsonschema.Draft4Validator

    def check(self, method: str, path: str, answer: urllib3.BaseHTTPResponse) -> None:
        """AssertionError unless the answer's status, headers and body are as documented."""
        template = self._template(path)
        if template is None or method.lower() not in self._document["paths"][template]:
            assert answer.status in {401, 403, 404, 405, 429}
            return
        self.seen.add((method, template))
        responses = self._document["paths"][template][method.lower()]["responses"]
        assert answer.status >= 400 or str(answer.status) in responses
        response = self._resolved(responses.get(str(answer.status), responses["default"]))
        for name, header in response.get("headers", {}).items():
            value: Any = answer.headers[name]
            kind = self._resolved(header)["schema"]["type"]
            self._validate({"type": kind}, int(value) if kind == "integer" else value)
        if "content" not in response:
            assert answer.data == b""
            return
        schema = response["content"]["application/json"]["schema"]
        self._validate(schema, answer.json())
        assert self._unknown(schema, answer.json()) <= _UNDOCUMENTED

    def _template(self, path: str) -> str | None:
        plain = path.partition("?")[0]
        for template in sorted(self._document["paths"], key=lambda known: known.count("{")):
            if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), plain):
                found: str = template
                return found
        return None

    def _resolved(self, node: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in node:
            target: Any = self._document
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            node = target
        return node

    def _validate(self, schema: dict[str, Any], value: object) -> None:
        rooted = json.loads(json.dumps(schema).replace('"$ref": "#/', f'"$ref": "{_ROOT}#/'))
        validator = self._validator(rooted, registry=self._registry, format_checker=self._formats)
        assert [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)] == []

    def _unknown(self, schema: dict[str, Any], value: object) -> set[str]:
        """The fields of the value that no part of the schema names."""
        parts = list(self._parts(schema))
        if isinstance(value, list):
            items = {"anyOf": [part["items"] for part in parts if "items" in part]}
            return {name for item in value for name in self._unknown(items, item)}
        if not isinstance(value, dict):
            return set()
        known: dict[str, list[dict[str, Any]]] = {}
        for part in parts:
            for name, field in part.get("properties", {}).items():
                known.setdefault(name, []).append(field)
        if not known:
            return set()
        unknown = {name for name in value if name not in known}
        for name in value.keys() - unknown:
            unknown |= self._unknown({"anyOf": known[name]}, value[name])
        return unknown

    def _parts(self, schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
        schema = self._resolved(schema)
        yield schema
        for joint in _JOINTS:
            for part in schema.get(joint, []):
                yield from self._parts(part)


def _with_null(node: Any) -> Any:
    """The document with OpenAPI's `nullable` put as JSON Schema knows it."""
    if isinstance(node, list):
        return [_with_null(item) for item in node]
    if not isinstance(node, dict):
        return node
    made = {name: _with_null(value) for name, value in node.items() if name not in {"example", "examples"}}
    return {"anyOf": [made, {"type": "null"}]} if node.get("nullable") is True else made


def _is_date(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


@cache
def contract() -> Contract | None:
    """The document, if there is one and jsonschema."""
    if not _DOCUMENT.exists() or not importlib.util.find_spec("jsonschema"):
        return None
    return Contract(json.loads(_DOCUMENT.read_text(encoding="utf-8")))


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
            document.check(method, f"/v2{path}", answer)
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

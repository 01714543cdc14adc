"""What an OpenAPI document gives a new driver: the address, the authentication, calls and payloads."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from polycloud.errors import InvalidArgumentError, printable
from polycloud.scaffold import responses
from polycloud.scaffold.api import Api, Auth
from polycloud.scaffold.faking import documented
from polycloud.scaffold.matching import LISTS, VERSION, candidates
from polycloud.scaffold.openapi import Call, Document, Operations
from polycloud.scaffold.paging import paging
from polycloud.scaffold.states import states
from polycloud.scaffold.structs import payloads

__all__ = ["discover"]

MALFORMED = (AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What code that relies on the structure of a document raises for a malformed one."""
PLAIN = re.compile(r"[\w/{}.:@~+-]*")
"""Paths that may be written into a comment of a Python file."""


def discover(file: Path) -> Api:
    """Read an API from the OpenAPI document in `file`.

    Raises `InvalidArgumentError` for a file that is not an OpenAPI 3 document.
    """
    document = Document.load(file)
    try:
        return _api(document)
    except MALFORMED as error:
        message = f"{type(error).__name__}: {printable(str(error))}"
        raise InvalidArgumentError(f"{file} is not a valid OpenAPI document: {message}") from error


def _api(document: Document) -> Api:
    host, base = _server(document)
    operations = {call: value for call, value in document.operations.items() if PLAIN.fullmatch(call.path)}
    prefix, text = _prefix(operations, document)
    operations = dict(_below(prefix, operations))
    calls = candidates(operations)
    found = responses.read(calls, operations, document)
    texts, types = payloads(found.values(), document)
    lists = {call for name in LISTS for call in calls.get(name, ())}
    pages = {call: paging(operations[call], document) for call in lists}
    return Api(
        host=host,
        base=base if base.endswith(text) else base + text,
        calls=calls,
        responses={call: "; ".join(filter(None, [kind, pages.get(call)])) for call, kind in types.items()},
        payloads=texts,
        states=next(
            (states(found[one].resource, document) for one in calls.get("list_nodes", ()) if one in found), {}
        ),
        fake=documented(calls, found, operations, document),
        **_login(document),
    )


def _server(document: Document) -> tuple[str, str]:
    """Host and base path of the first server."""
    parts = urlsplit(next(iter(document.servers), ""))
    host, path = parts.hostname or Api().host, parts.path.rstrip("/")
    usable = re.fullmatch("[A-Za-z0-9._-]+", host) and PLAIN.fullmatch(path)
    return (host, path) if usable else (Api().host, "")


def _prefix(operations: Operations, document: Document) -> tuple[str, str]:
    """What the paths of all matching calls begin with before they name a resource, and its text in a request.

    `/v2` twice; or `/api/{version}` and `/api/v4`, if the document has a value for the parameter.
    """
    found = [call for calls in candidates(operations).values() for call in calls] or [*operations]
    prefix, text = "", ""
    for parts in zip(*(call.path.split("/")[1:] for call in found), strict=False):
        value = _version(parts[0], operations[found[0]], document)
        if len(set(parts)) > 1 or value is None:
            break
        prefix, text = f"{prefix}/{parts[0]}", f"{text}/{value}"
    return prefix, text


def _version(part: str, operation: Mapping[str, Any], document: Document) -> str | None:
    if VERSION.fullmatch(part):
        return part
    for parameter in document.parameters(operation):
        schema = document.resolve(parameter.get("schema", {}))
        value = str(schema.get("default") or next(iter(schema.get("enum", ())), ""))
        if f"{{{parameter.get('name')}}}" == part and value and PLAIN.fullmatch(value):
            return value
    return None


def _below(prefix: str, operations: Operations) -> Iterator[tuple[Call, Mapping[str, Any]]]:
    for call, operation in operations.items():
        if call.path.startswith(f"{prefix}/"):
            yield Call(call.method, call.path.removeprefix(prefix)), operation


# Authentication


def _login(document: Document) -> dict[str, Any]:
    """The simplest supported scheme of those that the document requires, else of all."""
    schemes = {
        name: document.resolve(scheme)
        for name, scheme in document.content.get("components", {}).get("securitySchemes", {}).items()
    }
    required = [name for one in document.content.get("security") or () for name in one if name in schemes]
    supported = [_scheme(schemes[name]) for name in required or schemes]
    return min(filter(None, supported), key=_rank, default={})


def _rank(scheme: Mapping[str, Any]) -> int:
    """A key first: it is the simplest."""
    return list(Auth).index(scheme["auth"])


def _scheme(scheme: Mapping[str, Any]) -> dict[str, Any] | None:
    """The arguments of `Api` for a security scheme; None for one that is not supported."""
    kind, name = scheme.get("type"), str(scheme.get("name", ""))
    if kind == "http":
        basic = str(scheme.get("scheme")).lower() == "basic"
        return {"auth": Auth.USER_AND_KEY if basic else Auth.KEY}
    if kind == "apiKey" and re.fullmatch("[A-Za-z0-9._-]+", name):
        place = {"header": "header", "query": "parameter"}.get(str(scheme.get("in")))
        return {"auth": Auth.KEY, place: name} if place else None
    url = scheme.get("flows", {}).get("clientCredentials", {}).get("tokenUrl")
    if kind == "oauth2" and url:
        path = urlsplit(url).path
        return {"auth": Auth.TOKEN, "token_path": path if PLAIN.fullmatch(path) and path else "/token"}
    return {"auth": Auth.KEY} if kind in {"oauth2", "openIdConnect"} else None

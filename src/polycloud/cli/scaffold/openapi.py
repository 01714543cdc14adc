"""What an OpenAPI 3 document tells a driver's author: where, how to log in, which calls, what is answered."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from polycloud.cli.scaffold import answers
from polycloud.cli.scaffold.api import Api, Auth, Call
from polycloud.cli.scaffold.matching import LISTS, VERSION, Operations, candidates
from polycloud.cli.scaffold.paging import paging
from polycloud.cli.scaffold.schemas import Schemas
from polycloud.cli.scaffold.structs import payloads
from polycloud.errors import InvalidArgumentError, printable

__all__ = ["read"]

METHODS = ("get", "post", "put", "patch", "delete")
UNDOCUMENTED = (AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What code that trusts a document stumbles with over another one."""
PLAIN = re.compile(r"[\w/{}.:@~+-]*")


def read(file: Path) -> Api:
    """What the document in `file` tells. Raises `InvalidArgumentError` where it is none."""
    document = _parsed(file)
    version = str(document.get("openapi", "")) if isinstance(document, dict) else ""
    if not version.startswith("3.") or not isinstance(document.get("paths"), dict):
        raise InvalidArgumentError(f"{file} is no OpenAPI document of version 3")
    try:
        return _api(document)
    except UNDOCUMENTED as error:
        told = f"{type(error).__name__}: {printable(str(error))}"
        raise InvalidArgumentError(f"{file} is not as OpenAPI has it: {told}") from error


def _parsed(file: Path) -> Any:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgumentError(f"{file} cannot be read: {error}") from error
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        if file.suffix not in {".yaml", ".yml"}:
            raise InvalidArgumentError(f"{file} is not JSON: {error}") from error
    return _from_yaml(file, text)


def _from_yaml(file: Path, text: str) -> Any:
    try:
        yaml: Any = import_module("yaml")
    except ModuleNotFoundError:
        raise InvalidArgumentError(f"{file}: to read YAML, install PyYAML; or give it as JSON") from None
    try:
        return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InvalidArgumentError(f"{file} is not YAML: {printable(str(error))}") from error


def _api(document: Mapping[str, Any]) -> Api:
    schemas = Schemas(document)
    host, base = _server(document)
    operations = dict(_operations(document["paths"], schemas))
    prefix, text = _prefix(operations, schemas)
    operations = dict(_below(prefix, operations))
    calls = candidates(operations)
    texts, types = payloads(answers.read(calls, operations, schemas).values(), schemas)
    lists = {call for name in LISTS for call in calls.get(name, ())}
    pages = {call: paging(operations[call], schemas) for call in lists}
    return Api(
        host=host,
        base=base if base.endswith(text) else base + text,
        calls=calls,
        answers={call: "; ".join(filter(None, [kind, pages.get(call)])) for call, kind in types.items()},
        payloads=texts,
        **_login(document, schemas),
    )


def _server(document: Mapping[str, Any]) -> tuple[str, str]:
    """Host and base path of the first server, its variables at their defaults."""
    server: Mapping[str, Any] = next(iter(document.get("servers") or ()), {})
    variables = server.get("variables") or {}
    url = server.get("url", "")
    for name, variable in variables.items():
        url = url.replace(f"{{{name}}}", str(variable["default"]))
    parts = urlsplit(url)
    host, path = parts.hostname or Api().host, parts.path.rstrip("/")
    usable = re.fullmatch("[A-Za-z0-9._-]+", host) and PLAIN.fullmatch(path)
    return (host, path) if usable else (Api().host, "")


def _operations(paths: Mapping[str, Any], schemas: Schemas) -> Iterator[tuple[Call, Mapping[str, Any]]]:
    for path, item in paths.items():
        methods = schemas.resolved(item)
        # what is no plain path could be anything, and is to stand in a comment
        for method in METHODS if PLAIN.fullmatch(path) else ():
            if method in methods:
                told = methods[method]
                parameters = [*methods.get("parameters", ()), *told.get("parameters", ())]
                yield Call(method.upper(), path), {**told, "parameters": parameters}


def _prefix(operations: Operations, schemas: Schemas) -> tuple[str, str]:
    """With what every path of ours begins before it names a thing, and the text of that.

    `/v2`; or `/api/{version}` and `/api/v4`, where the document tells a value for the parameter.
    """
    found = [call for calls in candidates(operations).values() for call in calls] or [*operations]
    prefix, text = "", ""
    for parts in zip(*(call.path.split("/")[1:] for call in found), strict=False):
        value = _version(parts[0], operations[found[0]], schemas)
        if len(set(parts)) > 1 or value is None:
            break
        prefix, text = f"{prefix}/{parts[0]}", f"{text}/{value}"
    return prefix, text


def _version(part: str, operation: Mapping[str, Any], schemas: Schemas) -> str | None:
    if VERSION.fullmatch(part):
        return part
    for parameter in map(schemas.resolved, operation["parameters"]):
        schema = schemas.resolved(parameter.get("schema", {}))
        value = str(schema.get("default") or next(iter(schema.get("enum", ())), ""))
        if f"{{{parameter.get('name')}}}" == part and value and PLAIN.fullmatch(value):
            return value
    return None


def _below(prefix: str, operations: Operations) -> Iterator[tuple[Call, Mapping[str, Any]]]:
    for call, operation in operations.items():
        if call.path.startswith(f"{prefix}/"):
            yield Call(call.method, call.path.removeprefix(prefix)), operation


# How one logs in


def _login(document: Mapping[str, Any], schemas: Schemas) -> dict[str, Any]:
    """The first scheme of those that the document asks for, else of all, that there is a way for."""
    schemes = {
        name: schemas.resolved(scheme)
        for name, scheme in document.get("components", {}).get("securitySchemes", {}).items()
    }
    asked = [name for one in document.get("security") or () for name in one if name in schemes]
    ways = [_way(schemes[name]) for name in asked or schemes]
    return min(filter(None, ways), key=_rank, default={})


def _rank(way: Mapping[str, Any]) -> int:
    """A key first: it is the simplest."""
    return list(Auth).index(way["auth"])


def _way(scheme: Mapping[str, Any]) -> dict[str, Any] | None:
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

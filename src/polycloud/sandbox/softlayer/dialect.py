"""How SoftLayer's API speaks: faults, object masks, object filters, parts of lists."""

from __future__ import annotations

import re
import xmlrpc.client
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
Mask = dict[str, Any]
"""The names of the fields that a response has, each with the mask of what is in it; empty for all."""

_TOKEN = re.compile(r"\s*([\w]+|[\[\],.])")
_LITERALS: tuple[tuple[str, Callable[[str, str], bool]], ...] = (
    ("!=", lambda own, wanted: own != wanted),
    ("_=", lambda own, wanted: own.lower() == wanted.lower()),
    ("^=", lambda own, wanted: own.lower().startswith(wanted.lower())),
    ("$=", lambda own, wanted: own.lower().endswith(wanted.lower())),
    ("*=", lambda own, wanted: wanted.lower() in own.lower()),
)
"""How an operation begins, and what it compares."""


class Fault(Exception):
    """What a call is answered with instead of a value."""

    def __init__(self, code: str | int, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


def public(text: str) -> Fault:
    """Return the fault that most refusals are."""
    return Fault("SoftLayer_Exception_Public", text)


def invalid(text: str) -> Fault:
    """Return the fault for an invalid value."""
    return Fault("SoftLayer_Exception_InvalidValue", text)


def not_found(id_: object) -> Fault:
    """Return the fault for an object that does not exist, or belongs to others."""
    return Fault("SoftLayer_Exception_ObjectNotFound", f"Unable to find object with id of '{id_}'.")


BAD_CREDENTIALS = public("Invalid API token.")
NO_CREDENTIALS = public("No valid authentication headers found")


@dataclass(frozen=True)
class Call:
    """One call.

    Attributes:
        service: the service's name.
        method: the method's name.
        args: the method's parameters.
        id: the id of the object; None if there is none.
        mask: of the response.
        filter: an object filter.
        limit: the most items of a list; None for all.
        offset: how many items of a list to skip.
        user: name and key from the headers; None if they have none.
    """

    service: str
    method: str
    args: tuple[Any, ...]
    id: str | None = None
    mask: Mask = field(default_factory=dict)
    filter: Json = field(default_factory=dict)
    limit: int | None = None
    offset: int = 0
    user: tuple[str, str] | None = None

    @classmethod
    def read(cls, service: str, body: bytes) -> Call:
        """Read the body of a request. Raises Fault."""
        if b"<!DOCTYPE" in body:
            raise Fault("-32700", "parse error. not well formed.")
        try:
            loaded, method = xmlrpc.client.loads(body, use_builtin_types=True)
            parameters: tuple[Any, ...] = loaded
            headers = parameters[0]["headers"] if parameters else {}
        except Exception as error:
            raise Fault("-32700", "parse error. not well formed.") from error
        if not method or not isinstance(headers, dict):
            raise Fault("-32600", "server error. invalid xml-rpc. not conforming to spec.")
        part = headers.get("resultLimit") or {}
        about = (headers.get(f"{service}InitParameters") or {}).get("id")
        user = headers.get("authenticate") or {}
        return cls(
            service,
            method,
            tuple(parameters[1:]),
            None if about is None else str(about),
            read_mask(_text(headers, "SoftLayer_ObjectMask")),
            headers.get(f"{service}ObjectFilter") or {},
            part.get("limit") or None,
            part.get("offset") or 0,
            (str(user.get("username")), str(user.get("apiKey"))) if user else None,
        )

    def parameter(self, kind: type, number: int = 0) -> Any:
        """Return a parameter of that type. Raises Fault."""
        if number >= len(self.args) or not isinstance(self.args[number], kind):
            raise Fault("-32602", f"Invalid parameters for {self.service}::{self.method}.")
        return self.args[number]


def _text(headers: Json, name: str) -> str:
    mask = headers.get(name) or {}
    return str(mask.get("mask") or "")


# Masks


def read_mask(text: str) -> Mask:
    """Read "mask[id,powerState[keyName],billingItem.id]". Raises Fault."""
    tokens = _TOKEN.findall(text)
    if "".join(tokens) != re.sub(r"\s", "", text):
        raise public("Object mask has an invalid character.")
    if tokens[:1] == ["mask"]:
        tokens = tokens[1:]
    if not tokens:
        return {}
    if tokens[0] == ".":
        tokens = ["[", *tokens[1:], "]"]
    elif tokens[0] != "[":
        tokens = ["[", *tokens, "]"]
    mask, rest = _members(tokens[1:])
    if rest:
        raise public("Object mask is not closed properly.")
    return mask


def _members(tokens: list[str]) -> tuple[Mask, list[str]]:
    """Read members until the closing bracket; return them, and the tokens after it."""
    mask: Mask = {}
    while tokens:
        name, *tokens = tokens
        if name == "]":
            return mask, tokens
        if name == ",":
            continue
        inner = mask.setdefault(name, {})
        while tokens[:1] == ["."]:
            inner, tokens = inner.setdefault(tokens[1], {}), tokens[2:]
        if tokens[:1] == ["["]:
            members, tokens = _members(tokens[1:])
            inner.update(members)
    raise public("Object mask is not closed properly.")


def masked(value: Any, mask: Mask) -> Any:
    """Return what a mask leaves of a value; without a mask, the fields that are no objects themselves."""
    if isinstance(value, list):
        return [masked(item, mask) for item in value]
    if not isinstance(value, dict):
        return value
    if not mask:
        return {name: part for name, part in value.items() if not isinstance(part, dict | list)}
    return {name: masked(value[name], inner) for name, inner in mask.items() if name in value}


# Filters


def selected(items: list[Json], conditions: Json) -> list[Json]:
    """Return the objects that fulfil a filter, in the order that it asks for."""
    found = [item for item in items if _fulfils(item, conditions)]
    for name, condition in conditions.items():
        if isinstance(condition, Mapping) and condition.get("operation") == "orderBy":
            (direction,) = _options(condition, "sort")[:1] or ["ASC"]
            found.sort(key=lambda item: item[name], reverse=direction == "DESC")
    return found


def _fulfils(value: Any, conditions: Any) -> bool:
    if not isinstance(conditions, Mapping):
        return True
    if "operation" in conditions:
        return _compares(value, conditions)
    if isinstance(value, list):
        return any(_fulfils(item, conditions) for item in value)
    fields = value if isinstance(value, dict) else {}
    return all(_fulfils(fields.get(name), inner) for name, inner in conditions.items())


def _compares(value: Any, condition: Mapping[str, Any]) -> bool:
    operation = condition["operation"]
    if operation == "orderBy":
        return True
    if operation == "in":
        return str(value) in {str(one) for one in _options(condition, "data")}
    if operation in {"is null", "not null"}:
        wants_null: bool = operation == "is null"
        return (value in (None, "")) is wants_null
    if isinstance(value, bool):
        return value is (str(operation).lower() in {"1", "true"})
    text = str(operation)
    for beginning, compare in _LITERALS:
        if text.startswith(beginning):
            return compare(str(value), text.removeprefix(beginning).strip())
    return str(value) == text


def _options(condition: Mapping[str, Any], name: str) -> list[Any]:
    options = condition.get("options") or []
    return next((list(option["value"]) for option in options if option.get("name") == name), [])

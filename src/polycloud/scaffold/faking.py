"""What a fake of the provider answers, from the document: the content of the package's `documented.json`.

The fake keeps collections, such as the servers. A call lists one, or creates, returns, changes or deletes an
item of it. Everything here is data: the code that reads it is the same in all packages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from polycloud.compute.types import NodeState
from polycloud.scaffold.examples import example
from polycloud.scaffold.matching import ACTIONS, COLLECTIONS, GIVEN, ITEMS, LISTS, PARTS
from polycloud.scaffold.openapi import Call, Document, Operations, json_schema
from polycloud.scaffold.paging import COUNTS, NEXT, parameter
from polycloud.scaffold.responses import Response
from polycloud.scaffold.schemas import Schema, is_nullable, kind_of
from polycloud.scaffold.states import state_field, states

__all__ = ["documented"]

DOES = {
    **{name: "list" if name in LISTS else "create" for name in (*COLLECTIONS, *PARTS)},
    **{name: "get" if method == "GET" else "delete" for name, (method, _) in ITEMS.items()},
    **dict.fromkeys(ACTIONS, "act"),
}
SEEDED = {name for name, (_, noun) in COLLECTIONS.items() if noun in {*GIVEN, "image"}}
"""The lists that are not empty before anything is created."""
RESULTS = {
    "reboot_node": NodeState.RUNNING,
    "start_node": NodeState.RUNNING,
    "stop_node": NodeState.STOPPED,
    "shutdown_node": NodeState.STOPPED,
}
COUNTED = dict(zip(("pages", "total", "page"), COUNTS, strict=True))
OTHERS = ("first", "last", "prev", "previous", "prev_page", "previous_page")
"""Further links between pages, beside those of `NEXT`."""
MESSAGES = ("message", "detail", "reason", "title", "description", "error")
REFUSALS = (404, 400, 422)

Path = tuple[str | int, ...]
Field = dict[str, Any]
"""The path of a field that tells of pages, and what it has."""


def documented(
    calls: Mapping[str, Sequence[Call]],
    found: Mapping[Call, Response],
    operations: Operations,
    document: Document,
) -> dict[str, Any]:
    """Return the collections with their examples, the calls, the states of a node, and an error."""
    named = {call: name for name in reversed([*calls]) for call in reversed(calls[name])}
    resources = _resources(named, found)
    entries = [
        _entry(call, name, found.get(call), resources[place], operations[call], document) | {"in": place}
        for call, name in named.items()
        if (place := _place(name, call)) in resources
    ]
    nodes = [found[call] for call in calls.get("list_nodes", ()) if call in found]
    return {
        "error": _error([operations[call] for call in named], document),
        "state": _state(nodes, document),
        "collections": {
            place: _collection(one, seeded=named[one.call] in SEEDED, document=document)
            for place, one in resources.items()
        },
        "calls": sorted(entries, key=lambda entry: entry["path"].count("{")),
    }


def _place(name: str, call: Call) -> str:
    """The collection that a call is about: `servers` for `/servers` and `/servers/{id}/start`."""
    path = call.path if DOES[name] in {"list", "create"} else call.path.rpartition("/{")[0]
    return path.rstrip("/").rpartition("/")[2]


def _resources(named: Mapping[Call, str], found: Mapping[Call, Response]) -> dict[str, Response]:
    """The response that shows an item of each collection: that of its list, else of one item."""
    showing = {
        does: [one for call, one in found.items() if DOES[named[call]] == does and one.kinds]
        for does in ("get", "list")
    }
    return {_place(named[one.call], one.call): one for some in showing.values() for one in reversed(some)}


def _collection(resource: Response, *, seeded: bool, document: Document) -> dict[str, Any]:
    item = example(resource.schema, document)
    return {"item": item, "items": [item] if seeded else []}


# Calls


def _entry(
    call: Call,
    name: str,
    response: Response | None,
    resource: Response,
    operation: Mapping[str, Any],
    document: Document,
) -> dict[str, Any]:
    """A call: what it does, the status and body of its response; `at` is the place of the item or list."""
    does = DOES[name]
    body: Any = None
    fields: list[Field] = []
    if response and does == "list":
        body, fields = _page(response.envelope, document, response.key)
    elif schema := document.success(operation):
        body = example(schema, document)
    shows = response is not None and (does == "list" or _is(resource, response))
    place = [response.key] if response and response.key else []
    sent = document.merged(json_schema(document.request_body(operation)) or {})
    return {
        "does": does,
        "method": call.method,
        "path": call.path,
        "status": _status(operation, has_body=body is not None),
        "body": body,
        "at": place if shows else None,
        "pages": {"parameter": parameter(operation, document), "fields": fields} if fields else None,
        "required": [str(one) for one in sent.get("required") or ()] if does == "create" else [],
    }


def _is(resource: Response, response: Response) -> bool:
    """Whether a response has an item of the collection, rather than a job or an action."""
    shared = resource.kinds.items() & response.kinds.items()
    return 2 * len(shared) >= len(resource.kinds)


def _status(operation: Mapping[str, Any], *, has_body: bool) -> int:
    statuses = sorted(str(status) for status in operation.get("responses", {}) if str(status).startswith("2"))
    numbers = [int(status) for status in statuses if status.isdecimal() and len(status) == len("200")]
    return next((one for one in numbers if has_body == (one != 204)), 200 if has_body else 204)  # noqa: PLR2004


def _page(schema: Schema, document: Document, key: str | None, at: Path = ()) -> tuple[Any, list[Field]]:
    """The only page of an empty list, and its fields that tell of pages."""
    envelope = document.merged(schema)
    if kind_of(envelope) == "array":
        return [], []
    page: dict[str, Any] = {}
    fields: list[Field] = []
    for name, value in (envelope.get("properties") or {}).items():
        field, plain = document.merged(value), name.strip("_").lower()
        if not at and name == key:
            page[name] = []
        elif field.get("properties"):
            page[name], inner = _page(value, document, None, (*at, name))
            fields += inner
        elif NEXT.fullmatch(plain) or plain in OTHERS or (at and NEXT.fullmatch(str(at[-1]).strip("_"))):
            if is_nullable(field) or name in (envelope.get("required") or ()):
                page[name] = None
            fields += [] if plain in OTHERS else [{"at": (*at, name), "has": _next(plain, field)}]
        else:
            page[name] = example(value, document)
            has = next((has for has, names in COUNTED.items() if names.fullmatch(plain)), None)
            fields += (
                [{"at": (*at, name), "has": has}] if has and kind_of(field) in {"integer", "number"} else []
            )
    return page, fields


def _next(name: str, field: Schema) -> str:
    """What leads to the next page: its number, a text to be sent, or a link."""
    if kind_of(field) in {"integer", "number"}:
        return "next number"
    shown = str(field.get("example", ""))
    is_link = field.get("format") == "uri" or "/" in shown or re.search("link|ur[il]|href|^next$", name)
    return "next link" if is_link else "next text"


# States and errors


def _state(nodes: Sequence[Response], document: Document) -> dict[str, Any]:
    """The nodes' collections, the field of their state, that of a new one, and that after each action."""
    node = nodes[0].resource if nodes else {}
    values = {state: name for name, state in reversed([*states(node, document).items()])}
    after = {
        verb.replace("_", ""): values[state]
        for operation, state in RESULTS.items()
        if state in values
        for verb in ACTIONS[operation][1].split()
    }
    places = [_place("list_nodes", one.call) for one in nodes]
    return {
        "in": places,
        "field": state_field(node),
        "created": values.get(NodeState.RUNNING),
        "after": after,
    }


def _error(operations: Sequence[Mapping[str, Any]], document: Document) -> dict[str, Any]:
    """The body of an error, and the path of its message."""
    for operation in operations:
        for status in REFUSALS:
            schema = json_schema(document.response(operation, status) or {})
            body = example(schema, document) if schema else None
            texts = dict(_texts(body))
            places = sorted(texts, key=lambda path: (MESSAGES.index(path[-1]), len(path)))
            if places:
                return {"body": body, "at": places[0]}
    return {"body": {"message": ""}, "at": ["message"]}


def _texts(value: Any, at: Path = ()) -> Iterator[tuple[Path, str]]:
    """The texts in an example that may be a message, by their paths."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inside:
        if isinstance(one, str) and key in MESSAGES:
            yield (*at, key), one
        else:
            yield from _texts(one, (*at, key))

"""The responses of an API's calls: where the resource is in each of them, and which fields it always has.

A response is a resource or a list of resources, either bare or in an envelope: `{"server": {...}}`,
`{"servers": [...], "meta": {...}}`. The key of the envelope and the name of the resource are guessed from the
path, from common envelope keys, and from which part has an id.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from polycloud.scaffold.matching import CREATES, LISTS, singular
from polycloud.scaffold.openapi import Call, Document, Operations
from polycloud.scaffold.schemas import Schema, is_nullable, kind_of

__all__ = ["Response", "read"]

IDS = ("id", "uuid", "slug", "identifier", "name")
"""Fields that identify a resource, the more likely first."""
DISTINCTIVE = (
    *("memory", "ram", "vcpus", "country", "ssh_key", "public_key", "ipv4", "networks"),
    *("size", "size_gigabytes", "status", "state"),
)
"""Fields by which one kind of resource is told from another, the more distinctive first."""
ENVELOPES = ("data", "items", "results", "result")


@dataclass(frozen=True, slots=True)
class Response:
    """A resource or a list of resources, bare or under the `key` of an envelope.

    Attributes:
        call: The call that returns it.
        envelope: The merged schema of the response.
        schema: The resource's schema as the document has it, perhaps a reference.
        resource: The resource's merged schema.
        key: The key of the envelope; None for a bare response.
        is_list: Whether there are several resources.
        ending: What the name of the envelope's Struct ends with.
        required: The fields without which a response is a different one.
    """

    call: Call
    envelope: Schema
    schema: Schema
    resource: Schema
    key: str | None = None
    is_list: bool = False
    ending: str = "Response"
    required: frozenset[str] = frozenset()

    @property
    def segment(self) -> str:
        """The last segment of the path that is not a parameter."""
        return _segment(self.call)

    @property
    def name(self) -> str:
        """The name of the resource: that of the path's segment, unless it has a key of its own."""
        return singular(self.segment if self.is_list or self.key in {None, *ENVELOPES} else str(self.key))

    @property
    def kinds(self) -> Mapping[str, str]:
        """The JSON type of each field of the resource."""
        return {key: kind_of(value) for key, value in (self.resource.get("properties") or {}).items()}


def read(
    calls: Mapping[str, Sequence[Call]], operations: Operations, document: Document
) -> dict[Call, Response]:
    """The responses of the calls that return JSON; lists come first, since resources are named after them."""
    responses: dict[Call, Response] = {}
    for name in sorted(calls, key=lambda name: (name not in LISTS, not name.startswith("get_"))):
        for call in calls[name]:
            schema = document.success(operations[call])
            if schema is not None and call not in responses:
                responses[call] = _response(name, call, schema, document)
    lists = [response for response in responses.values() if response.is_list]
    return {call: replace(one, required=_required(one, lists)) for call, one in responses.items()}


def _response(name: str, call: Call, schema: Schema, document: Document) -> Response:
    ending = "List" if name in LISTS else "Created" if name in CREATES else "Response"
    envelope = document.merged(schema)
    inside = {key: document.merged(value) for key, value in (envelope.get("properties") or {}).items()}
    key = None if name in LISTS else _key_of_one(inside, _segment(call))
    of_list = None if key else _key_of_list(inside, _segment(call), document)
    is_list = kind_of(envelope) == "array"
    if is_list:
        schema = envelope.get("items", {})
    elif key is not None:
        schema = envelope["properties"][key]
    elif of_list is not None and (name in LISTS or _identifier(inside) is None):
        schema, key, is_list = inside[of_list].get("items", {}), of_list, True
    resource = dict(document.merged(schema))
    if resource.get("properties"):
        resource["properties"] = {key: document.merged(one) for key, one in resource["properties"].items()}
    return Response(call, envelope, schema, resource, key, is_list, ending)


def _key_of_one(inside: Mapping[str, Schema], segment: str) -> str | None:
    """The key of the object named like the path, else of one with an id; None if the envelope has an id."""
    objects = [key for key, value in inside.items() if value.get("properties")]
    if _identifier(inside) is not None or not objects:
        return None
    named = [key for key in objects if singular(key) == singular(segment) or key in ENVELOPES]
    identified = [key for key in objects if _identifier(inside[key]["properties"]) is not None]
    return next(iter(named or identified), objects[0] if len(inside) == 1 else None)


def _key_of_list(inside: Mapping[str, Schema], segment: str, document: Document) -> str | None:
    lists = {key: value.get("items", {}) for key, value in inside.items() if kind_of(value) == "array"}
    keys = [key for key, items in lists.items() if document.merged(items).get("properties")]
    return next((key for key in (segment, segment.replace("-", "_"), *ENVELOPES, *keys) if key in keys), None)


def _identifier(keys: Iterable[str]) -> str | None:
    known = {key.lower(): key for key in keys}
    return next((known[name] for name in IDS if name in known), None)


def _segment(call: Call) -> str:
    return next((one for one in reversed(call.path.split("/")) if one and "{" not in one), "")


# Required fields


def _required(response: Response, lists: Sequence[Response]) -> frozenset[str]:
    """The id; and for a list, one field that other lists in the same envelope do not have."""
    required = {key for key in [_identifier(response.kinds)] if key is not None}
    for other in lists if response.is_list else ():
        distinct = sorted(_distinct(response, other), key=lambda key: _rank(key, response))
        if other.key == response.key and not required & {*distinct}:
            required |= {*distinct[:1]}
    return frozenset(required)


def _distinct(response: Response, other: Response) -> Iterator[str]:
    """Fields that are never null and that the other resource does not have, or has of another type."""
    for key, kind in response.kinds.items():
        if kind and kind != other.kinds.get(key) and not is_nullable(response.resource["properties"][key]):
            yield key


def _rank(key: str, response: Response) -> tuple[int, bool]:
    declared = response.resource.get("required") or ()
    return DISTINCTIVE.index(key) if key in DISTINCTIVE else len(DISTINCTIVE), key not in declared

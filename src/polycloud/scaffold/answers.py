"""What the calls of an API answer with: where in an answer the things are, and what they surely have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from polycloud.scaffold.api import Call
from polycloud.scaffold.matching import CREATES, LISTS, Operations, singular
from polycloud.scaffold.schemas import Schema, Schemas, is_nullable, kind_of

__all__ = ["Answer", "read"]

IDS = ("id", "uuid", "slug", "identifier", "name")
"""What a thing is known by, the likelier first."""
TELLING = (
    *("memory", "ram", "vcpus", "country", "ssh_key", "public_key", "ipv4", "networks"),
    *("size", "size_gigabytes", "status", "state"),
)
"""What tells a sort of thing from the others, the likelier first."""
ENVELOPES = ("data", "items", "results", "result")


@dataclass(frozen=True, slots=True)
class Answer:
    """A thing or a list of things, bare or under a `key` of the `whole`.

    `schema` is the thing's as it is told, `thing` all of it, `required` what it cannot do without.
    """

    call: Call
    whole: Schema
    schema: Schema
    thing: Schema
    key: str | None = None
    is_list: bool = False
    ending: str = "Answer"
    required: frozenset[str] = frozenset()

    @property
    def place(self) -> str:
        """The last of the path that is no parameter."""
        return _place(self.call)

    @property
    def name(self) -> str:
        """What the thing is called: after its place, unless it has a key of its own."""
        return singular(self.place if self.is_list or self.key in {None, *ENVELOPES} else str(self.key))

    @property
    def kinds(self) -> Mapping[str, str]:
        """The type in JSON of each property of the thing."""
        return {key: kind_of(value) for key, value in (self.thing.get("properties") or {}).items()}


def read(calls: Mapping[str, Sequence[Call]], operations: Operations, schemas: Schemas) -> dict[Call, Answer]:
    """The answers of the calls that answer something: of lists first, after which things are named."""
    answers: dict[Call, Answer] = {}
    for name in sorted(calls, key=lambda name: (name not in LISTS, not name.startswith("get_"))):
        for call in calls[name]:
            schema = schemas.answer(operations[call])
            if schema is not None and call not in answers:
                answers[call] = _answer(name, call, schema, schemas)
    lists = [answer for answer in answers.values() if answer.is_list]
    return {call: replace(one, required=_required(one, lists)) for call, one in answers.items()}


def _answer(name: str, call: Call, schema: Schema, schemas: Schemas) -> Answer:
    ending = "List" if name in LISTS else "Created" if name in CREATES else "Answer"
    whole = schemas.whole(schema)
    inside = {key: schemas.whole(value) for key, value in (whole.get("properties") or {}).items()}
    key = None if name in LISTS else _key_of_one(inside, _place(call))
    of_list = None if key else _key_of_list(inside, _place(call), schemas)
    is_list = kind_of(whole) == "array"
    if is_list:
        schema = whole.get("items", {})
    elif key is not None:
        schema = whole["properties"][key]
    elif of_list is not None and (name in LISTS or _identifier(inside) is None):
        schema, key, is_list = inside[of_list].get("items", {}), of_list, True
    thing = dict(schemas.whole(schema))
    if thing.get("properties"):
        thing["properties"] = {key: schemas.whole(value) for key, value in thing["properties"].items()}
    return Answer(call, whole, schema, thing, key, is_list, ending)


def _key_of_one(inside: Mapping[str, Schema], place: str) -> str | None:
    """The object of the path's name, else one that has an id; none where the answer has one itself."""
    objects = [key for key, value in inside.items() if value.get("properties")]
    if _identifier(inside) is not None or not objects:
        return None
    named = [key for key in objects if singular(key) == singular(place) or key in ENVELOPES]
    known = [key for key in objects if _identifier(inside[key]["properties"]) is not None]
    return next(iter(named or known), objects[0] if len(inside) == 1 else None)


def _key_of_list(inside: Mapping[str, Schema], place: str, schemas: Schemas) -> str | None:
    lists = {key: value.get("items", {}) for key, value in inside.items() if kind_of(value) == "array"}
    keys = [key for key, items in lists.items() if schemas.whole(items).get("properties")]
    return next((key for key in (place, place.replace("-", "_"), *ENVELOPES, *keys) if key in keys), None)


def _identifier(keys: Iterable[str]) -> str | None:
    known = {key.lower(): key for key in keys}
    return next((known[one] for one in IDS if one in known), None)


def _place(call: Call) -> str:
    return next((one for one in reversed(call.path.split("/")) if one and "{" not in one), "")


# What is required


def _required(answer: Answer, lists: Sequence[Answer]) -> frozenset[str]:
    """The id; and of a list what those do not have that come in an envelope like its own."""
    required = {key for key in [_identifier(answer.kinds)] if key is not None}
    for other in lists if answer.is_list else ():
        lacking = sorted(_lacking(answer, other), key=lambda key: _telling(key, answer))
        if other.key == answer.key and not required & {*lacking}:
            required |= {*lacking[:1]}
    return frozenset(required)


def _lacking(answer: Answer, other: Answer) -> Iterator[str]:
    """What a thing always has, and another one not, or of another type."""
    for key, kind in answer.kinds.items():
        if kind and kind != other.kinds.get(key) and not is_nullable(answer.thing["properties"][key]):
            yield key


def _telling(key: str, answer: Answer) -> tuple[int, bool]:
    surely = answer.thing.get("required") or ()
    return TELLING.index(key) if key in TELLING else len(TELLING), key not in surely

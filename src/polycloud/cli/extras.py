"""What a driver's method takes beyond those of all drivers, such as `create_node`, read from its signature.

`--set NAME=VALUE` gives any of it, and `--help` of a profile lists it. Of a new node,
`--key`, `--security-group` and `--network` are options that many providers have under names of their own; a
driver says so in `create_names`.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter, signature
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin, get_type_hints

from polycloud.errors import InvalidArgumentError, UnsupportedOperationError

if TYPE_CHECKING:
    from polycloud.common.operations import OperationsDriver
    from polycloud.compute.base import NodeDriver

__all__ = [
    "CREATE_BALANCER",
    "CREATE_NODE",
    "UPDATE_BALANCER",
    "Method",
    "described",
    "if_supported",
    "parsed",
    "usual",
]


@dataclass(frozen=True, slots=True)
class Method:
    """A method of drivers: its name, when it is called, and the arguments that have options of their own."""

    name: str
    when: str
    usual: Sequence[str]


CREATE_NODE = Method(
    "create_node",
    "when a node is created",
    ("name", "size", "image", "location", "auth", "tags", "user_data", "idempotency_key"),
)
_OF_BALANCERS = (
    *("balancer", "name", "port", "protocol", "algorithm", "members", "ex_certificate", "ex_health_check"),
    *("ex_listeners", "ex_private_key", "ex_proxy_protocol", "ex_sticky"),
)
CREATE_BALANCER = Method("create_balancer", "when a balancer is created", _OF_BALANCERS)
UPDATE_BALANCER = Method("update_balancer", "when a balancer is changed", _OF_BALANCERS)
NEAREST = 3
ITEMS = {"true": True, "yes": True, "false": False, "no": False}
WORDS = {bool: "true or false", int: "a number", float: "a number", str: "text", bytes: "text"}


def parsed(driver: OperationsDriver, texts: Sequence[str], method: Method = CREATE_NODE) -> dict[str, Any]:
    """The arguments that texts `NAME=VALUE` stand for. Raises `InvalidArgumentError` for what they cannot be.

    An argument that is a list is given by several texts, or as JSON.
    """
    known, others = _known(type(driver), method)
    values: dict[str, list[str]] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise InvalidArgumentError("--set must be NAME=VALUE, such as ex_dedicated=true")
        _require(driver, name, known, method, others=others)
        values.setdefault(name, []).append(value)
    return {name: _converted(f"--set {name}", known.get(name, Any), found) for name, found in values.items()}


def usual(driver: NodeDriver, option: str, values: Sequence[str]) -> dict[str, Any]:
    """The argument for an option that providers name differently, such as "security-group".

    Raises `UnsupportedOperationError` if the driver has none.
    """
    if not values:
        return {}
    if option not in driver.create_names:
        raise UnsupportedOperationError(
            f"{driver.name} does not take --{option} when a node is created", driver
        )
    name, _, member = driver.create_names[option].partition(".")
    if not member:
        return {name: _converted(f"--{option}", _known(type(driver), CREATE_NODE)[0][name], values)}
    value = _converted(f"--{option}", str, values)
    return {name: {member: int(value) if value.isdecimal() else value}}


def if_supported(driver: OperationsDriver, method: Method, name: str, value: Any) -> dict[str, Any]:
    """The argument, if it has a value. Raises `UnsupportedOperationError` if the driver does not take it."""
    if not value:
        return {}
    parameters = signature(getattr(driver, method.name)).parameters
    if name not in parameters and all(one.kind is not one.VAR_KEYWORD for one in parameters.values()):
        option = name.removeprefix("ex_").removesuffix("s").replace("_", "-")
        raise UnsupportedOperationError(f"{driver.name} does not take --{option} {method.when}", driver)
    return {name: value}


def described(kind: type[OperationsDriver], method: Method = CREATE_NODE) -> list[tuple[str, str]]:
    """What `--set` takes for a driver: each name, and what its value is."""
    return [(name, _words(type_)) for name, type_ in _known(kind, method)[0].items()]


def _secrets(kind: type[OperationsDriver]) -> Sequence[str]:
    secrets: Sequence[str] = getattr(kind, "password_arguments", ())
    return secrets


def _known(kind: type[OperationsDriver], method: Method) -> tuple[dict[str, Any], bool]:
    """The arguments by name, each with its type; and whether there may be others."""
    function = getattr(kind, method.name)
    hints, others = get_type_hints(function), False
    found: dict[str, Any] = {}
    for name, parameter in signature(function).parameters.items():
        if parameter.kind is Parameter.VAR_KEYWORD:
            options = get_args(hints.get(name))  # Unpack of a TypedDict
            found |= get_type_hints(options[0]) if options else {}
            others = not options
        else:
            found[name] = hints.get(name, Any)
    hidden = ("self", *method.usual, *_secrets(kind))
    return {name: type_ for name, type_ in found.items() if name not in hidden}, others


def _require(
    driver: OperationsDriver, name: str, known: Mapping[str, Any], method: Method, *, others: bool
) -> None:
    if name in _secrets(type(driver)):
        raise InvalidArgumentError(f"{name} is a secret, which does not belong on a command line; use --key")
    if name in method.usual:
        raise InvalidArgumentError(f"{name} has an option of its own")
    if name not in known and not others:
        near = difflib.get_close_matches(name, known, NEAREST)
        hint = f"the nearest are {', '.join(near)}" if near else f"it has {', '.join(known) or 'no others'}"
        raise InvalidArgumentError(f"{method.name} of {driver.name} has no {name!r}; {hint}")


# Types


def _members(type_: Any) -> list[Any]:
    """The types of a union without None; or the only one."""
    members = get_args(type_) if get_origin(type_) in {Union, UnionType} else (type_,)
    return [member for member in members if member is not NoneType]


def _items(type_: Any) -> Any:
    """The type of the items, where it is a list; else None."""
    for member in _members(type_):
        origin = get_origin(member)
        if isinstance(origin, type) and issubclass(origin, Iterable) and not issubclass(origin, Mapping):
            return get_args(member)[0]
    return None


def _is_table(type_: Any) -> bool:
    members = _members(type_)  # where a text will do, a shell gives a text
    has_table = str not in members and any(isinstance(get_origin(member), type) for member in members)
    return has_table and not _items(type_)


def _words(type_: Any) -> str:
    if (item := _items(type_)) is not None:
        return "several tables in JSON" if _is_table(item) else f"{_words(item)}; may be repeated"
    if _is_table(type_):
        return "a table in JSON"
    members = _members(type_)
    return WORDS.get(str if str in members else members[0], "text")


def _converted(option: str, type_: Any, texts: Sequence[str]) -> Any:
    if (item := _items(type_)) is not None:
        if len(texts) == 1 and texts[0].startswith("["):
            return _from_json(option, texts[0], list)
        return [_one(option, item, text) for text in texts]
    if len(texts) > 1:
        raise InvalidArgumentError(f"{option} takes one value, got {len(texts)}")
    return _one(option, type_, texts[0])


def _one(option: str, type_: Any, text: str) -> Any:
    if _is_table(type_):
        return _from_json(option, text, dict)
    members = _members(type_)
    if str in members:
        return text
    if bool in members:
        if text.lower() not in ITEMS:
            raise InvalidArgumentError(f"{option} must be true or false")
        return ITEMS[text.lower()]
    kind = next((member for member in (int, float) if member in members), None)
    if kind is None:
        return text
    try:
        return kind(text)
    except ValueError:
        raise InvalidArgumentError(f"{option} must be a number") from None


def _from_json(option: str, text: str, kind: type) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, kind):
        shape = '{"name": "value"}' if kind is dict else '["value"]'
        raise InvalidArgumentError(f"{option} must be JSON such as {shape}")
    return value

"""How EC2 writes its resources, and how an `extra` is built from them."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import msgspec

from polycloud.common.creation import marker_for
from polycloud.common.payload import LazyExtra, parse_datetime
from polycloud.errors import InvalidArgumentError, MalformedResponseError

WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
BOOLEANS = {"true": True, "false": False}


class Payload(msgspec.Struct, rename="camel"):
    """A part of a response, by the provider's names; all fields but the id may be missing."""


# Responses


def lazy(fields: dict[str, Any], build: Callable[[dict[str, Any]], dict[str, Any]]) -> LazyExtra:
    """Return an `extra` that is built from a resource's fields when it is first read."""
    return LazyExtra(msgspec.json.encode(fields), _from_json(build))


@cache  # a function for each resource would take 250 bytes more
def _from_json(build: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[bytes], dict[str, Any]]:
    return lambda raw: build(msgspec.json.decode(raw))


def extra_of(fields: dict[str, Any], names: Iterable[str] = ()) -> dict[str, Any]:
    """Return the `extra` of a resource's fields: all of `names` are in it, and the tags are a dict."""
    tags = fields.pop("tagSet", None) or ()
    try:
        by_key = {tag["key"]: tag.get("value") or "" for tag in tags}
    except (AttributeError, LookupError, TypeError):
        raise MalformedResponseError("the tags are not as documented", str(tags)[:200]) from None
    return {**dict.fromkeys(names), **snake(fields), "tags": by_key}


def snake(value: Any) -> Any:
    """Return fields with names in snake case, and with booleans for the texts "true" and "false"."""
    if isinstance(value, dict):
        return {WORD.sub("_", name).lower(): snake(part) for name, part in value.items()}
    if isinstance(value, list):
        return [snake(part) for part in value]
    return BOOLEANS.get(value, value)


def convert(extra: dict[str, Any], read: Callable[[Any], Any], *names: str) -> None:
    """Replace the texts under `names`, where there are any, by what `read` makes of them."""
    extra.update({name: read(extra[name]) for name in names if extra.get(name) is not None})


def disks_of(extra: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the disks of the `extra` of an instance or an image, with times and numbers converted."""
    disks: list[dict[str, Any]] = extra["block_device_mapping"] or []
    for disk in disks:
        if ebs := disk.get("ebs"):
            convert(ebs, parse_datetime, "attach_time")
            convert(ebs, int, "volume_size", "iops")
            ebs["delete"] = ebs.get("delete_on_termination")
    return disks


# Requests


def encoded(data: str | bytes) -> str:
    """Return text or bytes in base64."""
    return base64.b64encode(data if isinstance(data, bytes) else data.encode()).decode()


def client_token(idempotency_key: str | None = None) -> str:
    """Return the token by which the provider recognizes a repeated create."""
    return f"polycloud-{marker_for(idempotency_key)}"


def require_known(method: str, options: Iterable[str], known: Iterable[str]) -> None:
    """Raise `InvalidArgumentError` for an option that the method does not take."""
    if unknown := sorted(set(options) - set(known)):
        raise InvalidArgumentError(f"{method} takes no {unknown[0]}; it takes {', '.join(sorted(known))}")

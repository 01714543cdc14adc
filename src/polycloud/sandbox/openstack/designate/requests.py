"""Fields of requests, and pages of lists."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from polycloud.sandbox.openstack.designate.rdata import DOMAIN
from polycloud.sandbox.openstack.errors import DesignateInputError
from polycloud.sandbox.rest.bodies import Body
from polycloud.sandbox.rest.replies import Call, Json, Reply

_MOST_TTL = 2**31 - 1
_MOST_ITEMS, _USUAL_ITEMS = 1000, 20
_LONGEST_TEXT = 160
_PAGING = frozenset({"limit", "marker", "sort_dir", "sort_key"})


def page(call: Call, name: str, items: Sequence[Any], show: Callable[[Any], Json], fields: Any) -> Reply:
    """Return the page of a list that a request asks for; `fields` are those that it may select by."""
    unknown = sorted(set(call.query) - _PAGING - fields)
    if unknown:
        raise DesignateInputError("bad_request", f"Invalid filters {', '.join(unknown)}")
    text, marker = call.query.get("limit", str(_USUAL_ITEMS)), call.query.get("marker")
    if not text.isdecimal() or int(text) == 0:
        message = f"limit should be an integer between 1 and {_MOST_ITEMS}"
        raise DesignateInputError("invalid_limit", message)
    found = [one for one in items if _matches(one, call)]
    total = len(found)
    if marker is not None:
        check_id(marker, "invalid_marker")
        at = next((number for number, one in enumerate(found) if one.id == marker), None)
        if at is None:
            raise DesignateInputError("marker_not_found", "Marker None could not be found")
        found = found[at + 1 :]
    shown = found[: min(int(text), _MOST_ITEMS)]
    kept = "&".join(f"{key}={value}" for key, value in call.query.pairs if key != "marker")
    links = {"self": f"{call.url}?{kept}" if kept else call.url}
    if shown and len(shown) == int(text):
        links["next"] = f"{call.url}?{kept + '&' if kept else ''}marker={shown[-1].id}"
    body = {name: [show(one) for one in shown], "links": links, "metadata": {"total_count": total}}
    return Reply(200, body)


def _matches(one: Any, call: Call) -> bool:
    """Return whether an item has what a query asks for; a star stands for anything."""
    for name, wanted in call.query.items():
        if name in _PAGING:
            continue
        values = getattr(one, "records", []) if name == "data" else [getattr(one, name)]
        if not any(
            fnmatchcase(str(value), wanted.replace("[", "[[]").replace("?", "[?]")) for value in values
        ):
            return False
    return True


def check_id(text: str, kind: str, name: str = "") -> None:
    """Raise an error of a kind unless the text is a UUID; its message has the name, if there is one."""
    try:
        uuid.UUID(text)
    except ValueError:
        raise DesignateInputError(kind, f"Invalid UUID {name}: {text}" if name else "") from None


def invalid(path: Sequence[Any], message: str, validator: str, value: Any) -> DesignateInputError:
    """Return an error about a field."""
    problem = {"path": list(path), "message": message, "validator": validator, "validator_value": value}
    return DesignateInputError("invalid_object", problems=(problem,))


def refuse(message: str) -> DesignateInputError:
    """Return an error about a value."""
    text = f"Provided object is not valid. Got a ValueError error with message {message}"
    return DesignateInputError("invalid_object", text)


def check_fields(body: Body, kind: str, *known: str) -> None:
    """Raise an error for a body without fields, with unknown ones, or with values out of range."""
    if not getattr(body, "raw", b""):
        raise DesignateInputError("empty_request_body", "Request Body is empty")
    unknown = sorted(body.fields - set(known))
    if unknown:
        message = f"Provided object does not match schema. Keys {unknown} are not valid for {kind}"
        raise DesignateInputError("invalid_object", message)
    ttl, text = body.value("ttl"), body.value("description")
    if ttl is not None:
        if not re.fullmatch(r"-?\d+", str(ttl)):
            raise refuse(f"invalid literal for int() with base 10: {ttl!r}")
        if int(ttl) < 0:
            raise refuse("Value must be >= 0 for field ttl")
        if int(ttl) > _MOST_TTL:
            raise refuse("Value too high for ttl")
    if text is not None and len(str(text)) > _LONGEST_TEXT:
        raise refuse("Value too long for description")


def ttl_of(body: Body, default: int | None) -> int | None:
    """Return the TTL in a body, which may be null."""
    value = body.value("ttl")
    return None if body.names("ttl") and value is None else default if value is None else int(value)


def check_email(email: Any) -> str:
    """Return an address of e-mail. Raises an error for anything else."""
    if str(email).count("@") != 1:
        raise refuse(f"{email} is not an email")
    if not DOMAIN.fullmatch(f"{str(email).replace('@', '.')}."):
        raise refuse(f"Email {email} is invalid")
    return str(email)


def check_name(text: Any, noun: str, pattern: re.Pattern[str]) -> str:
    """Return a name that matches a pattern. Raises an error, which calls it `noun`, for anything else."""
    name = str(text)
    if not name.endswith("."):
        raise refuse(f"{noun} {name} does not end with a dot")
    if not pattern.fullmatch(name):
        raise refuse(f"{noun} {name} is invalid")
    return name

"""Google's errors, and how resources begin."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from polycloud.sandbox.objects.http import Refusal, Reply

JSON = "application/json; charset=UTF-8"
_PRECONDITION = "At least one of the pre-conditions you specified did not hold."


def json_reply(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
    """Return a response with a JSON body."""
    return Reply(status, {"content-type": JSON, **(headers or {})}, msgspec.json.encode(body))


def refusal(status: int, reason: str, message: str, **where: str) -> Refusal:
    """Return the error that ends a request: `where` may have `locationType` and `location`."""
    one = {"message": message, "domain": "global", "reason": reason, **where}
    return Refusal(json_reply({"error": {"code": status, "message": message, "errors": [one]}}, status))


def invalid(message: str) -> Refusal:
    """Return the error about a value that is invalid."""
    return refusal(400, "invalid", message)


def precondition() -> Refusal:
    """Return the error about a precondition that is not met."""
    return refusal(412, "conditionNotMet", _PRECONDITION, locationType="header", location="If-Match")


def stamp(seconds: float) -> str:
    """Return seconds since 1970 as resources have them."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def merged(old: Any, patch: Any) -> Any:
    """Return a value with a patch applied: objects are merged, and what is null is removed."""
    if not isinstance(old, dict) or not isinstance(patch, dict):
        return patch
    kept = {**old, **{name: merged(old.get(name, {}), value) for name, value in patch.items()}}
    return {name: value for name, value in kept.items() if value is not None}


def body_of(raw: bytes) -> dict[str, Any]:
    """Return the JSON object of a request, empty without a body. Raises `Refusal`."""
    try:
        body = msgspec.json.decode(raw or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise refusal(400, "parseError", "Parse Error") from None
    if not isinstance(body, dict):
        raise refusal(400, "parseError", "Parse Error")
    return body

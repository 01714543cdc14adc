"""Cloudflare's envelope, its errors with codes, and its pages.

Cloudflare does not publish its list of codes; those here are named in its documentation and in responses
that its users have published. Some come at the top of `errors`, others in the `error_chain` of code 1004.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from email import message_from_bytes
from typing import Any

from polycloud.sandbox.rest import bodies, collection
from polycloud.sandbox.rest.errors import (
    ApiError,
    ForbiddenError,
    InputError,
    MalformedError,
    MethodError,
    NotFoundError,
    RateLimitError,
    UnauthorizedError,
)
from polycloud.sandbox.rest.replies import Call, Json, Listing, Reply

_WORDS: dict[type[ApiError], tuple[int, str]] = {
    MalformedError: (6007, "Malformed JSON in request body"),
    UnauthorizedError: (1000, "Invalid API Token"),
    ForbiddenError: (10000, "Authentication error"),
    RateLimitError: (10100, "Please wait and consider throttling your request speed"),
}
_INVALID, _VALIDATION, _FIELD = 1002, 1004, 9100
_ID = re.compile("[0-9a-f]{32}")


class RefusedError(ApiError):
    """A request that is refused with one of Cloudflare's codes.

    Args:
        code: the code.
        message: the message.
        chain: codes and messages that explain it.
    """

    status = 400

    def __init__(self, code: int, message: str, *chain: tuple[int, str]) -> None:
        super().__init__(message)
        self.code, self.chain = code, chain


class MissingError(RefusedError):
    """Something that does not exist."""

    status = 404


class DeniedError(RefusedError):
    """Something that the credentials do not permit."""

    status = 403


def invalid(code: int, message: str) -> RefusedError:
    """Return the error for a record whose field has an invalid value."""
    return RefusedError(_VALIDATION, "DNS Validation Error", (code, message))


class Body(bodies.Body):
    """A JSON object, or the parts of a form with files."""

    stop = "."

    @classmethod
    def parse(cls, raw: bytes) -> bodies.Body:
        """Return the object or the form in a request. Raises MalformedError for anything else."""
        return cls(_form(raw)) if raw.startswith(b"--") else super().parse(raw)


def _form(raw: bytes) -> Json:
    """Return the parts of a multipart body by name, as texts."""
    boundary = raw.split(b"\r\n", 1)[0].removeprefix(b"--")
    head = b'Content-Type: multipart/form-data; boundary="%s"\r\n\r\n' % boundary
    fields: Json = {}
    for part in message_from_bytes(head + raw).walk():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            fields[name] = content.decode(errors="replace")
    return fields


def envelope(result: Any, **more: Any) -> Json:
    """Return the body of a response to a request that succeeded."""
    return {"result": result, "success": True, "errors": [], "messages": [], **more}


@dataclass(kw_only=True, eq=False)
class Table(collection.Table):
    """A collection.

    Attributes:
        missing: the code and the message of an unknown id.
    """

    missing: tuple[int, str]

    def __post_init__(self) -> None:
        super().__post_init__()
        self.find = self._find

    def _find(self, owner: Any, key: str) -> Any:
        if not _ID.fullmatch(key):
            raise NotFoundError
        items: Json = getattr(owner, self.items)
        if key not in items:
            raise MissingError(*self.missing)
        return items[key]

    def reply(self, item: Any, *, created: bool = False) -> Reply:
        """Return the response that shows one item."""
        return Reply(200, envelope(self.view(item)))

    def listing(self, items: Iterable[Any]) -> Listing:
        """Return the list of items, to be paged."""
        return Listing(list(items), self.view, self.many)

    def deleted(self) -> Reply:
        """Return the response to a request that leaves nothing to show."""
        return Reply(200, envelope(None))

    def _delete(self, state: Any, call: Call) -> Reply:
        item = self.at(state, call)
        super()._delete(state, call)
        return Reply(200, envelope({"id": item.id}))

    def carry_out(self, method: str, state: Any, call: Call) -> Json:
        """Carry out a request as if it had come alone; return its result."""
        handlers = {"POST": self._create, "PATCH": self._patch, "PUT": self._put, "DELETE": self._delete}
        body = handlers[method](state, call).body
        assert isinstance(body, dict)
        result: Json = body["result"]
        return result

    def note(self, state: Any, verb: str, item: Any, owner: Any) -> None:
        """Set the date of the last change."""
        item.modified_on = state.stamp()


def page(call: Call, listing: Listing, usual: int, largest: int) -> Reply:
    """Return the page that a request asks for."""
    number = max(_number(call, "page", 1), 1)
    size = min(max(_number(call, "per_page", usual), 1), largest)
    shown = listing.items[(number - 1) * size : number * size]
    total = len(listing.items)
    info = {
        "page": number,
        "per_page": size,
        "count": len(shown),
        "total_count": total,
        "total_pages": -(-total // size),
    }
    return Reply(200, envelope([listing.view(item) for item in shown], result_info=info))


def _number(call: Call, name: str, default: int) -> int:
    number = call.query.number(name, default)
    if number is None:
        raise InputError(f"{name} must be a number.", name)
    return number


def refusal(error: ApiError, path: str) -> Reply:
    """Return the response to a refused request."""
    status = 400 if isinstance(error, InputError) else error.status
    wait = error.retry_after if isinstance(error, RateLimitError) else None
    body = {"result": None, "success": False, "errors": _errors(error, path), "messages": []}
    return Reply(status, body, {} if wait is None else {"retry-after": str(wait)})


def _errors(error: ApiError, path: str) -> list[Json]:
    if isinstance(error, RefusedError):
        chain = [{"code": code, "message": message} for code, message in error.chain]
        shown = {"code": error.code, "message": str(error)}
        return [{**shown, "error_chain": chain} if chain else shown]
    if isinstance(error, InputError):
        problems = [{"code": _FIELD, "message": reason} for reason, _ in error.problems]
        if "/dns_records" not in path:
            return [{**problem, "code": _INVALID} for problem in problems]
        return [{"code": _VALIDATION, "message": "DNS Validation Error", "error_chain": problems}]
    if isinstance(error, MethodError):
        return [{"code": 7001, "message": "Method not available for that URI."}]
    if isinstance(error, NotFoundError):
        text = f"Could not route to {path}, perhaps your object identifier is invalid?"
        return [{"code": 7003, "message": text}, {"code": 7000, "message": "No route for that URI"}]
    code, message = _WORDS[type(error)]
    return [{"code": code, "message": str(error) or message}]

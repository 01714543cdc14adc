"""OpenStack's envelopes, which differ between its services: items, lists with markers, errors."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlencode

from polycloud.sandbox.openstack.errors import (
    DesignateError,
    NeutronError,
    NeutronInputError,
    NeutronNotFoundError,
)
from polycloud.sandbox.reasons import reason
from polycloud.sandbox.rest import bodies, collection
from polycloud.sandbox.rest.errors import (
    ApiError,
    InputError,
    MalformedError,
    MethodError,
    NotFoundError,
    RateLimitError,
    UnauthorizedError,
)
from polycloud.sandbox.rest.replies import Call, Json, Listing, Reply

if TYPE_CHECKING:
    from polycloud.sandbox.openstack.state import State

DONE = Reply(204)
ACCEPTED = Reply(202)

_UNAUTHORIZED = "The request you have made requires authentication."
_MALFORMED = (
    "The server could not comply with the request since it is either malformed or otherwise incorrect."
)
_NOT_FOUND = "The resource could not be found."
_GLANCE_UNAUTHORIZED = (
    "This server could not verify that you are authorized to access the document you requested. Either you "
    "supplied the wrong credentials (e.g., bad password), or your browser does not understand how to supply "
    "the credentials required."
)
_FAULTS = {
    400: "badRequest",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    406: "computeFault",
    409: "conflictingRequest",
    413: "overLimit",
    415: "badMediaType",
}


def refusal(error: ApiError, service: str, accept: str, keystone: str) -> Reply:
    """Return the response to a refused request, as that service puts it.

    Args:
        error: why it is refused.
        service: the first segment of the path.
        accept: the header Accept; Glance answers in HTML unless it names JSON.
        keystone: the address of Keystone.
    """
    status = {422: 400, 429: 413}.get(error.status, error.status)
    message = str(error) or _default_message(error)
    headers = {}
    if isinstance(error, UnauthorizedError):
        headers["WWW-Authenticate"] = f'Keystone uri="{keystone}"'
    if isinstance(error, RateLimitError):
        headers["Retry-After"] = str(error.retry_after)
    if service == "image":
        return _of_glance(status, message, accept, headers)
    if isinstance(error, UnauthorizedError) or service == "identity":
        title = reason(status)
        return Reply(status, {"error": {"code": status, "message": message, "title": title}}, headers)
    if service == "dns":
        return _of_designate(error, status)
    if service == "load-balancer":
        return _of_octavia(error, status)
    if service == "network":
        kind = error.kind if isinstance(error, NeutronError) else f"HTTP{_pascal(status)}"
        return Reply(status, {"NeutronError": {"type": kind, "message": message, "detail": ""}}, headers)
    if type(error) is NotFoundError and not str(error):
        return Reply(status, _unknown_path(), headers)
    fault: Json = {"code": status, "message": message}
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        fault["retryAfter"] = headers.setdefault("Retry-After", "0")
    return Reply(status, {_FAULTS[status]: fault}, headers)


def _of_designate(error: ApiError, status: int) -> Reply:
    kinds = {405: "method_not_allowed", 404: "not_found"}
    kind = error.kind if isinstance(error, DesignateError) else kinds.get(status, "bad_request")
    body: Json = {"code": status, "type": kind, "request_id": f"req-{uuid.uuid4()}"}
    message = str(error) or ("resource not found" if kind == "not_found" else "")
    if message:
        body["message"] = message
    if isinstance(error, DesignateError) and error.details:
        body["errors"] = {"errors": list(error.details)}
    return Reply(status, body)


def _of_octavia(error: ApiError, status: int) -> Reply:
    if not str(error):
        return Reply(status, {"code": status, "title": reason(status), "description": ""})
    return Reply(status, {"faultcode": "Client", "faultstring": str(error), "debuginfo": None})


def _default_message(error: ApiError) -> str:
    words: dict[type[ApiError], str] = {
        UnauthorizedError: _UNAUTHORIZED,
        MalformedError: _MALFORMED,
        NotFoundError: _NOT_FOUND,
        RateLimitError: "This request was rate-limited.",
        MethodError: "The method is not allowed for this resource.",
    }
    return words.get(type(error), reason(error.status))


def _pascal(status: int) -> str:
    return reason(status).title().replace(" ", "")


def _unknown_path() -> Json:
    return {"message": f"{_NOT_FOUND}<br /><br />\n\n\n", "code": "404 Not Found", "title": "Not Found"}


def _of_glance(status: int, message: str, accept: str, headers: dict[str, str]) -> Reply:
    title = reason(status)
    if message == _UNAUTHORIZED:
        message = _GLANCE_UNAUTHORIZED
    message += "<br /><br />\n\n\n"
    if "application/json" in accept:
        return Reply(status, {"message": message, "code": f"{status} {title}", "title": title}, headers)
    html = f"""<html>
 <head>
  <title>{status} {title}</title>
 </head>
 <body>
  <h1>{status} {title}</h1>
  {message}
 </body>
</html>"""
    return Reply(status, html.encode(), {**headers, "content-type": "text/html; charset=UTF-8"})


# Requests


class Body(bodies.Body):
    """A JSON object.

    Attributes:
        raw: its bytes.
    """

    raw: bytes = b""

    @classmethod
    def parse(cls, raw: bytes) -> bodies.Body:
        """Return the object in a request, empty without a body; for other bytes, a `Blob`."""
        try:
            body = super().parse(raw)
        except MalformedError:
            return Blob(raw)
        assert isinstance(body, Body)
        body.raw = raw
        return body


class Blob(Body):
    """A body that is no JSON object, such as the bytes of an image. Raises MalformedError for every field."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    def __getattr__(self, name: str) -> NoReturn:
        raise MalformedError


def texts(body: bodies.Body, name: str) -> dict[str, str]:
    """Return an object field whose values are texts, empty if it is absent. Raises InputError."""
    values: Json = body.get(name, dict) or {}
    for key, value in values.items():
        if not isinstance(value, str):
            raise InputError(
                f"Invalid input for field/attribute {key}. Value: {value}. {value!r} is not of type 'string'"
            )
    return values


@dataclass(kw_only=True, eq=False)
class Table(collection.Table):
    """A collection, whose items may belong to projects.

    Attributes:
        created: the status of a create.
        missing: the message about an unknown id.
        missing_kind: Neutron's word for that.
    """

    created: int = 201
    missing: str = ""
    missing_kind: str = ""

    def reply(self, item: Any, *, created: bool = False) -> Reply:
        """Return the response that shows one item."""
        return Reply(self.created if created else 200, {self.one: self.view(item)})

    def listing(self, items: Iterable[Any]) -> Listing:
        """Return the list of items, to be paged."""
        items = list(items)
        visible = [item for item in items if item.state.sees(item)]
        return Listing(visible, self.view, self.many)

    def deleted(self) -> Reply:
        """Return the response to a delete."""
        return DONE

    def at(self, state: Any, call: Call, *, even_gone: bool = False) -> Any:
        """Return the item that a path names. Raises NotFoundError if there is none, or it is another's."""
        try:
            item = super().at(state, call, even_gone=even_gone)
        except NotFoundError as error:
            raise self.unknown(state, call.path[self.key]) if not str(error) else error from error
        if not state.sees(item):
            raise self.unknown(state, call.path[self.key])
        return item

    def unknown(self, state: State, id: str) -> NotFoundError:
        """Return the error about an unknown id."""
        message = self.missing.format(id=id, user=state.caller.user.id)
        return (
            NeutronNotFoundError(self.missing_kind, message) if self.missing_kind else NotFoundError(message)
        )

    def _change(
        self, state: Any, owner: Any, item: Any, body: bodies.Body, how: str = "replaces"
    ) -> collection.Change:
        return super()._change(state, owner, item, envelope(body, self.one), how)


def envelope(body: bodies.Body, name: str) -> bodies.Body:
    """Return the object in a body that has it under a name. Raises InputError if there is none."""
    if body.get(name, dict) is None:
        raise InputError(f"'{name}' is a required property")
    return body.part(name)


# Pages


def page(state: State, call: Call, listing: Listing) -> Reply:
    """Return the page after the marker that a request names, with a link to the next."""
    service = state.service
    items = listing.items
    marker, most = call.query.get("marker"), _limit(state, call, service)
    key = "name" if listing.name == "keypairs" else "id"
    if marker:
        at = next((n for n, item in enumerate(items) if str(getattr(item, key)) == marker), None)
        if at is None:
            raise _unknown_marker(service, listing.name, marker)
        items = items[:at] if _is_reverse(call) else items[at + 1 :]
    if most is not None:
        items = items[max(len(items) - most, 0) :] if _is_reverse(call) else items[:most]
    body: Json = {listing.name: [listing.view(item) for item in items]}
    last = str(getattr(items[-1], key)) if items and len(items) == most else None
    if service == "image":
        body |= _image_links(call, last)
    elif service == "network":
        body |= _network_links(state, call, listing.name, items, last)
    elif last is not None:
        body[f"{listing.name}_links"] = [{"rel": "next", "href": _next(state.here, call, last)}]
    return Reply(200, body)


def _is_reverse(call: Call) -> bool:
    """Return whether a request to Neutron asks for the page before its marker."""
    return call.query.get("page_reverse", "").lower() == "true"


def _limit(state: State, call: Call, service: str) -> int | None:
    text = call.query.get("limit")
    largest: int = state.settings.page_size
    if text is None:
        return {"network": None, "image": min(25, largest)}.get(service, largest)
    if not text.isdecimal():
        raise {
            "network": NeutronInputError(
                "BadRequest", f"Bad limit request: Limit must be an integer 0 or greater and not '{text}'."
            ),
            "compute": InputError(
                f"Invalid input for query parameters limit. Value: {text}. '{text}' does not match '^[0-9]*$'"
            ),
        }.get(service, InputError("limit param must be an integer"))
    return min(int(text), largest) if int(text) or service != "network" else None


def _unknown_marker(service: str, many: str, marker: str) -> ApiError:
    if service == "compute":
        return InputError(f"marker [{marker}] not found")
    if service == "image":
        return InputError(f"No image found with ID {marker}")
    noun = many.removesuffix("s").replace("_", " ").capitalize()
    if service == "network":
        return NeutronNotFoundError(
            f"{noun.title().replace(' ', '')}NotFound", f"{noun} {marker} could not be found."
        )
    return NotFoundError(f"{noun} {marker} could not be found.")


def _next(url: str, call: Call, marker: str, **more: str) -> str:
    kept = [pair for pair in call.query.pairs if pair[0] not in {"marker", "page_reverse"}]
    return f"{url}?{urlencode([*kept, ('marker', marker), *more.items()])}"


def _image_links(call: Call, last: str | None) -> Json:
    given = urlencode([pair for pair in call.query.pairs if pair[0] != "marker"])
    links = {"first": f"/v2/images?{given}" if given else "/v2/images", "schema": "/v2/schemas/images"}
    return links if last is None else {**links, "next": _next("/v2/images", call, last)}


def _network_links(state: State, call: Call, name: str, items: Any, last: str | None) -> Json:
    if "limit" not in call.query or not items:
        return {}
    links = []
    if last is not None:
        links.append({"rel": "next", "href": _next(state.here, call, last)})
    back = _next(state.here, call, str(items[0].id), page_reverse="True")
    return {f"{name}_links": [*links, {"rel": "previous", "href": back}]}

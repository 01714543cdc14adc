"""What an error means that a driver of Libcloud raises: always one of our tree, without the driver's secrets.

Libcloud's drivers raise their own errors, those of `requests`, and often a bare `Exception` with a text. The
last response of the call says what such a text is: a refusal with its status; after a success, a response
that the driver did not understand. Before any request, the arguments were at fault.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from polycloud.errors import (
    ConnectError,
    InvalidArgumentError,
    InvalidCredsError,
    MalformedResponseError,
    PolycloudError,
    ProviderError,
    ReadTimeoutError,
    TLSError,
    TransportError,
    UnsupportedOperationError,
    error_from_status,
)
from polycloud.tracing.cleaning import clean
from polycloud.utils.status import HTTPStatus

if TYPE_CHECKING:
    from polycloud.bridge.calling import Call

LONGEST = 2000
SERVICES = ("compute", "storage", "dns", "loadbalancer")
NAMED = ("name", "container_name", "object_name", "zone_id", "record_id", "balancer_id", "member_id")
"""The attributes of errors that say what they are about."""
RENAMED = {
    "LibcloudLBError": "BalancerError",
    "LibcloudLBImmutableError": "BalancerBusyError",
    "ContainerError": "ContainerError",
    "ObjectError": "ObjectError",
}
ARGUMENTS = (TypeError, ValueError, AttributeError, LookupError, AssertionError)
"""What code raises for arguments that it did not expect, or for a response."""
OF_PYTHON = re.compile(
    r"(not enough|too many) values|invalid literal|could not convert|time data |substring "
)
MESSAGE = re.compile(r"(?i)<(?:\w+:)?(?:message|error_?message|title)>([^<]+)<")
TAGS = re.compile(r"<[^>]*>\s*")
WORDS = ("message", "error", "errors", "detail", "description", "errortext", "msg", "reason", "fault")
"""The members of a response that have a text for people."""


def understood(error: Exception, call: Call, driver: Any) -> PolycloudError:
    """Return the error of our tree; `driver` is the bridged one."""
    ours = _of_libcloud(error, call) or _of_the_network(error) or _of_code(error, call)
    ours.driver = driver
    if call.exchange is not None and call.request is not None:
        ours.changes = not call.request.repeatable
        ours.locate(call.exchange)
    clean(ours, call.connection.secrets_of(call.request))
    return ours


def _of_libcloud(error: Exception, call: Call) -> PolycloudError | None:
    types, exceptions = import_module("libcloud.common.types"), import_module("libcloud.common.exceptions")
    text = text_of(error)
    if found := _of_a_service(error, text):
        return found
    if isinstance(error, types.InvalidCredsError):  # some say so of every login that fails
        failed = _status(0, call) >= HTTPStatus.INTERNAL_SERVER_ERROR
        return _of_text("", call) if failed else InvalidCredsError(text)
    if isinstance(error, types.MalformedResponseError) and _status(0, call) < HTTPStatus.BAD_REQUEST:
        body = error.body
        return MalformedResponseError(text, body[:LONGEST] if isinstance(body, str) else None)
    if isinstance(error, exceptions.BaseHTTPError):
        return error_from_status(
            _status(error.code, call), _refusal(text, call), _headers(error.headers, call)
        )
    if isinstance(error, types.MalformedResponseError):  # a page of an edge
        return error_from_status(_status(0, call), _refusal("", call), _headers(None, call))
    if isinstance(error, types.ProviderError):
        return error_from_status(_status(error.http_code, call), _refusal(text, call), _headers(None, call))
    if isinstance(error, types.LibcloudError) or type(error) is Exception:
        return _of_text(text, call)
    return None


def _of_a_service(error: Exception, text: str) -> PolycloudError | None:
    """Return the error of containers, zones, keys ... of the same name, with the same arguments."""
    for kind in type(error).__mro__:
        module, _, _ = kind.__module__.removeprefix("libcloud.").partition(".")
        if not kind.__module__.startswith("libcloud.") or module not in SERVICES:
            continue
        own = import_module(f"polycloud.{module}.types")
        found = getattr(own, RENAMED.get(kind.__name__, kind.__name__), None)
        if not isinstance(found, type) or not issubclass(found, PolycloudError):
            continue
        named = {name: str(value) for name in NAMED if (value := getattr(error, name, None)) is not None}
        if kind.__name__.startswith("KeyPair"):
            return found(named.get("name", ""))
        return found(text, **{name: value for name, value in named.items() if name != "name"})
    return None


def _of_text(text: str, call: Call) -> PolycloudError:
    """Return the error that a text alone describes."""
    status = _status(0, call)
    if status >= HTTPStatus.BAD_REQUEST:
        return error_from_status(status, _refusal(text, call), _headers(None, call))
    return ProviderError(text, status) if call.requests else PolycloudError(text)


def _of_the_network(error: Exception) -> PolycloudError | None:
    requests = import_module("requests.exceptions")
    text = type(error).__name__ if isinstance(error, requests.RequestException) else text_of(error)
    if isinstance(error, ssl.SSLError | requests.SSLError):
        return TLSError(f"TLS failed: {text}")
    if isinstance(error, socket.gaierror | ConnectionRefusedError | requests.ConnectTimeout):
        return ConnectError(f"no connection was established: {text}")
    if isinstance(error, TimeoutError | requests.ReadTimeout):
        return ReadTimeoutError("no response in time")
    if isinstance(error, requests.InvalidURL | requests.MissingSchema | requests.InvalidSchema):
        return InvalidArgumentError("the address of the request is not a usable URL")
    if isinstance(error, requests.JSONDecodeError):
        return MalformedResponseError("the response is not JSON")
    if isinstance(error, ConnectionError | requests.RequestException | http.client.HTTPException):
        return TransportError(f"the connection broke: {text}")
    return None


def _of_code(error: Exception, call: Call) -> PolycloudError:
    text = text_of(error)
    kind = type(error).__name__
    if isinstance(error, NotImplementedError):
        return UnsupportedOperationError(text or "Libcloud's driver does not implement this")
    if isinstance(error, ImportError):
        return missing(error)
    status = _status(0, call)
    if status >= HTTPStatus.BAD_REQUEST:
        said = "" if isinstance(error, ARGUMENTS) and not _is_said(error, text) else text
        return error_from_status(status, _refusal(said, call), _headers(None, call))
    if call.requests == 0:
        if _is_said(error, text):
            return InvalidArgumentError(text)
        if isinstance(error, ARGUMENTS):
            return InvalidArgumentError(f"Libcloud's driver does not take these arguments: {kind}: {text}")
        return PolycloudError(f"{kind}: {text}")
    if _is_said(error, text):
        return ProviderError(text, status)
    return MalformedResponseError(f"Libcloud's driver does not understand the response: {kind}: {text}")


def _is_said(error: Exception, text: str) -> bool:
    """Return whether a `ValueError` has words for people: those of a driver, not those of Python."""
    return type(error) is ValueError and " " in text and not OF_PYTHON.match(text)


def missing(error: ImportError) -> PolycloudError:
    """Return the error for a package that a driver of Libcloud needs."""
    name = f" {error.name!r}" if error.name else ""
    return UnsupportedOperationError(
        f"Libcloud's driver needs a package{name} that is not installed: {text_of(error)}"
    )


def text_of(error: BaseException) -> str:
    """Return the text of an error of Libcloud, without the `repr` of its driver."""
    for name in ("message", "value"):
        value = getattr(error, name, None)
        if value is not None and value != "":
            return _text(value)
    return ", ".join(_text(one) for one in error.args if one is not None)


def _text(value: Any) -> str:
    if isinstance(value, BaseException):
        return text_of(value)
    if isinstance(value, bytes):
        return value[:LONGEST].decode(errors="replace")
    if isinstance(value, Mapping):
        lower = {str(name).lower(): one for name, one in value.items()}
        found = next((lower[word] for word in WORDS if lower.get(word)), None)
        if found is not None:
            return _text(found)
        if len(value) == 1:
            return _text(next(iter(value.values())))
    if isinstance(value, Mapping | list | tuple):
        try:
            return json.dumps(value, ensure_ascii=False, default=str)[:LONGEST]
        except ValueError:
            return f"a {type(value).__name__}"
    return str(value)[:LONGEST]


def _refusal(text: str, call: Call) -> str:
    """Return the text of a refusal; that of the response if there is none."""
    if text.strip() or call.response is None:
        return text
    body = call.response.body[:LONGEST].decode(errors="replace")
    found = MESSAGE.search(body)
    return (found[1] if found else TAGS.sub(" ", body)).strip() or call.response.reason


def _status(said: Any, call: Call) -> int:
    """Return the status of an error: that which it names, else that of the last response."""
    try:
        status = int(said or 0)
    except (TypeError, ValueError):
        status = 0
    return status or (call.exchange.status if call.exchange and call.exchange.status else 0)


def _headers(headers: Any, call: Call) -> Mapping[str, str] | None:
    if isinstance(headers, Mapping) and headers:
        return {str(name): str(value) for name, value in headers.items()}
    return dict(call.response.headers) if call.response is not None else None

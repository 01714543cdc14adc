"""Faults of Cloud DNS, in responses and in jobs. Source: Cloud DNS Developer Guide, "Faults" and "Limits"."""

from __future__ import annotations

from polycloud.sandbox.openstack.errors import OverLimitError
from polycloud.sandbox.rest.errors import (
    ApiError,
    ConflictError,
    InputError,
    MalformedError,
    NotFoundError,
    RateLimitError,
    UnauthorizedError,
)
from polycloud.sandbox.rest.replies import Json

_WORDS: dict[type[ApiError], str] = {
    MalformedError: "The request could not be processed.",
    UnauthorizedError: "You are not authorized to complete this operation.",
    NotFoundError: "Object not Found.",
    ConflictError: "The object already exists.",
    OverLimitError: "Your account is currently over the limit so your request could not be processed.",
    RateLimitError: "OverLimit Retry...",
}
_STATUS = {422: 400, 429: 413}


class FailedError(ApiError):
    """A job that failed although its request was valid."""

    status = 500


class DeleteError(ApiError):
    """Some of the items that a request names could not be deleted.

    Args:
        missing: names of the items that do not exist.
    """

    status = 500

    def __init__(self, missing: list[str]) -> None:
        super().__init__()
        self.missing = missing


def status_of(error: ApiError) -> int:
    """Return the HTTP status of an error."""
    return _STATUS.get(error.status, error.status)


def fault(error: ApiError) -> Json:
    """Return the body of an error response."""
    code = status_of(error)
    if isinstance(error, InputError):
        return {"validationErrors": {"messages": [reason for reason, _ in error.problems]}, "code": code}
    if isinstance(error, DeleteError):
        faults = [
            {"message": _WORDS[NotFoundError], "code": 404, "details": details} for details in error.missing
        ]
        return {
            "failedItems": {"faults": faults},
            "message": "One or more items could not be deleted.",
            "code": code,
            "details": "See errors list for details.",
        }
    message = _WORDS.get(type(error), "The DNS service has experienced a fault.")
    return {"message": message, "code": code, "details": str(error)}

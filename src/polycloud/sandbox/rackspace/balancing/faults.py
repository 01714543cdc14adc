"""Refusals of Cloud Load Balancers. Source: the developer guide, "Faults"."""

from __future__ import annotations

from polycloud.sandbox.openstack.errors import OverLimitError
from polycloud.sandbox.rest.errors import (
    ApiError,
    InputError,
    MalformedError,
    MethodError,
    NotFoundError,
    UnauthorizedError,
)
from polycloud.sandbox.rest.replies import Json, Reply

_WORDS: dict[type[ApiError], str] = {
    MalformedError: "The request could not be processed.",
    MethodError: "The method is not allowed for this resource.",
    NotFoundError: "Object not Found",
    OverLimitError: "Your account is currently over the limit so your request could not be processed.",
    UnauthorizedError: "Invalid authentication token. Please renew",
}


class ImmutableError(ApiError):
    """The balancer is being changed, or cannot be."""

    status = 422


class GoneError(ApiError):
    """The balancer was deleted."""

    status = 410


def refusal(error: ApiError) -> Reply:
    """Return the response to a refused request."""
    if isinstance(error, InputError):
        messages = [f"{name}: {reason}" if name else reason for reason, name in error.problems]
        body: Json = {"message": "Validation Failure", "code": 400, "details": "The object is not valid"}
        return Reply(400, {**body, "validationErrors": {"messages": messages}})
    message = str(error) or _WORDS.get(type(error), "The load balancer has experienced a fault.")
    return Reply(error.status, {"message": message, "code": error.status})

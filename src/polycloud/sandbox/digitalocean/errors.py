"""Why DigitalOcean does not carry out a request."""

from __future__ import annotations

from typing import ClassVar

IDS = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    422: "unprocessable_entity",
    429: "too_many_requests",
    500: "server_error",
}
"""The `id` of an error body, by HTTP status."""


class ApiError(Exception):
    """A request that is answered with an error of that status and the exception's text."""

    status: ClassVar[int] = 500


class MalformedError(ApiError):
    """The body is no JSON object."""

    status = 400


class UnauthorizedError(ApiError):
    """Nobody knows the token."""

    status = 401

    def __init__(self) -> None:
        super().__init__("Unable to authenticate you.")


class ForbiddenError(ApiError):
    """The token, or anybody, may not do that."""

    status = 403

    def __init__(self, message: str = "You do not have access for the attempted action.") -> None:
        super().__init__(message)


class NotFoundError(ApiError):
    """The path or the request names something that does not exist."""

    status = 404

    def __init__(self) -> None:
        super().__init__("The resource you requested could not be found.")


class ConflictError(ApiError):
    """The request contradicts something that exists."""

    status = 409


class InputError(ApiError):
    """A field of the request does not suit."""

    status = 422


class RateLimitError(ApiError):
    """Too many requests; `retry_after` are the seconds to wait, None where the answer does not say."""

    status = 429

    def __init__(self, retry_after: int | None) -> None:
        super().__init__("API rate limit exceeded.")
        self.retry_after = retry_after

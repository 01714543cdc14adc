"""Why a request is refused."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Self

Problem = tuple[str, str | None]
"""A reason, and the field of the request that it is about."""


class ApiError(Exception):
    """A refused request; without a reason, the provider's usual words for the status are used."""

    status: ClassVar[int]

    def __init__(self, reason: str = "", field: str | None = None) -> None:
        super().__init__(reason)
        self.problems: list[Problem] = [(reason, field)]


class MalformedError(ApiError):
    """The body is not a JSON object."""

    status = 400


class UnauthorizedError(ApiError):
    """The token is missing or unknown."""

    status = 401


class ForbiddenError(ApiError):
    """The token does not permit the request, or the resource does not for anyone."""

    status = 403


class NotFoundError(ApiError):
    """The path or the body names something that does not exist."""

    status = 404


class MethodError(ApiError):
    """The path exists, but not with this method."""

    status = 405


class ConflictError(ApiError):
    """The request contradicts an existing resource."""

    status = 409


class InputError(ApiError):
    """The request or one of its fields is invalid."""

    status = 422

    @classmethod
    def of(cls, problems: Iterable[Problem]) -> Self:
        """Return one error for several problems, at least one."""
        problems = list(problems)
        error = cls(*problems[0])
        error.problems = problems
        return error


class RateLimitError(ApiError):
    """Too many requests; `retry_after` is the wait in seconds, None if the response does not name one."""

    status = 429

    def __init__(self, retry_after: int | None = None) -> None:
        super().__init__()
        self.retry_after = retry_after

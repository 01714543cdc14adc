"""Why Linode does not carry out a request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Self

Problem = tuple[str, str | None]
"""A reason, and the field of the request that it is about."""


class ApiError(Exception):
    """A request that is answered with an error of that status, which tells one problem or several."""

    status: ClassVar[int] = 500

    def __init__(self, reason: str, field: str | None = None) -> None:
        super().__init__(reason)
        self.problems: list[Problem] = [(reason, field)]


class InputError(ApiError):
    """The request, or a field of it, does not suit."""

    status = 400

    @classmethod
    def of(cls, problems: Iterable[Problem]) -> Self:
        """One error with all these problems, of which there must be one."""
        problems = list(problems)
        error = cls(*problems[0])
        error.problems = problems
        return error


class BusyError(InputError):
    """Something else is under way on the Linode."""

    def __init__(self) -> None:
        super().__init__("Linode busy.")


class UnauthorizedError(ApiError):
    """Nobody knows the token, or there is none."""

    status = 401

    def __init__(self) -> None:
        super().__init__("Invalid Token")


class ForbiddenError(ApiError):
    """The token may not do that."""

    status = 403

    def __init__(self) -> None:
        super().__init__("Your OAuth token is not authorized to use this endpoint.")


class NotFoundError(ApiError):
    """The path or the request names something that does not exist."""

    status = 404

    def __init__(self) -> None:
        super().__init__("Not found")


class MethodError(ApiError):
    """The path is known, but not with that method."""

    status = 405

    def __init__(self) -> None:
        super().__init__("Method Not Allowed")


class RateLimitError(ApiError):
    """Too many requests."""

    status = 429

    def __init__(self) -> None:
        super().__init__("Too many requests")

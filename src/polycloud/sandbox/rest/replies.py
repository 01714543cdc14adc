"""Requests as handlers see them, their responses, and errors.

Handlers use no provider's envelope: the provider's `Service` turns a `Listing` into a page and an `ApiError`
into an error body.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    from polycloud.sandbox.rest.bodies import Body, Query

Json = dict[str, Any]
View = Callable[[Any], Any]
"""Renders an item as JSON."""

Problem = tuple[str, str | None]
"""A reason, and the field of the request that it is about."""


@dataclass(frozen=True)
class Call:
    """One request.

    Attributes:
        path: the variable parts of the path.
        query: its parameters.
        body: its JSON object.
        headers: by lower-case name.
        url: the address without the query.
        known: whether it came with a token.
    """

    path: Mapping[str, Any]
    query: Query
    body: Body
    headers: Mapping[str, str]
    url: str
    known: bool


@dataclass(frozen=True)
class Reply:
    """A response; a body of None is empty."""

    status: int
    body: Json | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Listing:
    """Items, one page of which will be rendered.

    Attributes:
        items: all of them.
        view: renders one.
        name: the envelope's name for them, where it has one.
        fields: the fields that a filter may use, where there are filters.
    """

    items: Sequence[Any]
    view: View
    name: str = ""
    fields: frozenset[str] = frozenset()


Handler = Callable[[Any, Call], Reply | Listing]
"""Takes the account's state and the request."""

Routes = Mapping[str, Mapping[str, Handler]]
"""Handlers by path and method."""


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

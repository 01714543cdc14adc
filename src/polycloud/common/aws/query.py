"""The Query API: an action and its fields in a form, the response in XML.

Elastic Load Balancing and IAM use it as most services do: the items of a list are `Name.member.1` and so on,
and the result of an action `Act` is in `<ActResult>`, in `<ActResponse>`. EC2 has a dialect of its own:
`Name.1`, and the result directly in `<ActResponse>`. A service's connection describes its dialect by class
variables.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from functools import lru_cache
from operator import attrgetter
from typing import Any, ClassVar, TypeVar

import msgspec

from polycloud.common.arguments import require_count
from polycloud.common.aws.connection import AWSConnection, AWSResponse
from polycloud.common.aws.xml import Item, item_of, text_of
from polycloud.common.pagination import follow_marker
from polycloud.errors import Exchange, ProviderError
from polycloud.http.messages import RawResponse, Request

__all__ = ["AWSQueryConnection", "Done", "filters", "flatten", "one_or_more"]

T = TypeVar("T")
R = TypeVar("R")
ACTION = re.compile(rb"^Action=(\w+)&")


class Done(msgspec.Struct):
    """The response to an action without a result; EC2 says whether it was carried out."""

    done: bool = msgspec.field(name="return", default=True)


class AWSQueryConnection(AWSConnection):
    """A connection to a Query API.

    Subclasses set `service` and `version`, and where their dialect differs: `member` (between a list's name
    and its numbers in requests), `has_result` (whether responses have the element `<ActResult>`), `marker`
    and `next_marker` (a page's marker, in requests and in responses), `page_size`, `page_limit` (items on a
    page), `page_limits` (actions with another limit), `unpaged` (actions that have no pages), `repeatable`
    (how actions begin that may be sent again).
    """

    version: ClassVar[str] = ""
    member: ClassVar[str] = "member"
    has_result: ClassVar[bool] = True
    marker: ClassVar[str] = "Marker"
    next_marker: ClassVar[str] = "NextMarker"
    page_size: ClassVar[str] = "PageSize"
    page_limit: ClassVar[int] = 400
    page_limits: ClassVar[Mapping[str, int]] = {}
    unpaged: ClassVar[frozenset[str]] = frozenset()
    repeatable: ClassVar[tuple[str, ...]] = ("Describe", "Get", "List")

    def __init__(self, *args: Any, per_page: int | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        limit = self.page_limit
        self.per_page = limit if per_page is None else require_count("ex_per_page", per_page, limit)

    def call(
        self, action: str, fields: Mapping[str, Any], type_: Any = Done, *, idempotent: bool = False
    ) -> Any:
        """Send an action and return its result as a `type_`. An idempotent one may be sent again."""
        data = {"Action": action, "Version": self.version, **flatten(fields, self.member)}
        repeatable = idempotent or action.startswith(self.repeatable)
        response: AWSResponse = self.request("/", data=data, method="POST", idempotent=repeatable)
        return response.read(f"{action}Response", type_, f"{action}Result" if self.has_result else None)

    def act(self, action: str, **fields: Any) -> bool:
        """Send an action without a result and return True."""
        done: Done = self.call(action, fields)
        if not done.done:
            raise ProviderError(f"{action} was not carried out", driver=self.driver)
        return True

    def create(
        self, action: str, name: str | None, type_: type[T], *, idempotent: bool = False, **fields: Any
    ) -> Item[T]:
        """Send an action and return its result, or the part of it called `name`, as an `Item`."""
        shape = dict[str, Any] if name is None else envelope(name, dict[str, Any], self.next_marker)
        result: Any = self.call(action, fields, shape, idempotent=idempotent)
        return item_of(result if name is None else result.found, type_)

    def list_all(
        self, action: str, name: str, type_: type[T], build: Callable[[Item[T]], R], **fields: Any
    ) -> list[R]:
        """Return what `build` makes of each item of `iterate`."""
        return [build(item) for item in self.iterate(action, name, type_, **fields)]

    def iterate(
        self,
        action: str,
        name: str,
        type_: type[T],
        *,
        key: Callable[[Item[T]], Hashable] | None = None,
        paged: bool = True,
        **fields: Any,
    ) -> Iterator[Item[T]]:
        """Yield the items of the list `name` in the result of `action`, each once, a page at a time.

        Items are identified by `key`, by default the first field of `type_`. With `paged=False` no page size
        is sent: EC2 refuses one beside ids.
        """
        if paged and action not in self.unpaged:
            fields[self.page_size] = min(self.per_page, self.page_limits.get(action, self.page_limit))
        shape = envelope(name, list[dict[str, Any]] | None, self.next_marker)

        def fetch(marker: str | int | None) -> tuple[list[Item[T]], str | None]:
            page: Any = self.call(action, {**fields, self.marker: marker}, shape)
            return [item_of(one, type_) for one in page.found or ()], page.next

        first = attrgetter(f"value.{type_.__struct_fields__[0]}")  # type: ignore[attr-defined] # a Struct
        return follow_marker(fetch, key or first)

    def exchange(self, request: Request, response: RawResponse | None = None) -> Exchange:
        """Return the exchange with the action in its path, which is the same for all actions."""
        exchange = super().exchange(request, response)
        action = ACTION.match(request.body) if isinstance(request.body, bytes) else None
        return exchange._replace(path=f"{exchange.path}?Action={action[1].decode()}") if action else exchange


@lru_cache(maxsize=64)
def envelope(name: str, type_: Any, marker: str) -> Any:
    """Return the type of a result: its part `name` as `found`, and the marker of the next page as `next`."""
    following = ("next", str | None, msgspec.field(name=marker, default=None))
    return msgspec.defstruct("Envelope", [("found", type_, msgspec.field(name=name)), following])


def flatten(fields: Mapping[str, Any], member: str = "") -> dict[str, str]:
    """Return fields as the form has them: `{"Tag": [{"Key": "a"}]}` is `{"Tag.1.Key": "a"}`.

    None is left out, lists are numbered from 1, after `member` if given (`Tag.member.1.Key`). Raises
    `InvalidArgumentError` for a value that is not text, a number or a boolean.
    """
    return dict(_flat("", fields, f"{member}." if member else ""))


def _flat(prefix: str, value: Any, member: str) -> Iterator[tuple[str, str]]:
    if value is None:
        return
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from _flat(f"{prefix}.{name}" if prefix else name, part, member)
    elif isinstance(value, Iterable) and not isinstance(value, str | bytes):
        for number, part in enumerate(value, 1):
            yield from _flat(f"{prefix}.{member}{number}", part, member)
    else:
        yield prefix, text_of(value, prefix)


def filters(wanted: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Return EC2's field Filter: for each name, values of which one must match (with wildcards * and ?)."""
    return [{"Name": name, "Value": one_or_more(values)} for name, values in (wanted or {}).items()]


def one_or_more(values: Iterable[Any] | Any | None) -> list[Any]:
    """Return the values as a list; a value that is not iterable, or is text, is a list of one."""
    if values is None:
        return []
    return list(values) if isinstance(values, Iterable) and not isinstance(values, str) else [values]

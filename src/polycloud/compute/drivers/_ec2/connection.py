"""The connection to the EC2 Query API."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from operator import attrgetter
from typing import Any, TypeVar

from polycloud.common.aws import AWSConnection, AWSResponse, query
from polycloud.common.pagination import follow_marker
from polycloud.compute.drivers._ec2.fields import filters
from polycloud.compute.drivers._ec2.payloads import Done, Item, envelope, item_of
from polycloud.errors import ProviderError

T = TypeVar("T")
R = TypeVar("R")
API_VERSION = "2016-11-15"
PER_PAGE = 1000
UNPAGED = frozenset(
    {
        "DescribeAddresses",
        "DescribeAvailabilityZones",
        "DescribeKeyPairs",
        "DescribeRegions",
    }
)
"""Lists that come whole, and know no size of a page."""

REPEATABLE = ("Describe", "Get", "TerminateInstances", "DeleteKeyPair")
"""What actions begin with that look only, or succeed as well where it is done already."""

MOST_A_PAGE = {"DescribeInstanceTypes": 100}


class EC2Connection(AWSConnection):
    """The EC2 Query API; `per_page` is how many items a page is to have."""

    service = "ec2"
    responseCls = AWSResponse

    def __init__(self, *args: Any, per_page: int = PER_PAGE, **options: Any) -> None:
        super().__init__(*args, **options)
        self.per_page = per_page

    def call(
        self, action: str, fields: Mapping[str, Any], type_: Any = Done, *, idempotent: bool = False
    ) -> Any:
        """What the provider answers to `action`, as `type_`; what changes nothing twice may be sent again."""
        data = {"Action": action, "Version": API_VERSION, **query(fields)}
        again = idempotent or action.startswith(REPEATABLE)
        answer: AWSResponse = self.request("/", data=data, method="POST", idempotent=again)
        return answer.read(f"{action}Response", type_)

    def act(self, action: str, **fields: Any) -> bool:
        """Tell the provider to do something; True."""
        done: Done = self.call(action, fields)
        if not done.done:
            raise ProviderError(f"{action} was not carried out", driver=self.driver)
        return True

    def create(
        self, action: str, name: str | None, type_: type[T], *, idempotent: bool = False, **fields: Any
    ) -> Item[T]:
        """The object that an answer consists of, or that stands in it under `name`."""
        shape = dict[str, Any] if name is None else envelope(name, dict[str, Any])
        told: Any = self.call(action, fields, shape, idempotent=idempotent)
        return item_of(told if name is None else told.found, type_)

    def list_all(
        self, action: str, name: str, type_: type[T], build: Callable[[Item[T]], R], **fields: Any
    ) -> list[R]:
        """What `build` makes of every item of the list `name` that `action` gives, page by page."""
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
        """The items of the list `name` that `action` gives, each once, a page at a time.

        `key` tells them apart, their first field unless given; `paged` is false where ids are asked for,
        with which the provider takes no size of a page.
        """
        size = min(self.per_page, MOST_A_PAGE.get(action, PER_PAGE))
        size_of_page = {"MaxResults": size} if paged and action not in UNPAGED else {}
        shape = envelope(name, list[dict[str, Any]] | None)

        def fetch(marker: str | int | None) -> tuple[list[Item[T]], str | None]:
            told: Any = self.call(action, {**fields, **size_of_page, "NextToken": marker}, shape)
            return [item_of(one, type_) for one in told.found or ()], told.next

        first = attrgetter(f"value.{type_.__struct_fields__[0]}")  # type: ignore[attr-defined] # a Struct
        return follow_marker(fetch, key or first)

    def list_picked(
        self,
        action: str,
        name: str,
        type_: type[T],
        build: Callable[[Item[T]], R],
        wanted: Mapping[str, Any] | None,
        **fields: Any,
    ) -> list[R]:
        """A list, of which the ids and names in `fields` that are not empty and the filters pick."""
        picked = any(value for name, value in fields.items() if name.endswith(("Id", "Name")))
        items = self.iterate(action, name, type_, paged=not picked, Filter=filters(wanted), **fields)
        return [build(item) for item in items]

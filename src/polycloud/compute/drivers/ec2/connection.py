"""The connection to EC2, and the base of its driver's parts.

EC2 is eventually consistent: for some seconds after a create, a call with the new id may be refused as if the
resource did not exist. So the connection knows which ids its own creates returned, and repeats such a call
while the id is fresh. With any other id, "not found" is final at once.

An operation that EC2 accepts goes on for seconds (a volume is created, attached, detached; an instance
starts, stops), and others are refused meanwhile: `_when_settled` waits for its end, and sends the request
again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, TypeVar

from polycloud.common.aws import AWSBaseDriver
from polycloud.common.aws.query import AWSQueryConnection, filters
from polycloud.common.aws.xml import Item
from polycloud.common.busy import when_free
from polycloud.compute.base import NodeDriver
from polycloud.concurrency.calls import remaining
from polycloud.errors import ProviderHTTPError

T = TypeVar("T")
R = TypeVar("R")
PER_PAGE = 1000
CREATES = ("Allocate", "Copy", "Create", "Import", "Register", "Request", "Run")
"""How the actions begin whose responses name new resources."""
ENDS = ("Delete", "Deregister", "Release", "Terminate")
"""How the actions begin after which a resource is not found for good."""
ID = re.compile(rb">\s*([a-z]+(?:-[a-z]+)*-[0-9a-f]{8,32})\s*<")
NOT_FOUND = re.compile(r"[\w.]+\.(NotFound|Unknown)\b")
BUSY = re.compile(
    r"Incorrect(Instance|Modification)?State\b|[\w.]+\.(IncorrectState|InUse)\b|VolumeInUse\b"
    r"|InvalidInstanceID:|DependencyViolation\b"
)
"""Codes for a state in which a request is refused: that may pass, or not."""
FRESH = 30.0
"""Seconds after a create in which its id may be unknown to a part of the provider."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0


class EC2Connection(AWSQueryConnection):
    """Sends actions of EC2's dialect of the Query API."""

    service = "ec2"
    version = "2016-11-15"
    member = ""
    has_result = False
    marker, next_marker = "NextToken", "nextToken"
    page_size, page_limit = "MaxResults", PER_PAGE
    page_limits: ClassVar = {"DescribeInstanceTypes": 100}
    unpaged = frozenset(
        {"DescribeAddresses", "DescribeAvailabilityZones", "DescribeKeyPairs", "DescribeRegions"}
    )
    repeatable = ("Describe", "Get", "TerminateInstances", "DeleteKeyPair")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._fresh: dict[str, float] = {}

    def request(self, action: str, *args: Any, **options: Any) -> Any:
        """Like `AWSConnection.request`, but repeat a call that does not find an id which is fresh."""
        with self._limited():
            return self._found(action, *args, **options)

    def _found(self, action: str, *args: Any, **options: Any) -> Any:
        data = options.get("data")
        fields: Mapping[str, Any] = data if isinstance(data, Mapping) else {}
        given, pause = set(fields.values()), FIRST_PAUSE
        while True:
            try:
                response = super().request(action, *args, **options)
            except ProviderHTTPError as error:
                left = self._fresh_for(given) if NOT_FOUND.match(str(error.message)) else 0.0
                if left <= 0:
                    raise
                self.sleep(max(0.0, min(pause, left, remaining())))  # past the deadline the request raises
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                self._note(fields.get("Action", ""), given, response)
                return response

    def _fresh_for(self, given: Iterable[Any]) -> float:
        """Return the seconds for which one of these values may still be a fresh id; 0 if none is one."""
        ends = max((self._fresh.get(value, 0.0) for value in given), default=0.0)
        return ends - time.monotonic()

    def _note(self, action: str, given: Iterable[Any], response: Any) -> None:
        """Note the ids that an action created, and those that it ended."""
        now = time.monotonic()
        if action.startswith(CREATES):
            new = {id_.decode() for id_ in ID.findall(response.content)}.difference(given)
            current = {id_: ends for id_, ends in tuple(self._fresh.items()) if ends > now}
            self._fresh = {**current, **dict.fromkeys(new, now + FRESH)}
        elif action.startswith(ENDS):
            for value in given:
                self._fresh.pop(value, None)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_fresh": {}}

    def list_filtered(
        self,
        action: str,
        name: str,
        type_: type[T],
        build: Callable[[Item[T]], R],
        wanted: Mapping[str, Any] | None,
        **fields: Any,
    ) -> list[R]:
        """Like `list_all`, with the filters `wanted`; `fields` may have ids and names, empty ones too."""
        named = any(value for field, value in fields.items() if field.endswith(("Id", "Name")))
        items = self.iterate(action, name, type_, paged=not named, Filter=filters(wanted), **fields)
        return [build(item) for item in items]


class EC2BaseDriver(AWSBaseDriver, NodeDriver):
    """What the parts of EC2's driver share."""

    connectionCls = EC2Connection
    connection: EC2Connection
    busy_time: ClassVar[float] = 60.0
    """Seconds to wait for a resource that refuses a request because of its state, while that passes."""
    api_name = "ec2"
    name = "Amazon EC2"
    website = "https://aws.amazon.com/ec2/"
    endpoint = "ec2"

    def __init__(self, *args: Any, ex_per_page: int = PER_PAGE, **options: Any) -> None:
        self._per_page = ex_per_page
        super().__init__(*args, **options)

    def _ex_connection_class_kwargs(self) -> dict[str, Any]:
        return {**super()._ex_connection_class_kwargs(), "per_page": self._per_page}

    def _when_settled(self, send: Callable[[], R], *is_passing: Callable[[], bool]) -> R:
        """Call `send` and return its result; once more if it is refused for a state, when that has passed.

        Each of `is_passing` looks whether a resource is in a state that passes by itself.
        """
        return when_free(
            send,
            timeout=self.busy_time,
            is_busy=lambda refusal: BUSY.match(str(refusal.value)) is not None,
            is_free=lambda: not any(check() for check in is_passing),
        )

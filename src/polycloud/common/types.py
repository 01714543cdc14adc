"""Libcloud's home of errors, handed on from `polycloud.errors`, and two of its helper types."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import Any, Self, TypeVar, overload

from polycloud.errors import (
    AmbiguousCreateError,
    BaseHTTPError,
    ConflictError,
    ConnectError,
    Exchange,
    ImageUnavailableError,
    InsecureConnectionError,
    InvalidArgumentError,
    InvalidCredsError,
    InvalidCredsException,
    InvalidNameError,
    LibcloudError,
    LoginError,
    MalformedResponseError,
    NotFoundError,
    OperationTimeoutError,
    PolycloudError,
    ProviderError,
    ProviderHTTPError,
    QuotaExceededError,
    RateLimitReachedError,
    ReadTimeoutError,
    ServerError,
    TLSError,
    TransportError,
    UnavailableError,
    UnknownProviderError,
    UnsupportedOperationError,
    error_from_status,
    printable,
)

__all__ = [
    "AmbiguousCreateError",
    "BaseHTTPError",
    "ConflictError",
    "ConnectError",
    "Exchange",
    "ImageUnavailableError",
    "InsecureConnectionError",
    "InvalidArgumentError",
    "InvalidCredsError",
    "InvalidCredsException",
    "InvalidNameError",
    "LazyList",
    "LibcloudError",
    "LoginError",
    "MalformedResponseError",
    "NotFoundError",
    "OperationTimeoutError",
    "PolycloudError",
    "ProviderError",
    "ProviderHTTPError",
    "QuotaExceededError",
    "RateLimitReachedError",
    "ReadTimeoutError",
    "ServerError",
    "TLSError",
    "TransportError",
    "Type",
    "UnavailableError",
    "UnknownProviderError",
    "UnsupportedOperationError",
    "error_from_status",
    "printable",
]

T = TypeVar("T")


class Type(StrEnum):
    """A set of named strings: members equal their strings, and print as them."""

    @classmethod
    def tostring(cls, value: str) -> str:
        """Return the name of a member or of its string, in upper case."""
        return cls(value).name

    @classmethod
    def fromstring(cls, value: str) -> Self | None:
        """Return the member of that name, in any case; None if there is none."""
        return cls.__members__.get(value.upper())


class LazyList(Sequence[T]):
    """A list whose pages are fetched when they are read.

    `get_more(last_key, exhausted, value_dict)` returns `(items, last_key, exhausted)`, as in Libcloud.
    """

    def __init__(
        self,
        get_more: Callable[[Any, bool, dict[str, Any]], tuple[Sequence[T], Any, bool]],
        value_dict: dict[str, Any] | None = None,
    ) -> None:
        self._get_more = get_more
        self._value_dict = value_dict or {}
        self._data: list[T] = []
        self._last_key: Any = None
        self._exhausted = False

    def _load_page(self) -> None:
        page, self._last_key, self._exhausted = self._get_more(
            self._last_key, self._exhausted, self._value_dict
        )
        self._data.extend(page)

    def _load_all(self) -> list[T]:
        while not self._exhausted:
            self._load_page()
        return self._data

    def __iter__(self) -> Iterator[T]:
        position = 0
        while True:
            if position < len(self._data):
                yield self._data[position]
                position += 1
            elif self._exhausted:
                return
            else:
                self._load_page()

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: int | slice) -> T | list[T]:
        return self._load_all()[index]

    def __len__(self) -> int:
        return len(self._load_all())

    def __repr__(self) -> str:
        return f"[{', '.join(map(repr, self._load_all()))}]"

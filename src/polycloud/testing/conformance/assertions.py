"""Assertions that the rules of all services use."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

import pytest

from polycloud.common.resource import Resource
from polycloud.errors import PolycloudError
from polycloud.testing.conformance.base import NOT_REACHED

__all__ = [
    "check_objects",
    "error_of",
    "require_no_secret",
    "require_reached",
    "require_true",
    "with_id",
]

E = TypeVar("E", bound=PolycloudError)
R = TypeVar("R", bound=Resource)


def with_id(items: Iterable[R], id_: str) -> R | None:
    """Return the item with this id, or None."""
    return next((item for item in items if item.id == id_), None)


def require_true(name: str, result: object) -> None:
    """Assert that an action returned True."""
    assert result is True, f"{name} returned {result!r}, not True"


def require_reached(reached: object, why: str) -> None:
    """Skip the test where it has not tested anything, for the reason `why`."""
    if not reached:
        pytest.skip(NOT_REACHED + why)


def error_of(kind: type[E], what: str, call: Callable[..., object], *args: Any, **kwargs: Any) -> E:
    """Assert that the call raises an error of that kind; return it."""
    try:
        result = call(*args, **kwargs)
    except kind as error:
        return error
    raise AssertionError(f"{what} returned {result!r} instead of raising {kind.__name__}")


def check_objects(items: Sequence[Any], kind: type[Any], driver: object, *texts: str) -> None:
    """Assert that the items have the class, an id each, an `extra`, and str in the attributes `texts`."""
    for item in items:
        assert isinstance(item, kind), f"{item!r} is not a {kind.__name__}"
        for name in ("id", *texts):
            value = getattr(item, name)
            assert isinstance(value, str), f"the {name} {value!r} of {item!r} is not a str"
        assert item.id, f"{item!r} has no id"
        assert isinstance(item.extra, dict), f"the extra {item.extra!r} of {item!r} is not a dict"
        assert item.driver is driver, f"{item!r} has another driver"
    ids = [item.id for item in items]
    assert len(set(ids)) == len(ids), f"an id comes twice in {ids}"


def require_no_secret(driver: Any, value: object) -> None:
    """Assert that no secret of the driver is in the `repr` or `str` of a value, in no encoding."""
    plain = driver.secret or driver.key
    texts = (plain, f"{driver.key}:{plain}")
    coded = (base64.b64encode(text.encode()).decode() for text in texts)
    for secret in {plain, quote(plain, safe=""), *coded, *driver.connection.secrets()} - {""}:
        for text in (repr(value), str(value)):
            assert secret not in text, f"the secret is in: {text.replace(secret, '[the secret]')}"

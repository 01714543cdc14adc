"""Libcloud's `utils.misc`: dicts, and random text."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

K = TypeVar("K")
V = TypeVar("V")


def find(value: Iterable[V], predicate: Callable[[V], object]) -> V | None:
    """Return the first item for which `predicate` is true; None if there is none."""
    return next((item for item in value if predicate(item)), None)


def merge_valid_keys(params: dict[str, Any], valid_keys: Iterable[str], extra: Any) -> dict[str, Any]:
    """Copy the members of `extra` that are among `valid_keys` to `params`; return what was copied."""
    merged = {key: extra[key] for key in valid_keys if key in (extra or ())}
    params.update(merged)
    return merged


def reverse_dict(dictionary: Mapping[K, V]) -> dict[V, K]:
    """Return the values with their keys."""
    return {value: key for key, value in dictionary.items()}


def lowercase_keys(dictionary: Mapping[str, V]) -> dict[str, V]:
    """Return a dict with its keys in lower case."""
    return {key.lower(): value for key, value in dictionary.items()}


def get_secure_random_string(size: int) -> str:
    """Return `size` random hexadecimal digits."""
    return secrets.token_hex(size)[:size]

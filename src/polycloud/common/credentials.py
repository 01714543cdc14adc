"""The name and the usual places of a credential."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Credential"]


class Credential(NamedTuple):
    """One of a driver's first arguments: its name in a configuration, and the variables that may hold it."""

    name: str
    variables: tuple[str, ...] = ()

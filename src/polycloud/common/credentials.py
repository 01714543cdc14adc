"""The name and the usual places of a credential."""

from __future__ import annotations

import msgspec

__all__ = ["Credential"]


class Credential(msgspec.Struct, frozen=True):
    """One of a driver's first arguments: its name in a configuration, and the variables that may hold it."""

    name: str
    variables: tuple[str, ...] = ()

"""What a driver is to be given to log in, and where it is usually found."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from polycloud.common.base import BaseDriver

__all__ = ["Credential", "from_environment", "wanted"]


class Credential(NamedTuple):
    """One of a driver's first arguments: its name in a configuration, and the variables that may hold it."""

    name: str
    variables: tuple[str, ...] = ()


def wanted(kind: type[BaseDriver]) -> tuple[Credential, ...]:
    """The credentials of a driver class, each also as `POLYCLOUD_PROVIDER_NAME` in the environment."""
    from polycloud.common.base import ConnectionUserAndKey

    both = issubclass(kind.connectionCls, ConnectionUserAndKey)
    told = kind.credentials or ((Credential("key"), Credential("secret")) if both else (Credential("key"),))
    prefix = f"POLYCLOUD_{kind.api_name or kind.__name__}".upper().replace("-", "_")
    return tuple(Credential(name, (f"{prefix}_{name.upper()}", *usual)) for name, usual in told)


def from_environment(kind: type[BaseDriver]) -> tuple[str, ...] | None:
    """The credentials that the environment's variables hold; None unless it holds all of them.

    None at all for a driver that looks for its credentials itself where it is given none.
    """
    if kind.finds_credentials:
        return ()
    found = [
        next((os.environ[name] for name in one.variables if os.environ.get(name)), None)
        for one in wanted(kind)
    ]
    values = tuple(value for value in found if value is not None)
    return values if len(values) == len(found) else None

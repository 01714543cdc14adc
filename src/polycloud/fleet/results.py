"""`Result`, the outcome of a call on one account; it survives a pickle, whatever it holds."""

from __future__ import annotations

import pickle
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from polycloud.errors import InvalidArgumentError, PolycloudError

__all__ = ["Result", "dumps_function"]

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Result(Generic[R]):
    """The outcome of one call: the account's name, and the value, or the error if it failed."""

    account: str
    value: R | None = None
    error: Exception | None = None

    def get(self) -> R:
        """Return the value; raise the error if the call failed."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value] # None may well be the value

    def __reduce__(self) -> tuple[Any, ...]:
        # A pickle inside the pickle: some executors hang or break on values that cannot be pickled
        try:
            packed = dumps_function()((self.value, self.error and _portable(self.error)))
        except Exception as reason:  # noqa: BLE001 - a __reduce__ may raise anything
            error = InvalidArgumentError(f"the result of {self.account} cannot be pickled: {reason}")
            packed = pickle.dumps((None, error))
        return _unpacked, (self.account, packed)


def _unpacked(account: str, packed: bytes) -> Result[Any]:
    try:
        return Result(account, *pickle.loads(packed))  # noqa: S301 - packed above
    except Exception as reason:  # noqa: BLE001 - a class of its own may raise anything
        return Result(account, error=PolycloudError(f"the result cannot be unpickled: {reason!r}"))


def dumps_function() -> Callable[[Any], bytes]:
    """Return the pickling of Dask if it is in use, which can pickle more."""
    dumps: Callable[[Any], bytes] = getattr(sys.modules.get("cloudpickle"), "dumps", pickle.dumps)
    return dumps


def _portable(error: Exception) -> Exception:
    """Return the error as a pickle preserves it, with its traceback as a note, or an error with its text."""
    try:
        portable: Exception = pickle.loads(dumps_function()(error))  # noqa: S301 - its own pickle
    except Exception:  # noqa: BLE001 - a class of its own may raise anything
        portable = PolycloudError(f"{type(error).__name__}: {error}")
    trace = "".join(traceback.format_tb(error.__traceback__))
    notes = getattr(error, "__notes__", [])
    portable.__notes__ = [*notes, *([trace] if trace and trace not in notes else ())]
    return portable.with_traceback(None)

"""Remove secrets from errors: the one place through which every error of a request goes.

Providers repeat what they are sent: in a message, a header, a page of HTML. So everything that an error
carries is cleaned: its arguments, attributes and notes, and the errors that it came from. Long texts are cut,
but for the output of a script, which is its user's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polycloud.errors import PolycloudError
from polycloud.tracing.redaction import REDACTED, Redaction, is_secret, redaction_of

__all__ = ["clean"]

LONGEST = 10_000
"""The most characters of a text in an error."""
OUTPUT = frozenset({"stdout", "stderr"})
"""The attributes of an error that are the output of a script on a node."""
DEEPEST = 20


def clean(error: PolycloudError, secrets: tuple[str, ...]) -> PolycloudError:
    """Remove the secrets from an error and from the errors that it came from; return it.

    Texts are cut after 10,000 characters. An error of others among those that it came from, which may keep a
    secret where nobody can remove it, is unlinked if it holds one or is suppressed (`raise ... from None`).
    """
    _Cleaner(redaction_of(secrets)).error(error)
    return error


class _Cleaner:
    def __init__(self, redaction: Redaction) -> None:
        self._redaction = redaction
        self._done: set[int] = set()
        self._texts: dict[tuple[str, bool], str] = {}  # a message stands in several places

    def error(self, error: BaseException | None) -> None:
        """Clean an error of ours, and unlink what cannot be cleaned of those that it came from."""
        while error is not None and id(error) not in self._done:
            self._done.add(id(error))
            if isinstance(error, PolycloudError):
                error.args = tuple(map(self._value, error.args))
                for name, value in list(vars(error).items()):
                    if name in OUTPUT and isinstance(value, str):
                        setattr(error, name, self._redaction.known(value))
                    elif name != "driver":
                        setattr(error, name, self._value(value))
            self._unlink(error)
            if error.__cause__ is not error.__context__:
                self.error(error.__cause__)
            error = error.__context__

    def _unlink(self, error: BaseException) -> None:
        suppressed = error.__suppress_context__
        if self._must_go(error.__cause__):
            error.__cause__ = None
            error.__suppress_context__ = suppressed  # which the line above sets
        context = error.__context__
        if self._must_go(context) or (
            suppressed and context is not error.__cause__ and not isinstance(context, PolycloudError)
        ):
            error.__context__ = None

    def _must_go(self, error: BaseException | None) -> bool:
        """Return whether an error of others holds a secret, or more than anybody reads."""
        if error is None or isinstance(error, PolycloudError):
            return False
        names = [name for name in dir(error) if not name.startswith("__")]
        try:
            values = [value for name in names if not callable(value := getattr(error, name))]
            text = f"{error}\n{(*error.args, *values, *getattr(error, '__notes__', ()))!r}"
        except Exception:  # noqa: BLE001 - its own code may do anything when it is looked at
            return True
        return len(text) > LONGEST or self._redaction.known(text) != text

    def _value(self, value: Any, depth: int = 0) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, bytes | bytearray):
            return self._redaction.beginning(value.decode("latin-1"), LONGEST).encode("latin-1", "replace")
        if isinstance(value, PolycloudError):
            self.error(value)
        if not isinstance(value, Mapping | list | tuple | set | frozenset):
            return value
        if depth > DEEPEST:
            return REDACTED
        if isinstance(value, Mapping):
            return {
                self._value(name, depth + 1): self._member(name, one, depth + 1)
                for name, one in value.items()
            }
        parts = [self._value(part, depth + 1) for part in value]
        if hasattr(value, "_fields"):
            return type(value)(*parts)
        return next(kind for kind in (list, tuple, set, frozenset) if isinstance(value, kind))(parts)

    def _member(self, name: Any, value: Any, depth: int) -> Any:
        """Return a header, or another value that has a name, which may say that it is secret."""
        if not isinstance(value, str) or not isinstance(name, str):
            return self._value(value, depth)
        if value and is_secret(name):
            return REDACTED
        return self._text(value, named=True)

    def _text(self, text: str, *, named: bool = False) -> str:
        key = (text, named)
        if key not in self._texts:
            cleaned = self._redaction.beginning(text, LONGEST, named=named)
            self._texts[key] = text if cleaned == text else cleaned
        return self._texts[key]

"""Write profiles into the configuration, which only its owner can read.

A profile is appended, so the user's own text and comments stay as they are. That of a sandbox stands between
two comments, lasts until the sandbox stops, and replaces one that an earlier sandbox left behind.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from polycloud import config
from polycloud.errors import InvalidArgumentError

__all__ = ["add", "require_name", "require_new", "temporary", "toml"]

NAME = re.compile(r"[\w-]+", re.ASCII)


def toml(name: str, values: Mapping[str, Any]) -> str:
    """The table of a profile."""
    lines = [f"{key} = {_value(value)}" for key, value in values.items()]
    return "\n".join([f"[profiles.{name}]", *lines, ""])


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{key} = {_value(one)}' for key, one in value.items())} }}"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def add(name: str, values: Mapping[str, Any]) -> Path:
    """Add a profile; return the file. Raises `InvalidArgumentError` if there is one of this name."""
    return _append(name, toml(name, values))


@contextmanager
def temporary(name: str, values: Mapping[str, Any]) -> Iterator[Path]:
    """Have a profile for as long as the block runs. Raises `InvalidArgumentError` if the user has one."""
    file = config.config_file()
    _remove(file, name)
    begin, end = _marks(name)
    try:
        yield _append(name, f"{begin}\n{toml(name, values)}{end}\n")
    finally:
        _remove(file, name)


def require_name(name: str) -> None:
    """Raise `InvalidArgumentError` unless it can be the name of a profile."""
    if not NAME.fullmatch(name):
        raise InvalidArgumentError(f"a profile's name must be letters, digits, _ and -, got {name!r}")


def require_new(name: str) -> None:
    """Raise `InvalidArgumentError` unless it can be the name of another profile."""
    require_name(name)
    file = config.config_file()
    if file.exists() and name in config.load().profiles:  # one that POLYCLOUD_CONFIG names may be new
        raise InvalidArgumentError(f"there is a profile {name} in {file} already")


def _append(name: str, text: str) -> Path:
    require_new(name)
    file = config.config_file()
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        before = file.read_text(encoding="utf-8") if file.exists() else ""
        gap = "" if not before else "\n" if before.endswith("\n") else "\n\n"
        descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with open(descriptor, "a", encoding="utf-8") as stream:  # noqa: PTH123 - a descriptor has no path
            stream.write(gap + text)
    except OSError as error:
        raise InvalidArgumentError(f"{file} cannot be written: {error.strerror}") from None
    return file


def _remove(file: Path, name: str) -> None:
    """Remove what `temporary` wrote, if it is there."""
    if not file.is_file():
        return
    begin, end = map(re.escape, _marks(name))
    before = file.read_text(encoding="utf-8")
    after = re.sub(rf"\n?^{begin}\n.*?^{end}\n", "", before, flags=re.DOTALL | re.MULTILINE)
    if after != before:
        file.write_text(after, encoding="utf-8")


def _marks(name: str) -> tuple[str, str]:
    return f"# sandbox {name}: removed when it stops", f"# end of sandbox {name}"

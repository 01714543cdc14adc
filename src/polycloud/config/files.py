"""The file with the configuration: where it is, and how it is read."""

from __future__ import annotations

import difflib
import errno
import os
import re
import stat
import tomllib
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from polycloud.common.providers import DriverType
from polycloud.config.accounts import Config, Profile
from polycloud.config.errors import ConfigError, ConfigWarning
from polycloud.config.settings import kind_of

CONFIG_VARIABLE = "POLYCLOUD_CONFIG"
OTHERS = stat.S_IRWXG | stat.S_IRWXO
LONGEST_FILE = 1_000_000
# Deep keys take tomllib quadratic time: 19 s for 20,000 parts
DEEP = re.compile(r"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){64}""")
LONG_NUMBER = re.compile(r"(?<!\w)[+-]?[0-9_]{4300,}(?!\w)")
TOP = ("default", "profiles")


def profiles() -> Mapping[str, Profile]:
    """Return all profiles by name, in the order of the file; an empty mapping without a file.

    Raises `ConfigError` for a file that cannot be read.
    """
    return load().profiles


def load() -> Config:
    """Read the configuration; an empty one without a file.

    Raises `ConfigError` for a file that cannot be read or is invalid.
    """
    file = config_file()
    content = _read(file)
    _require_known(file, content)
    tables, default = content.get("profiles", {}), content.get("default")
    if not isinstance(tables, dict):
        raise ConfigError(f"{file}: profiles must be a table; write [profiles.NAME]")
    if default is not None and not isinstance(default, str):
        raise ConfigError(f"{file}: default must be the name of a profile, got {kind_of(default)}")
    found = {name: _profile(file, name, table) for name, table in tables.items()}
    return Config(file, found, default)


def config_file() -> Path:
    """Return the path of the configuration, whether it exists or not."""
    folder = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    file = os.environ.get(CONFIG_VARIABLE) or f"{folder}/polycloud/config.toml"
    try:
        return Path(file).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"{file}: {error}") from None


def _read(file: Path) -> dict[str, Any]:
    try:
        content = _content(file)
    except FileNotFoundError:
        if os.environ.get(CONFIG_VARIABLE):
            raise ConfigError(f"{CONFIG_VARIABLE} names {file}, which does not exist") from None
        return {}
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        raise ConfigError(f"{file}: it is not UTF-8 (at line {line}, column {column})") from None
    if deep := DEEP.search(text):
        raise ConfigError(f"{file}: it is nested too deep (at line {_line(text, deep)})")
    try:
        return tomllib.loads(text.replace("\r\n", "\n"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: {error}") from None
    except RecursionError:
        raise ConfigError(f"{file}: it is nested too deep") from None
    except ValueError:  # Python's limit of digits
        number = LONG_NUMBER.search(text)
        place = f" (at line {_line(text, number)})" if number else ""
        raise ConfigError(f"{file}: a number must have at most 19 digits{place}") from None


def _content(file: Path) -> bytes:
    """Return what is in a file; a FIFO, whose writer may never come, is refused."""
    descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with open(descriptor, "rb") as stream:  # noqa: PTH123 - a descriptor
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(mode):
            raise ValueError("it is no regular file")
        if os.name == "posix" and mode & OTHERS:
            warnings.warn(f"others can read {file}: chmod 600 {file}", ConfigWarning, stacklevel=4)
        content = stream.read(LONGEST_FILE + 1)
    if len(content) > LONGEST_FILE:
        raise ValueError(f"it is longer than {LONGEST_FILE:,} bytes")
    return content


def _line(text: str, match: re.Match[str]) -> int:
    return text.count("\n", 0, match.start()) + 1


def _require_known(file: Path, content: Iterable[str]) -> None:
    for name in content:
        if name not in TOP:
            near = difflib.get_close_matches(name, TOP, 1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; there are {' and '.join(TOP)}"
            raise ConfigError(f"{file}: a configuration has no {name!r}{hint}")


def _profile(file: Path, name: str, table: Any) -> Profile:
    where = f"{file}: profiles.{name}"
    if not isinstance(table, dict):
        raise ConfigError(f"{where} must be a table, got {kind_of(table)}; write [profiles.{name}]")
    provider = table.get("provider")
    if provider is None:
        near = difflib.get_close_matches("provider", table, 1)
        hint = f"; did you mean provider by {near[0]!r}?" if near else '; write provider = "NAME" there'
        raise ConfigError(f"{where} names no provider{hint}")
    if not isinstance(provider, str):
        raise ConfigError(f"{where}.provider must be a string, got {kind_of(provider)}")
    service = table.get("service")
    if service is not None and service not in list(DriverType):
        raise ConfigError(f"{where}.service must be one of {', '.join(DriverType)}")
    settings = {key: value for key, value in table.items() if key not in {"provider", "service"}}
    return Profile(name, provider, settings, file, service)

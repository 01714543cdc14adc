"""Named accounts: `~/.config/polycloud/config.toml`, and what stands in the environment.

    default = "prod"

    [profiles.prod]
    provider = "digitalocean"
    token = { env = "DO_TOKEN" }        # or the text itself, { command = "pass show do" },
    region = "nyc1"                     # { keyring = ["service", "user"] }

    [profiles.lab]
    provider = "nephoscale"
    user = "me"
    password = { command = "pass show nephoscale" }
    timeout = 30

What is no credential of the provider is an option of its driver. `POLYCLOUD_CONFIG` names another file,
`POLYCLOUD_PROFILE` the profile to use where none is asked for.
"""

from __future__ import annotations

import difflib
import os
import shlex
import stat
import subprocess
import tomllib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from polycloud.common.credentials import from_environment, wanted
from polycloud.common.types import PolycloudError

__all__ = ["ConfigError", "ConfigWarning", "Profile", "config_file", "connect", "profiles"]

CONFIG_VARIABLE, PROFILE_VARIABLE = "POLYCLOUD_CONFIG", "POLYCLOUD_PROFILE"
OTHERS = stat.S_IRWXG | stat.S_IRWXO
SECRET_TIMEOUT = 60.0
SOURCES = ("env", "command", "keyring")


class ConfigError(PolycloudError):
    """The configuration cannot be used; the message names the file, and the line where there is one."""


class ConfigWarning(UserWarning):
    """The configuration can be read by others."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A named account: its provider, and the rest of its table, whose secrets are not yet looked up."""

    name: str
    provider: str
    settings: Mapping[str, Any] = field(repr=False)

    def connect(self, service: str = "compute", **options: Any) -> Any:
        """Its driver; `options` go before those of the profile.

        Raises `ConfigError` where a credential is missing or cannot be looked up, and what the driver raises.
        """
        from polycloud import get_driver

        kind = get_driver(service, self.provider)
        given = {name: _value(value, f"{self.name}.{name}") for name, value in self.settings.items()}
        names = [one.name for one in wanted(kind)]
        ambient = None if any(name in given for name in names) else _ambient(kind)
        credentials = ambient or tuple(given.pop(name) for name in names if name in given)
        if len(credentials) < len(names):
            lacking = ", ".join(name for name in names if name not in self.settings)
            raise ConfigError(f"the profile {self.name!r} lacks {lacking}, which {kind.name} needs")
        return kind(*credentials, **{**given, **options})


def connect(
    provider: str | None = None,
    *credentials: Any,
    service: str = "compute",
    profile: str | None = None,
    **options: Any,
) -> Any:
    """A driver; see `polycloud.connect`."""
    from polycloud import get_driver

    if provider is None or profile is not None:
        if provider is not None or credentials:
            raise ConfigError("give a provider with its credentials or a profile=, not both")
        return _profile(profile).connect(service, **options)
    kind = get_driver(service, provider)
    if credentials:
        return kind(*credentials, **options)
    found = _ambient(kind)
    if found is None:
        names = ", ".join(one.name for one in wanted(kind))
        variables = " and ".join(" or ".join(one.variables) for one in wanted(kind))
        raise ConfigError(f"{kind.name} needs {names}: give them, set {variables}, or use a profile=")
    return kind(*found, **options)


def profiles() -> dict[str, Profile]:
    """All profiles by name, in the order of the file; none where there is no file.

    Raises `ConfigError` for a file that cannot be read.
    """
    return {name: _checked(name, table) for name, table in _tables().items()}


def config_file() -> Path:
    """Where the configuration is, or would be."""
    if named := os.environ.get(CONFIG_VARIABLE):
        return Path(named).expanduser()
    folder = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(folder).expanduser() / "polycloud" / "config.toml"


def _profile(name: str | None) -> Profile:
    known = profiles()
    name = name or os.environ.get(PROFILE_VARIABLE) or _read().get("default")
    if name is None and len(known) == 1:
        return next(iter(known.values()))
    if name is None:
        raise ConfigError(f"which profile? There are in {config_file()}: {', '.join(known) or 'none'}")
    if name not in known:
        near = difflib.get_close_matches(str(name), known, 3)
        hint = f"the nearest are {', '.join(near)}" if near else f"there are: {', '.join(known) or 'none'}"
        raise ConfigError(f"no profile is called {name!r} in {config_file()}; {hint}")
    return known[name]


def _checked(name: str, table: Any) -> Profile:
    provider = table.get("provider") if isinstance(table, dict) else None
    if not isinstance(provider, str):
        raise ConfigError(f"{config_file()}: the profile {name!r} names no provider")
    return Profile(name, provider, {key: value for key, value in table.items() if key != "provider"})


def _tables() -> dict[str, Any]:
    tables = _read().get("profiles", {})
    if not isinstance(tables, dict):
        raise ConfigError(f"{config_file()}: profiles is no table; write [profiles.NAME]")
    return tables


def _read() -> dict[str, Any]:
    file = config_file()
    try:
        with file.open("rb") as stream:
            if os.name == "posix" and os.fstat(stream.fileno()).st_mode & OTHERS:
                warnings.warn(f"others can read {file}: chmod 600 {file}", ConfigWarning, stacklevel=2)
            return tomllib.load(stream)
    except FileNotFoundError:
        if os.environ.get(CONFIG_VARIABLE):
            raise ConfigError(f"{CONFIG_VARIABLE} names {file}, which does not exist") from None
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{file}: {error}") from None


def _ambient(kind: Any) -> tuple[Any, ...] | None:
    """The credentials that the provider's own variables or files hold, or None."""
    return from_environment(kind)


def _value(value: Any, what: str) -> Any:
    """A setting, looked up where it says where it is."""
    if not isinstance(value, dict):
        return value
    source, *more = value
    if more or source not in SOURCES:
        raise ConfigError(f"{what} is one of {{ {' = ... }, { '.join(SOURCES)} = ... }} or the text itself")
    try:
        return _LOOKUPS[source](value[source])
    except ConfigError as error:
        raise ConfigError(f"{what}: {error}") from None


def _of_environment(name: str) -> str:
    try:
        return os.environ[name]
    except KeyError:
        raise ConfigError(f"the environment has no {name}") from None


def _of_command(command: str | list[str]) -> str:
    words = shlex.split(command) if isinstance(command, str) else command
    try:
        # The words are the user's own, and no shell reads them
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=SECRET_TIMEOUT)  # noqa: S603
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"the command {words[:1]} cannot be run: {error}") from None
    if done.returncode:
        raise ConfigError(f"the command {words[0]!r} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout.rstrip("\n")


def _of_keyring(entry: list[str]) -> str:
    try:
        import keyring
    except ModuleNotFoundError:
        raise ConfigError("the system's keyring needs: pip install 'polycloud[keyring]'") from None
    service, user = entry
    found = keyring.get_password(service, user)
    if found is None:
        raise ConfigError(f"the system's keyring has no password of {user!r} for {service!r}")
    return str(found)


_LOOKUPS: dict[str, Any] = {"env": _of_environment, "command": _of_command, "keyring": _of_keyring}

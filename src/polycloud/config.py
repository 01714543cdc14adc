"""Named accounts: `~/.config/polycloud/config.toml`, and credentials in the environment.

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

Settings other than the provider's credentials are options of its driver. `POLYCLOUD_CONFIG` names another
file, `POLYCLOUD_PROFILE` the profile to use by default.
"""

from __future__ import annotations

import difflib
import errno
import os
import re
import shlex
import shutil
import stat
import subprocess
import threading
import tomllib
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from polycloud.common.driver import credentials_from_environment, credentials_of
from polycloud.common.providers import DriverType, get_driver
from polycloud.concurrency.calls import remaining
from polycloud.errors import InvalidArgumentError, PolycloudError, UnknownProviderError

if TYPE_CHECKING:
    from polycloud.compute.drivers.digitalocean import DigitalOceanNodeDriver
    from polycloud.compute.drivers.dummy import DummyNodeDriver
    from polycloud.compute.drivers.ec2 import EC2NodeDriver
    from polycloud.compute.drivers.linode import LinodeNodeDriver
    from polycloud.compute.drivers.nephoscale import NephoscaleNodeDriver
    from polycloud.compute.drivers.openstack import OpenStackNodeDriver
    from polycloud.compute.drivers.softlayer import SoftLayerNodeDriver
    from polycloud.compute.types import Provider
    from polycloud.dns.drivers.digitalocean import DigitalOceanDNSDriver
    from polycloud.dns.drivers.dummy import DummyDNSDriver
    from polycloud.dns.drivers.linode import LinodeDNSDriver
    from polycloud.loadbalancer.drivers.alb import ApplicationLBDriver
    from polycloud.loadbalancer.drivers.digitalocean import DigitalOceanLBDriver
    from polycloud.loadbalancer.drivers.dummy import DummyLBDriver
    from polycloud.loadbalancer.drivers.elb import ElasticLBDriver
    from polycloud.loadbalancer.drivers.haproxy import HAProxyDriver
    from polycloud.loadbalancer.drivers.linode import LinodeLBDriver
    from polycloud.loadbalancer.drivers.octavia import OctaviaLBDriver
    from polycloud.storage.drivers.azure_blobs import AzureBlobsStorageDriver
    from polycloud.storage.drivers.dummy import DummyStorageDriver
    from polycloud.storage.drivers.google_storage import GoogleStorageDriver
    from polycloud.storage.drivers.local import LocalStorageDriver
    from polycloud.storage.drivers.s3 import S3StorageDriver

__all__ = [
    "Config",
    "ConfigError",
    "ConfigWarning",
    "Profile",
    "config_file",
    "connect",
    "load",
    "profiles",
    "source_of",
]

CONFIG_VARIABLE, PROFILE_VARIABLE = "POLYCLOUD_CONFIG", "POLYCLOUD_PROFILE"
OTHERS = stat.S_IRWXG | stat.S_IRWXO
LONGEST_FILE = 1_000_000
DRAIN = 0.5
"""Seconds in which the output of a program that has ended is read; a process it started may hold the pipe."""
LONGEST_SECRET = 100_000
"""Bytes that a command may print; more is no secret."""
# Deep keys take tomllib quadratic time: 19 s for 20,000 parts
DEEP = re.compile(r"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){64}""")
LONG_NUMBER = re.compile(r"(?<!\w)[+-]?[0-9_]{4300,}(?!\w)")
LARGEST_NUMBER = 2**63
"""Integers of TOML have 64 bits."""
SECRET_TIMEOUT = 60.0
"""Seconds within which a command must print its secret."""
NEAREST = 3
DEFAULT_NAMES = ", the default"
SHOWN = 20
VARIABLE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
"""A name of a variable that messages may show; other text may be a secret in its place."""
TOP = ("default", "profiles")
DEFAULT_SERVICE = "compute"
NUMBER = (int, float)
OPTIONS: dict[str, tuple[type, ...]] = {
    "allow_insecure": (bool,),
    "api_version": (str,),
    "backoff": NUMBER,
    "body_limit": (int,),
    "value_limit": (int,),
    "ca_cert": (str,),
    "client_cert": (str, list),
    "deadline": NUMBER,
    "host": (str,),
    "pool_size": (int,),
    "port": (int,),
    "proxy_url": (str,),
    "region": (str,),
    "retry_delay": NUMBER,
    "secure": (bool,),
    "timeout": (*NUMBER, list),
    "url": (str,),
    "user_agent_append": (str, list),
}
"""The options of every driver, and their types; a driver checks its own options itself."""
PAIRS: dict[str, tuple[type, ...]] = {"client_cert": (str,), "timeout": NUMBER}
"""Options whose lists are pairs, and the types of their members."""
NOT_IN_A_FILE = ("retry", "transport")
TYPES = {
    str: "a string",
    bool: "true or false",
    int: "an integer",
    float: "a number",
    list: "a list",
    dict: "a table",
}


class ConfigError(PolycloudError):
    """The configuration cannot be used; the message names the file and the place in it."""


class ConfigWarning(UserWarning):
    """Other users can read the configuration."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A named account: its provider and its settings, whose secrets are not resolved yet."""

    name: str
    provider: str
    settings: Mapping[str, Any] = field(repr=False)
    file: Path
    service: str | None = None

    def connect(self, service: str | None = None, **options: Any) -> Any:
        """Make its driver for a service; `options` override those of the profile.

        The default is the profile's own service, else compute. Raises `ConfigError` if the profile is for
        another service, a setting is invalid, or a credential is missing or cannot be resolved.
        """
        kind = self.driver(service)
        names = [one.name for one in credentials_of(kind)]
        given = {name: self._setting(name, secret=name in names) for name in self.settings}
        credentials: tuple[Any, ...] = tuple(given.pop(name) for name in names if name in given)
        found = credentials or credentials_from_environment(kind)
        credentials = found or ()
        if found is None or 0 < len(credentials) < len(names):
            missing = [name for name in names if name not in self.settings]
            near = [one for name in missing for one in difflib.get_close_matches(name, self.settings, 1)]
            raise ConfigError(
                f"{self.where()} lacks {', '.join(missing)}, which {kind.name} needs"
                + (f" (it has {', '.join(near)}); " if near else "; ")
                + f"write it there, or leave all credentials out and set {_variables(kind)}"
            )
        try:
            return kind(*credentials, **{**given, **options})
        except (InvalidArgumentError, TypeError) as error:  # TypeError: the driver has no such argument
            raise ConfigError(f"{self.where()}: {_without_values(str(error), given)}") from None

    def driver(self, service: str | None = None) -> Any:
        """Return the class of its driver for a service.

        Raises `ConfigError` for an unknown provider, and for a service that the profile is not for.
        """
        if service and self.service and service != self.service:
            raise ConfigError(f"{self.where('service')}: it is for {self.service}, not for {service}")
        try:
            return get_driver(service or self.service or DEFAULT_SERVICE, self.provider)
        except UnknownProviderError as error:
            # Unless it resembles a provider's name, it may be a secret in the wrong place
            known = "nearest" in str(error) or f"no {self.service or service}" in str(error)
            message = error if known else "no provider is called that; `polycloud providers` lists them"
            raise ConfigError(f"{self.where('provider')}: {message}") from None

    def where(self, setting: str = "") -> str:
        """Return the place of the profile, or of a setting, for messages."""
        return f"{self.file}: profiles.{self.name}" + (f".{setting}" if setting else "")

    def _setting(self, name: str, *, secret: bool) -> Any:
        """Return a setting, resolved and of its type."""
        value = self.settings[name]
        try:
            if name in NOT_IN_A_FILE:
                raise ConfigError("it cannot be set in a file")
            if isinstance(value, dict):
                value = _resolved(value)
            _check(value, (str,) if secret else OPTIONS.get(name))
            return _listed(name, value) if isinstance(value, list) else value
        except ConfigError as error:
            raise ConfigError(f"{self.where(name)}: {error}") from None


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration: its profiles by name, in the order of the file, and the name of the `default` one."""

    file: Path
    profiles: Mapping[str, Profile]
    default: str | None = None

    def profile(self, name: str | None = None) -> Profile:
        """Return the profile of that name; else that of `POLYCLOUD_PROFILE`, the default or the only one.

        Raises `ConfigError` with the nearest names.
        """
        of_environment = None if name else os.environ.get(PROFILE_VARIABLE)
        by = f", which {PROFILE_VARIABLE} names" if of_environment else "" if name else DEFAULT_NAMES
        name = name or of_environment or self.default
        if name is None and len(self.profiles) == 1:
            return next(iter(self.profiles.values()))
        if name is None:
            raise ConfigError(f"which profile? {self._known()}")
        if name not in self.profiles:
            near = difflib.get_close_matches(name, self.profiles, NEAREST)
            hint = f" in {self.file}; the nearest are {', '.join(near)}" if near else f"; {self._known()}"
            called = repr(name) if near or by != DEFAULT_NAMES else "that"  # it may be a secret there
            raise ConfigError(f"no profile is called {called}{by}{hint}")
        return self.profiles[name]

    def of_service(self, service: str | None) -> list[Profile]:
        """Return the profiles that are for a service: its own, and those for every service."""
        return [
            one for one in self.profiles.values() if not (service and one.service) or one.service == service
        ]

    def _known(self) -> str:
        if not self.profiles:
            return f"there is none yet; write [profiles.NAME] with its provider into {self.file}"
        return f"there are in {self.file}: {', '.join(self.profiles)}"


@overload
def connect(
    provider: Literal[Provider.DIGITAL_OCEAN, "digitalocean"],
    *credentials: Any,
    service: Literal["compute"] | None = None,
    **options: Any,
) -> DigitalOceanNodeDriver: ...
@overload
def connect(
    provider: Literal[Provider.DUMMY, "dummy"],
    *credentials: Any,
    service: Literal["compute"] | None = None,
    **options: Any,
) -> DummyNodeDriver: ...
@overload
def connect(
    provider: Literal[Provider.LINODE, "linode"],
    *credentials: Any,
    service: Literal["compute"] | None = None,
    **options: Any,
) -> LinodeNodeDriver: ...
@overload
def connect(
    provider: Literal[Provider.EC2, "ec2"],
    *credentials: Any,
    service: Literal["compute"] | None = None,
    **options: Any,
) -> EC2NodeDriver: ...
@overload
def connect(
    provider: Literal[Provider.NEPHOSCALE, "nephoscale"],
    *credentials: Any,
    service: Literal["compute"] | None = None,
    **options: Any,
) -> NephoscaleNodeDriver: ...
@overload
def connect(
    provider: Literal[Provider.OPENSTACK, "openstack"],
    *credentials: Any,
    service: Literal["compute"] | None = None,
    **options: Any,
) -> OpenStackNodeDriver: ...
@overload
def connect(
    provider: Literal[Provider.SOFTLAYER, "softlayer"],
    *credentials: Any,
    service: Literal["compute"] | None = None,
    **options: Any,
) -> SoftLayerNodeDriver: ...
@overload
def connect(
    provider: Literal["digitalocean"], *credentials: Any, service: Literal["dns"], **options: Any
) -> DigitalOceanDNSDriver: ...
@overload
def connect(
    provider: Literal["dummy"], *credentials: Any, service: Literal["dns"], **options: Any
) -> DummyDNSDriver: ...
@overload
def connect(
    provider: Literal["linode"], *credentials: Any, service: Literal["dns"], **options: Any
) -> LinodeDNSDriver: ...
@overload
def connect(
    provider: Literal["alb"], *credentials: Any, service: Literal["loadbalancer"], **options: Any
) -> ApplicationLBDriver: ...
@overload
def connect(
    provider: Literal["digitalocean"], *credentials: Any, service: Literal["loadbalancer"], **options: Any
) -> DigitalOceanLBDriver: ...
@overload
def connect(
    provider: Literal["dummy"], *credentials: Any, service: Literal["loadbalancer"], **options: Any
) -> DummyLBDriver: ...
@overload
def connect(
    provider: Literal["elb"], *credentials: Any, service: Literal["loadbalancer"], **options: Any
) -> ElasticLBDriver: ...
@overload
def connect(
    provider: Literal["haproxy"], *credentials: Any, service: Literal["loadbalancer"], **options: Any
) -> HAProxyDriver: ...
@overload
def connect(
    provider: Literal["linode"], *credentials: Any, service: Literal["loadbalancer"], **options: Any
) -> LinodeLBDriver: ...
@overload
def connect(
    provider: Literal["octavia", "openstack"],
    *credentials: Any,
    service: Literal["loadbalancer"],
    **options: Any,
) -> OctaviaLBDriver: ...
@overload
def connect(
    provider: Literal["azure_blobs"], *credentials: Any, service: Literal["storage"], **options: Any
) -> AzureBlobsStorageDriver: ...
@overload
def connect(
    provider: Literal["google_storage"], *credentials: Any, service: Literal["storage"], **options: Any
) -> GoogleStorageDriver: ...
@overload
def connect(
    provider: Literal["dummy"], *credentials: Any, service: Literal["storage"], **options: Any
) -> DummyStorageDriver: ...
@overload
def connect(
    provider: Literal["local"], *credentials: Any, service: Literal["storage"], **options: Any
) -> LocalStorageDriver: ...
@overload
def connect(
    provider: Literal["s3"], *credentials: Any, service: Literal["storage"], **options: Any
) -> S3StorageDriver: ...
@overload
def connect(
    provider: str | None = None,
    *credentials: Any,
    service: str | None = None,
    profile: str | None = None,
    **options: Any,
) -> Any: ...
def connect(
    provider: str | None = None,
    *credentials: Any,
    service: str | None = None,
    profile: str | None = None,
    **options: Any,
) -> Any:
    """Make a driver: `connect("nephoscale", "user", "password")`, or `connect(profile="prod")`.

    Without credentials they are taken from the variables in which the provider's users usually keep them
    (`DIGITALOCEAN_TOKEN`); without a provider the account comes from the configuration.

    Args:
        provider: The provider's name.
        *credentials: The first arguments of its driver: a key, or a user and a password.
        service: The service, such as "dns"; the default is that of the profile, else compute.
        profile: The name of an account of the configuration.
        **options: Options of the driver, such as `host` or `timeout`; see
            `polycloud.common.base.ConnectionOptions`.

    Raises:
        UnknownProviderError: There is no such provider.
        ConfigError: There is no such profile, or credentials are missing.
    """
    if provider is None or profile is not None:
        if provider is not None or credentials:
            raise ConfigError("give a provider with its credentials or a profile=, not both")
        return load().profile(profile).connect(service, **options)
    kind = get_driver(service or DEFAULT_SERVICE, provider)
    if credentials:
        return kind(*credentials, **options)
    found = credentials_from_environment(kind)
    if found is None:
        names = [one.name for one in credentials_of(kind)]
        them = "them" if len(names) > 1 else "it"
        raise ConfigError(
            f"{kind.name} needs {', '.join(names)}: give {them}, set {_variables(kind)}, or use a profile"
        )
    return kind(*found, **options)


def _variables(kind: Any) -> str:
    """Return the names of the variables for a driver's credentials, for messages."""
    return " and ".join(" or ".join(one.variables) for one in credentials_of(kind))


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
        raise ConfigError(f"{file}: default must be the name of a profile, got {_kind(default)}")
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


# The file


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
        raise ConfigError(f"{where} must be a table, got {_kind(table)}; write [profiles.{name}]")
    provider = table.get("provider")
    if provider is None:
        near = difflib.get_close_matches("provider", table, 1)
        hint = f"; did you mean provider by {near[0]!r}?" if near else '; write provider = "NAME" there'
        raise ConfigError(f"{where} names no provider{hint}")
    if not isinstance(provider, str):
        raise ConfigError(f"{where}.provider must be a string, got {_kind(provider)}")
    service = table.get("service")
    if service is not None and service not in list(DriverType):
        raise ConfigError(f"{where}.service must be one of {', '.join(DriverType)}")
    settings = {key: value for key, value in table.items() if key not in {"provider", "service"}}
    return Profile(name, provider, settings, file, service)


def _without_values(message: str, given: Mapping[str, Any]) -> str:
    """Return a message without the texts of a profile's settings: any may be a secret in the wrong place."""
    from polycloud.tracing.redaction import REDACTED, redaction_of  # msgspec waits until it is needed

    values = [value for value in given.values() if isinstance(value, str)]
    values += [part for value in given.values() if isinstance(value, tuple | list) for part in value]
    texts = [value for value in values if isinstance(value, str) and value not in OPTIONS]
    # A message has the beginning of a long value
    for text in texts:
        if len(text) > SHOWN and text[:SHOWN] in message:
            message = message[: message.index(text[:SHOWN])] + REDACTED
    return redaction_of(tuple(texts)).known(message)


def _check(value: Any, types: tuple[type, ...] | None) -> None:
    """Raise `ConfigError` for a value of another type, without the value: it may be a secret."""
    if isinstance(value, int) and abs(value) >= LARGEST_NUMBER:
        raise ConfigError("it must be an integer of 64 bits")
    if types is None:
        return
    # True is an int
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        names = " or ".join(TYPES[one] for one in types if one is not int or float not in types)
        raise ConfigError(f"it must be {names}, got {_kind(value)}")
    if value == "":
        raise ConfigError("it must not be empty")


def _listed(name: str, value: list[Any]) -> Any:
    """Return the list of an option; a tuple for a pair, which TOML cannot express."""
    if name not in OPTIONS:
        return value
    for one in value:
        _check(one, PAIRS.get(name, (str,)))
    if name in PAIRS and len(value) != len(("one", "other")):
        raise ConfigError(f"it must be a pair, got a list of {len(value)}")
    return tuple(value)


def _kind(value: Any) -> str:
    return TYPES.get(type(value), f"a {type(value).__name__}")


# Secrets


def source_of(value: Any) -> str:
    """Return where a secret is stored: "set here", "env NAME", "command pass", "keyring SERVICE USER"."""
    if not isinstance(value, dict):
        return "set here"
    try:
        ((source, where),) = value.items()
        return f"{source} {_DESCRIBED[source](where)}".strip()
    except (ConfigError, KeyError, TypeError, ValueError):
        return "nowhere: the table cannot be used"


def _resolved(place: Mapping[str, Any]) -> str:
    """Return the secret that is stored at `place`, a table with one source."""
    source, *more = place or (None,)
    if more or source not in SOURCES:
        known = ", ".join(f"{{ {name} = ... }}" for name in SOURCES)
        raise ConfigError(f"a table must be one of {known}; or write the text itself")
    found = SOURCES[source](place[source])
    if not found:
        raise ConfigError(f"the {source} returned nothing")
    return found


def _of_environment(name: Any) -> str:
    if not isinstance(name, str) or not name:
        raise ConfigError("env must be the name of a variable")
    if not os.environ.get(name):
        raise ConfigError(f"the environment has no {_variable(name)}")
    return os.environ[name]


def _of_command(command: Any) -> str:
    """Return the output of the command, without its last line break."""
    words = _words(command)
    called = f"the command {_called(command)}".strip()
    try:
        status, output = _run(words, min(SECRET_TIMEOUT, max(0.0, remaining())))
        text = output.decode()
    except subprocess.TimeoutExpired as error:
        raise ConfigError(f"{called} did not end within {error.timeout:.3g} s") from None
    except UnicodeDecodeError:
        raise ConfigError(f"the output of {called} must be UTF-8") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{called} cannot be run: {reason}") from None
    if status:  # its stderr may hold the secret
        raise ConfigError(f"{called} ended with {status}; run it yourself to see why")
    if len(output) > LONGEST_SECRET:
        raise ConfigError(f"{called} printed more than {LONGEST_SECRET:,} bytes")
    return text.removesuffix("\n").removesuffix("\r")


def _variable(name: str) -> str:
    return name if VARIABLE.fullmatch(name) else "variable of that name"


def _called(command: Any) -> str:
    """Return the program of a command if there is such a program: else it may be a secret in its place."""
    word = _words(command)[0]
    return repr(word) if shutil.which(word) else ""


def _words(command: Any) -> list[str]:
    try:
        words = shlex.split(command) if isinstance(command, str) else command
    except ValueError as error:
        raise ConfigError(f"command cannot be split into words: {error}") from None
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        raise ConfigError("command must be a string or a list of words")
    return words


def _run(words: list[str], timeout: float) -> tuple[int, bytes]:
    """Return the exit status and the output of a program, as far as it may be a secret.

    The program's end counts, not that of processes which it started and which still hold the pipe.
    """
    with subprocess.Popen(  # noqa: S603 - the words are the user's own, and no shell interprets them
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
    ) as process:
        assert process.stdout is not None
        output = bytearray()
        reader = threading.Thread(target=_read_output, args=(process, output), daemon=True)
        reader.start()
        try:
            process.wait(timeout)
        except BaseException:
            process.kill()
            raise
        reader.join(DRAIN)
        return (0 if len(output) > LONGEST_SECRET else process.returncode), bytes(output)


def _read_output(process: subprocess.Popen[bytes], output: bytearray) -> None:
    pipe: Any = process.stdout
    with suppress(OSError, ValueError):  # the pipe was closed
        while data := pipe.read(65536):
            output += data
            if len(output) > LONGEST_SECRET:
                process.kill()
                return


def _of_keyring(entry: Any) -> str:
    if not isinstance(entry, list) or [type(part) for part in entry] != [str, str]:
        raise ConfigError('keyring must be ["SERVICE", "USER"]')
    try:
        import keyring
        from keyring.errors import KeyringError
    except ModuleNotFoundError:
        raise ConfigError("the system's keyring needs: pip install 'polycloud[keyring]'") from None
    service, user = entry
    try:
        found = keyring.get_password(service, user)
    except KeyringError as error:
        raise ConfigError(f"the system's keyring cannot be used: {error}") from None
    if found is None:
        raise ConfigError("the system's keyring has no password of that user for that service")
    return found


SOURCES: dict[str, Callable[[Any], str]] = {
    "env": _of_environment,
    "command": _of_command,
    "keyring": _of_keyring,
}
_DESCRIBED: dict[str, Callable[[Any], str]] = {"env": _variable, "command": _called, "keyring": " ".join}

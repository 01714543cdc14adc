"""Where a profile's secrets are kept: the environment, what a command prints, the system's keyring."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from polycloud.concurrency.calls import remaining
from polycloud.config.errors import ConfigError

DRAIN = 0.5
"""Seconds in which the output of a program that has ended is read; a process it started may hold the pipe."""
LONGEST_SECRET = 100_000
"""Bytes that a command may print; more is no secret."""
SECRET_TIMEOUT = 60.0
"""Seconds within which a command must print its secret."""
VARIABLE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
"""A name of a variable that messages may show; other text may be a secret in its place."""


def source_of(value: Any) -> str:
    """Return where a secret is stored: "set here", "env NAME", "command pass", "keyring SERVICE USER"."""
    if not isinstance(value, dict):
        return "set here"
    try:
        ((source, where),) = value.items()
        return f"{source} {_DESCRIBED[source](where)}".strip()
    except (ConfigError, KeyError, TypeError, ValueError):
        return "nowhere: the table cannot be used"


def resolved(place: Mapping[str, Any]) -> str:
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

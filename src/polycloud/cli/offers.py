"""Answer a shell's TAB, from what was offered before where that is still true.

Typer finds the offers, which takes a third of a second of CPU, and the provider's time if they are names of
resources. So the offers at a place in a line are kept, those for any beginning of the word at once, and until
they expire a TAB there only filters them: names of resources and accounts for a minute and at most until the
next command, commands and options for a day. They are in two files in the user's cache directory that only
the user can read; the words of a line, among which may be secrets, only as a hash.
"""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout, suppress
from typing import Any

from polycloud.cli.shells import SHELLS, Offers, broken, line_of, show
from polycloud.version import __version__

__all__ = ["answer", "forget"]

NAMES, COMMANDS = "names.json", "commands.json"
SECONDS = {NAMES: 60.0, COMMANDS: 86400.0}
"""How long offers are kept."""
MOST = 200
"""The most places in lines whose offers are kept."""
CHOOSING = ("POLYCLOUD_CONFIG", "POLYCLOUD_PROFILE", "XDG_CONFIG_HOME", "HOME")
"""Variables that choose the account."""


def answer(shell: str, find: Callable[[dict[str, str]], object]) -> int:
    """Print what fits the word at the cursor, for a shell whose question is in the environment.

    `find` makes Typer answer a question of variables. Returns the exit status.
    """
    if shell not in SHELLS:
        sys.exit(f"Shell {shell} not supported.")
    words, begun = line_of(shell, os.environ)
    is_value = "=" in begun  # --option=value: Typer splits it, and offers values only
    place = begun if is_value else begun[:1] if begun.startswith("-") else _folder(begun)
    key = _key([*words, place], shell)
    offers = _kept(NAMES, key) or _kept(COMMANDS, key)
    if offers is None:
        offers = _found([*words, place], shell, find)
        _keep(key, offers)
    fit = [offer for offer in offers if is_value or offer[0].startswith(begun)]
    start = broken(begun, os.environ) if shell == "bash" else 0
    return show(shell, [(word[start:], text) for word, text in fit])


def _folder(begun: str) -> str:
    """Return the address to which the word at the cursor goes on: other names are offered in each."""
    return begun[: max(begun.rfind(mark) for mark in ":/") + 1] if ":" in begun else ""


def forget() -> None:
    """Drop the names of resources: a command may have changed them."""
    with suppress(OSError):
        os.unlink(_file(NAMES))  # noqa: PTH108 - pathlib costs more than all of this


def _found(words: Sequence[str], shell: str, find: Callable[[dict[str, str]], object]) -> Offers:
    """Have Typer find the offers for the last of `words`; with descriptions, for shells that show them."""
    import shlex

    line = shlex.join(["polycloud", *words]).removesuffix("''")
    question = {
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words)),
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    with redirect_stdout(io.StringIO()) as printed, suppress(SystemExit):
        find(question | {"_POLYCLOUD_COMPLETE": "complete_bash" if shell == "bash" else "complete_fish"})
    lines = (text.partition("\t") for text in printed.getvalue().splitlines() if text)
    return [(word, description) for word, _, description in lines]


# What was offered before


def _key(words: Sequence[str], shell: str) -> str:
    from hashlib import sha256

    account = [os.environ.get(name) for name in CHOOSING]
    return sha256(json.dumps([__version__, shell == "bash", words, account]).encode()).hexdigest()


def _kept(name: str, key: str) -> Offers | None:
    """The offers at this place, if they were found lately and with this configuration."""
    with suppress(KeyError, TypeError, ValueError):
        kept = _read(name)[key]
        if 0 <= time.time() - kept["at"] < SECONDS[name] and kept["changed"] == _changed(kept["config"]):
            return [(str(word), str(description)) for word, description in kept["offers"]]
    return None


def _keep(key: str, offers: Offers) -> None:
    """Write the offers down, unless there are none: what failed may succeed at the next TAB."""
    if not offers:
        return
    from polycloud.cli import completion

    name = NAMES if completion.looked_up else COMMANDS
    config = None
    if "polycloud.config" in sys.modules:
        from polycloud.config import config_file

        config = str(config_file())
    kept = {"at": time.time(), "config": config, "changed": _changed(config), "offers": offers}
    latest = list((_read(name) | {key: kept}).items())[-MOST:]
    _write(name, json.dumps(dict(latest)))


def _changed(config: str | None) -> int | None:
    """When the configuration was changed, in nanoseconds; None without one."""
    with suppress(OSError):
        return os.stat(config).st_mtime_ns if config else None  # noqa: PTH116 - as above
    return None


def _file(name: str) -> str:
    folder = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 - as above
    return f"{folder}/polycloud/{name}"


def _read(name: str) -> dict[str, Any]:
    with suppress(OSError, ValueError), open(_file(name), encoding="utf-8") as stream:  # noqa: PTH123 - as above
        found = json.load(stream)
        return found if isinstance(found, dict) else {}
    return {}


def _write(name: str, text: str) -> None:
    """Replace a file, which only the user can read; not at all where that is impossible."""
    file = _file(name)
    new = f"{file}.{os.getpid()}"
    with suppress(OSError):
        os.makedirs(os.path.dirname(file), mode=0o700, exist_ok=True)  # noqa: PTH103, PTH120 - as above
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:  # noqa: PTH123
            stream.write(text)
        os.replace(new, file)  # noqa: PTH105 - as above

"""What all tests of a process share, and a test may change by mistake."""

from __future__ import annotations

import logging
import os
import signal
from operator import attrgetter
from typing import Any

# SIGALRM is pytest-timeout's
SIGNALS = (signal.SIGCHLD, signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
OF_A_LOGGER = ("level", "disabled", "propagate")
_of_a_logger = attrgetter(*OF_A_LOGGER)
OF_PYTEST = b"PYTEST_CURRENT_TEST"


class Process:
    """The state of the process when this was made: environment, folder, signals, settings of loggers.

    Loggers that were made later are of no account: importing a module makes some.
    """

    def __init__(self) -> None:
        self._environment = _environment()
        self._folder = os.getcwd()  # noqa: PTH109 - every test calls this, and a Path takes longer
        self._signals = {number: signal.getsignal(number) for number in SIGNALS}
        self._disabled = logging.root.manager.disable
        self._loggers = [
            (logger, _of_a_logger(logger))
            for logger in (logging.root, *logging.root.manager.loggerDict.values())
            if isinstance(logger, logging.Logger)
        ]

    def changes(self) -> list[str]:
        """Describe what has changed."""
        now, was = _environment(), self._environment
        names = [] if now == was else sorted({name for name, _ in now.items() ^ was.items()})
        found = [
            _change(f"${os.fsdecode(name)}", _text(was.get(name)), _text(now.get(name))) for name in names
        ]
        found.append(_change("the folder", self._folder, os.getcwd()))  # noqa: PTH109 - as above
        found += [
            _change(number.name, was, signal.getsignal(number)) for number, was in self._signals.items()
        ]
        found.append(_change("logging.disable", self._disabled, logging.root.manager.disable))
        found += [
            _change(f"{name} of logger {logger.name}", one, other)
            for logger, before in self._loggers
            if before != (after := _of_a_logger(logger))
            for name, one, other in zip(OF_A_LOGGER, before, after, strict=True)
        ]
        return [change for change in found if change]

    def restore(self) -> None:
        """Undo what has changed."""
        running = {name: os.environb[name] for name in (OF_PYTEST,) if name in os.environb}
        os.environb.clear()
        os.environb.update(self._environment | running)
        os.chdir(self._folder)
        for number, handler in self._signals.items():
            if signal.getsignal(number) is not handler:
                signal.signal(number, handler)
        logging.disable(self._disabled)
        for logger, before in self._loggers:
            for name, was in zip(OF_A_LOGGER, before, strict=True):
                if getattr(logger, name) != was:
                    setattr(logger, name, was)


def _environment() -> dict[bytes, bytes]:
    """The variables, as bytes: every test asks for them twice, and to decode them takes longest."""
    return {name: value for name, value in os.environb.items() if name != OF_PYTEST}


def _text(value: bytes | None) -> str | None:
    return None if value is None else os.fsdecode(value)


def _change(name: str, before: Any, after: Any) -> str:
    """Describe a change; "" if there is none."""
    return "" if before == after else f"{name} is {after!r}, and was {before!r}"

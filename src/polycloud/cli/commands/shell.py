"""`polycloud shell`: a Python prompt with connected drivers."""

from __future__ import annotations

import code
from collections.abc import Mapping
from contextlib import ExitStack
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from polycloud.cli import accounts, options
from polycloud.version import __version__

__all__ = ["app"]


def shell(
    *,
    profile: options.Profiles = None,
    provider: options.Provider = None,
    every: options.Every = False,
) -> None:
    """Open a Python prompt with connected drivers.

    `conn` is the driver if there is one account; `fleet` calls the drivers of all accounts.
    """
    asked = accounts.connect_all(None, profile, provider, every=every)
    with ExitStack() as stack:
        _prompt(_names({name: stack.enter_context(connect()) for name, connect in asked.items()}))


def _names(drivers: Mapping[str, Any]) -> dict[str, Any]:
    import polycloud
    from polycloud.fleet import Fleet

    names: dict[str, Any] = {"polycloud": polycloud, "fleet": Fleet(drivers)}
    if len(drivers) == 1:
        (names["conn"],) = drivers.values()
    return names


def _prompt(names: dict[str, Any]) -> None:
    if find_spec("IPython"):
        import_module("IPython").embed(header=_banner(names), user_ns=names, colors="Neutral")
        return
    _complete(names)
    code.interact(_banner(names), local=names, exitmsg="")


def _banner(names: dict[str, Any]) -> str:
    lines = [f"fleet   {', '.join(names['fleet'].accounts)}"]
    if "conn" in names:
        lines.append(f"conn    {names['conn']!r}")
    return "\n".join([f"polycloud {__version__}", *lines, "Ctrl-D ends it."])


def _complete(names: dict[str, Any]) -> None:
    """Complete names by the tab key, if Python has readline."""
    if find_spec("readline") is None:
        return
    import readline
    import rlcompleter

    readline.set_completer(rlcompleter.Completer(names).complete)
    readline.parse_and_bind("tab: complete")


app = options.single(shell)

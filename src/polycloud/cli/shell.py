"""`polycloud shell`: a Python prompt with drivers that are connected."""

from __future__ import annotations

import code
from collections.abc import Mapping
from contextlib import ExitStack
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from polycloud.cli import accounts, options
from polycloud.version import __version__

if TYPE_CHECKING:
    from polycloud.compute.base import NodeDriver

__all__ = ["app"]


def shell(
    *,
    profile: options.Profiles = None,
    provider: options.Provider = None,
    every: options.Every = False,
) -> None:
    """Open a Python prompt that is connected.

    With one account its driver is `conn`. `fleet` calls all accounts that were asked for at once.
    """
    asked = accounts.several(profile, provider, every=every)
    with ExitStack() as stack:
        _prompt(_names({name: stack.enter_context(connect()) for name, connect in asked.items()}))


def _names(drivers: Mapping[str, NodeDriver]) -> dict[str, Any]:
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
    told = [f"fleet   {', '.join(names['fleet'].accounts)}"]
    if "conn" in names:
        told.append(f"conn    {names['conn']!r}")
    return "\n".join([f"polycloud {__version__}", *told, "Ctrl-D ends it."])


def _complete(names: dict[str, Any]) -> None:
    """Let the tab key complete names, where there is a readline."""
    if find_spec("readline") is None:
        return
    import readline
    import rlcompleter

    readline.set_completer(rlcompleter.Completer(names).complete)
    readline.parse_and_bind("tab: complete")


app = options.single(shell)

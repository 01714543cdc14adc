"""`polycloud conform`: check a driver against the rules of every driver, one line a rule."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polycloud import DriverType, get_driver
from polycloud.cli import accounts, options, output, suites
from polycloud.cli.nouns import main_noun
from polycloud.cli.suites import BROKEN, KEPT, SKIPPED, Rule
from polycloud.common.driver import credentials_from_environment, credentials_of
from polycloud.common.operations import OperationsDriver
from polycloud.errors import InvalidArgumentError, PolycloudError
from polycloud.http.messages import is_loopback
from polycloud.testing.cleanup import LEFT_OVER
from polycloud.tracing.redaction import redaction_of

if TYPE_CHECKING:
    from polycloud.testing.conformance.base import Conformance

__all__ = ["app", "conform"]

STYLES = {KEPT: "green", BROKEN: "bold red", SKIPPED: "dim"}
WAITS = ("appear", "build", "power", "destroy", "copy", "attach", "archive")
"""Settings of sandboxes that make a rule wait."""
SHORT = 0.05
"""Seconds of these settings."""
REASONS = 2
"""The reasons of a rule that are shown."""
SLOW = 5.0
"""Seconds from which the time of a rule is shown."""
TRACEBACKS = 3
"""The tracebacks of a fake server's different exceptions that are shown."""


def conform(
    *,
    target: Annotated[
        str,
        typer.Argument(
            metavar="DRIVER", help="A provider's name, or MODULE:CLASS of a driver or of its test class."
        ),
    ],
    rules: Annotated[
        list[str] | None, typer.Argument(metavar="RULE", help="Such as C05; all by default.")
    ] = None,
    credentials: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TEXT", help="A credential of the driver, in order; by default from the environment."
        ),
    ] = None,
    service: Annotated[
        DriverType, typer.Option(help="The service of the driver, if DRIVER is a provider's name.")
    ] = DriverType.COMPUTE,
    profile: options.Profile = None,
    url: Annotated[str | None, typer.Option(metavar="URL", help="The address of the provider.")] = None,
    sandbox: Annotated[
        str | None, typer.Option(metavar="NAME", help="Run this sandbox, such as nephoscale.")
    ] = None,
    region: Annotated[
        str | None, typer.Option(metavar="NAME", help="The region, for a driver that requires one.")
    ] = None,
    unique_names: Annotated[
        bool,
        typer.Option("--unique-names", help="The provider refuses a second node or balancer of one name."),
    ] = False,
    patience: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", min=0, help="How long to wait for the effect of a request."),
    ] = None,
    yes: options.Yes = False,
    as_json: options.Json = False,
) -> None:
    """Check a driver against the rules of every driver.

    Resources are created and destroyed if the driver offers it. A rule about operations that the driver does
    not offer is skipped. The exit status is 1 if a rule is broken.
    """
    kind = _import_class(target, service)
    suite = suites.load(kind.service if issubclass(kind, OperationsDriver) else kind.base_driver.service)
    asked = _numbers(suite, rules or ())
    given = {name: value for name, value in (("url", url), ("region", region)) if value}
    chosen = {"unique_names": unique_names or None, "patience": patience}
    settings = {name: value for name, value in chosen.items() if value is not None}
    if unique_names and not hasattr(suite, "unique_names"):
        raise InvalidArgumentError(
            f"--unique-names is about nodes and balancers: there are none in {suite.__name__}"
        )
    with ExitStack() as stack:
        if issubclass(kind, OperationsDriver):
            driver = stack.enter_context(_driver(kind, credentials, profile, sandbox, given))
            _require_consent(driver, yes=yes)
            file = stack.enter_context(suites.test_file(suite, driver))
        elif credentials or profile or sandbox or given:
            raise InvalidArgumentError(f"{target} is a test class, which creates its driver itself")
        else:
            driver, file = None, f"{sys.modules[kind.__module__].__file__}::{kind.__qualname__}"
        found, left = suites.run(suite, file, asked, driver, settings)
    _show(target, found, left, as_json=as_json)
    if left or any(rule.status == BROKEN for rule in found):
        raise typer.Exit(1)


# The target


def _import_class(target: str, service: str) -> type[OperationsDriver | Conformance[Any]]:
    """The class that `target` names; that of a provider's driver for the service."""
    kinds = (OperationsDriver, suites.base())
    place, colon, name = target.rpartition(":")
    if not colon:
        driver: type[OperationsDriver] = get_driver(service, target)
        return driver
    module = _imported(place)
    found = getattr(module, name, None)
    if isinstance(found, type) and issubclass(found, kinds):
        return found
    there = {
        key: value.__module__
        for key, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, kinds)
    }
    own = [key for key, where in there.items() if where == module.__name__]
    imported = [f"{key} of {where}" for key, where in there.items() if not where.startswith("polycloud.")]
    names = ", ".join(own or imported) or "none"
    raise InvalidArgumentError(f"{place} has no driver and no test class {name!r}; it has {names}")


def _imported(place: str) -> Any:
    """Import a module by its name, also from this folder, or by its file."""
    file = Path(place)
    folder, name = (file.parent, file.stem) if place.endswith(".py") else (Path(), place)
    sys.path.insert(0, str(folder.resolve()))
    try:
        return importlib.import_module(name)
    except Exception as error:
        missing = getattr(error, "name", None) if isinstance(error, ModuleNotFoundError) else None
        hint = f"; is {missing} installed? (pip install -e .)" if missing not in {None, name} else ""
        message = f"{place} cannot be imported: {type(error).__name__}: {error}{hint}"
        raise PolycloudError(message) from error


def _numbers(suite: type[Conformance[Any]], rules: Sequence[str]) -> set[str]:
    """The numbers of rules in the form of the suite: C05 for c5, or for 5."""
    known = suites.rules_of(suite).keys()
    letter = min(known)[0]
    digits = {rule: rule.upper().removeprefix(letter) for rule in rules}
    asked = {f"{letter}{int(text):02}" if text.isdigit() else rule for rule, text in digits.items()}
    if asked - known:
        raise InvalidArgumentError(
            f"there is no rule {', '.join(sorted(asked - known))}; there are {min(known)} to {max(known)}"
        )
    return asked


@contextmanager
def _driver(
    kind: type[OperationsDriver],
    credentials: list[str] | None,
    profile: str | None,
    sandbox: str | None,
    given: dict[str, Any],
) -> Iterator[OperationsDriver]:
    """Create the driver, and close it at the end of the block."""
    if sum(map(bool, (profile, sandbox, credentials))) > 1 or (sandbox and "url" in given):
        raise InvalidArgumentError("give only one of --credentials, --profile and --sandbox")
    with ExitStack() as stack:
        if sandbox:
            from polycloud.cli.commands.sandbox import running

            cloud = stack.enter_context(running(sandbox, **_settings(sandbox)))
            credentials, given = (
                list(cloud.credentials[: len(credentials_of(kind))]),
                {**given, **cloud.options},
            )
        if profile:
            driver = _of_profile(kind, profile, given)
        else:
            driver = _made(kind, credentials or credentials_from_environment(kind), given)
        yield stack.enter_context(driver)


def _settings(sandbox: str) -> dict[str, Any]:
    """Settings with which the sandbox is fast."""
    from dataclasses import fields

    from polycloud.sandbox.clouds import CLOUDS, find

    own = {one.name for one in fields(find(sandbox).settings_type)} if sandbox in CLOUDS else set()
    return {"ssh": "off", **{name: SHORT for name in WAITS if name in own}}


def _of_profile(kind: type[OperationsDriver], name: str, given: dict[str, Any]) -> OperationsDriver:
    driver = accounts.configuration().profile(name).connect(kind.service, **given)
    if not isinstance(driver, kind):
        raise InvalidArgumentError(
            f"the driver of the profile {name} must be {kind.__name__}, got {type(driver).__name__}"
        )
    return driver


def _made(
    kind: type[OperationsDriver], credentials: Sequence[str] | None, given: dict[str, Any]
) -> OperationsDriver:
    names = [one.name for one in credentials_of(kind)]
    if credentials is None or len(credentials) != len(names):
        variables = " and ".join(" or ".join(one.variables) for one in credentials_of(kind))
        each = " ".join(f"--credentials {name.upper()}" for name in names)
        message = f"{kind.__name__} needs {', '.join(names)}: give {each}, or set {variables}"
        raise InvalidArgumentError(message)
    make: Callable[..., OperationsDriver] = kind
    try:
        return make(*credentials, **given)
    except PolycloudError:
        raise
    except Exception as error:
        message = redaction_of(tuple(credentials)).known(f"{type(error).__name__}: {error}")
        raise PolycloudError(f"{kind.__name__} cannot be created: {message}") from error


def _require_consent(driver: OperationsDriver, *, yes: bool) -> None:
    """Ask before creating resources that may cost money."""
    host = driver.connection.host
    creates = any(name.startswith("create_") and driver.supports(name) for name in driver.operations())
    if yes or is_loopback(host) or not creates:
        return
    noun = main_noun(driver.service)
    what = noun.many if noun else "resources"
    warning = f"This creates {what} at {host}, which may cost money, and destroys them."
    if not sys.stdin.isatty():
        raise InvalidArgumentError(f"{warning} Use --yes to confirm.")
    typer.confirm(f"{warning} Continue?", abort=True, err=True)


# The result


def _show(target: str, rules: Sequence[Rule], left: Sequence[str], *, as_json: bool) -> None:
    counts = {status: sum(rule.status == status for rule in rules) for status in STYLES}
    if as_json:
        details = {"rules": [asdict(rule) for rule in rules], "left_over": left}
        output.json({"driver": target, **counts, **details})
        return
    for rule in rules:
        why = f" ({'; '.join(rule.reasons)})" if rule.status == SKIPPED else ""
        time = f" [{rule.seconds:.0f} s]" if rule.seconds >= SLOW else ""
        output.line(f"{rule.status:<8} {rule.number} {rule.sentence}{why}{time}", STYLES[rule.status])
        for reason in rule.reasons[:REASONS] if rule.status == BROKEN else ():
            output.line(f"{'':<12} {reason}")
    tracebacks = dict.fromkeys(text for rule in rules for text in rule.tracebacks)
    for text in list(tracebacks)[:TRACEBACKS]:
        output.line()
        for part in text.rstrip().splitlines():
            output.line(part)
    output.line()
    output.line(f"{target}: " + ", ".join(f"{count} {status}" for status, count in counts.items()), "bold")
    for text in left:
        output.line(f"{LEFT_OVER}{text}", "bold red")


app = options.single(conform)

"""`polycloud conform`: a driver, held to the rules that every driver keeps, one line a rule."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polycloud.cli import accounts, options, output
from polycloud.common.driver import credentials_from_environment, credentials_of
from polycloud.compute.base import NodeDriver
from polycloud.compute.providers import get_driver
from polycloud.errors import InvalidArgumentError, PolycloudError
from polycloud.http.messages import is_loopback
from polycloud.testing.cleanup import LEFT_OVER
from polycloud.tracing.redaction import redact

if TYPE_CHECKING:
    import pytest

    from polycloud.testing import ComputeConformance

__all__ = ["app", "conform"]

KEPT, BROKEN, SKIPPED = "kept", "broken", "skipped"
STYLES = {KEPT: "green", BROKEN: "bold red", SKIPPED: "dim"}
WAITS = ("appear", "build", "power", "destroy", "copy", "attach", "archive")
"""Settings of sandboxes for which a rule would have to wait."""
SOON = 0.05
SHOWN, REASONS = 300, 2
"""Signs of a reason that are shown, and reasons of a rule."""
# Settings of a plugin that is not loaded would end the run where warnings are errors
QUIETLY = (
    *("-o", "addopts=", "-p", "no:terminal", "-p", "no:cacheprovider"),
    *("-W", "ignore::pytest.PytestConfigWarning"),
)


@dataclass
class Rule:
    """One rule, and whether the driver keeps it; `reasons` say why not."""

    number: str
    sentence: str
    status: str = SKIPPED
    reasons: list[str] = field(default_factory=list)

    def note(self, status: str, reason: str) -> None:
        """Note how one of its tests ended; the worst counts, and kept beats skipped."""
        order = (SKIPPED, KEPT, BROKEN)
        if order.index(status) > order.index(self.status):
            self.status, self.reasons = status, []
        if reason and status == self.status and reason not in self.reasons:
            self.reasons.append(reason)


def conform(
    *,
    target: Annotated[
        str,
        typer.Argument(
            metavar="DRIVER", help="A provider's name, or MODULE:CLASS of a driver or of its test class."
        ),
    ],
    rules: Annotated[
        list[str] | None, typer.Argument(metavar="RULE", help="Such as C05; all unless given.")
    ] = None,
    credentials: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TEXT", help="One of the driver's credentials, in order; of the environment without."
        ),
    ] = None,
    profile: options.Profile = None,
    url: Annotated[str | None, typer.Option(metavar="URL", help="Where the provider answers.")] = None,
    sandbox: Annotated[
        str | None, typer.Option(metavar="NAME", help="A sandbox of this machine, such as nephoscale.")
    ] = None,
    region: Annotated[
        str | None, typer.Option(metavar="NAME", help="The region, for a driver that wants one.")
    ] = None,
    yes: options.Yes = False,
    as_json: options.Json = False,
) -> None:
    """Hold a driver to the rules that every driver keeps.

    Nodes are created and destroyed where the driver offers it. A rule is skipped where the driver does not
    offer what it is about. The exit status is 1 where a rule is broken.
    """
    kind = _found(target)
    asked = _numbers(rules or ())
    given = {name: value for name, value in (("url", url), ("region", region)) if value}
    with ExitStack() as stack:
        if issubclass(kind, NodeDriver):
            driver = stack.enter_context(_driver(kind, credentials, profile, sandbox, given))
            _require_consent(driver, yes=yes)
            file = stack.enter_context(_test_of(driver))
        elif credentials or profile or sandbox or given:
            raise InvalidArgumentError(f"{target} is a test class, which makes its driver itself")
        else:
            driver, file = None, f"{sys.modules[kind.__module__].__file__}::{kind.__qualname__}"
        found, left = _run(file, asked, driver)
    _show(target, found, left, as_json=as_json)
    if left or any(rule.status == BROKEN for rule in found):
        raise typer.Exit(1)


# What is to be tested


def _found(target: str) -> type[NodeDriver | ComputeConformance]:
    """The class that `target` names."""
    suite = _suite()
    place, colon, name = target.rpartition(":")
    if not colon:
        return get_driver(target)
    module = _imported(place)
    found = getattr(module, name, None)
    if isinstance(found, type) and issubclass(found, (NodeDriver, suite)):
        return found
    there = {
        key: value.__module__
        for key, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, (NodeDriver, suite))
    }
    own = [key for key, where in there.items() if where == module.__name__]
    imported = [f"{key} of {where}" for key, where in there.items() if not where.startswith("polycloud.")]
    names = ", ".join(own or imported) or "none"
    raise InvalidArgumentError(f"{place} has no driver and no test class {name!r}; it has {names}")


def _imported(place: str) -> Any:
    """A module by its name, or by its file; those of this folder too."""
    file = Path(place)
    folder, name = (file.parent, file.stem) if place.endswith(".py") else (Path(), place)
    sys.path.insert(0, str(folder.resolve()))
    try:
        return importlib.import_module(name)
    except Exception as error:
        missing = getattr(error, "name", None) if isinstance(error, ModuleNotFoundError) else None
        hint = f"; is {missing} installed? (pip install -e .)" if missing not in {None, name} else ""
        told = f"{place} cannot be imported: {type(error).__name__}: {error}{hint}"
        raise PolycloudError(told) from error


def _suite() -> type[ComputeConformance]:
    try:
        from polycloud.testing import ComputeConformance
    except ImportError as error:
        raise PolycloudError(str(error)) from error
    return ComputeConformance


def _numbers(rules: Sequence[str]) -> set[str]:
    known = _rules().keys()
    asked = {f"C{int(rule.lstrip('cC')):02}" if rule.lstrip("cC").isdigit() else rule for rule in rules}
    if asked - known:
        raise InvalidArgumentError(
            f"there is no rule {', '.join(sorted(asked - known))}; there are {min(known)} to {max(known)}"
        )
    return asked


def _rules() -> dict[str, str]:
    """The sentence of each rule by number."""
    suite = _suite()
    from polycloud.testing.conformance.base import rules

    return rules(suite)


@contextmanager
def _driver(
    kind: type[NodeDriver],
    credentials: list[str] | None,
    profile: str | None,
    sandbox: str | None,
    given: dict[str, Any],
) -> Iterator[NodeDriver]:
    """The driver, closed in the end."""
    if sum(map(bool, (profile, sandbox, credentials))) > 1 or (sandbox and "url" in given):
        raise InvalidArgumentError("give --credentials, --profile or --sandbox, not several of them")
    with ExitStack() as stack:
        if sandbox:
            from polycloud.cli.sandbox import running

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
    """Settings with which everything happens soon."""
    from dataclasses import fields

    from polycloud.sandbox.clouds import CLOUDS, find

    own = {one.name for one in fields(find(sandbox).settings_type)} if sandbox in CLOUDS else set()
    return {"ssh": "off", **{name: SOON for name in WAITS if name in own}}


def _of_profile(kind: type[NodeDriver], name: str, given: dict[str, Any]) -> NodeDriver:
    driver = accounts.configuration().profile(name).connect(**given)
    if not isinstance(driver, kind):
        raise InvalidArgumentError(f"the profile {name} is of {type(driver).__name__}, not {kind.__name__}")
    return driver


def _made(kind: type[NodeDriver], credentials: Sequence[str] | None, given: dict[str, Any]) -> NodeDriver:
    names = [one.name for one in credentials_of(kind)]
    if credentials is None or len(credentials) != len(names):
        variables = " and ".join(" or ".join(one.variables) for one in credentials_of(kind))
        each = " ".join(f"--credentials {name.upper()}" for name in names)
        told = f"{kind.__name__} needs {', '.join(names)}"
        raise InvalidArgumentError(f"{told}: give {each}, or set {variables}")
    make: Callable[..., NodeDriver] = kind
    try:
        return make(*credentials, **given)
    except PolycloudError:
        raise
    except Exception as error:
        told = redact(f"{type(error).__name__}: {error}", credentials)
        raise PolycloudError(f"{kind.__name__} cannot be made: {told}") from error


def _require_consent(driver: NodeDriver, *, yes: bool) -> None:
    """Ask before nodes are created that may cost something."""
    host = driver.connection.host
    if yes or is_loopback(host) or not driver.supports("create_node"):
        return
    told = f"This creates nodes at {host}, which may cost money, and destroys them."
    if not sys.stdin.isatty():
        raise InvalidArgumentError(f"{told} Say --yes to have it done.")
    typer.confirm(f"{told} Go on?", abort=True, err=True)


# How it is tested

_SUITE: list[type[ComputeConformance]] = []


@contextmanager
def _test_of(made: NodeDriver) -> Iterator[str]:
    """A test file whose class holds this driver to the rules."""
    import pytest

    class TestDriver(_suite()):  # type: ignore[misc] # mypy knows no class that a call gives
        over_http = type(made).connectionCls is not NodeDriver.connectionCls
        not_offered = frozenset(name for name in made.operations() if not made.supports(name))

        @pytest.fixture
        def driver(self) -> NodeDriver:
            return made

    with TemporaryDirectory(prefix="polycloud-conform-") as folder:
        file = Path(folder, "test_driver.py")
        file.write_text("from polycloud.cli.conform import _SUITE\n\n(TestDriver,) = _SUITE\n")
        _SUITE[:] = [TestDriver]
        try:
            yield str(file)
        finally:
            _SUITE.clear()


class _Watch:
    """A plugin of pytest that notes how the tests of each rule end, and what they have left over."""

    def __init__(self, asked: set[str], driver: NodeDriver | None, step: Callable[[str], None]) -> None:
        self.rules = {number: Rule(number, sentence) for number, sentence in _rules().items()}
        self.seen: set[str] = set()
        self.problems: list[str] = []
        self.left: list[str] = []
        self._asked, self._driver, self._step = asked, driver, step

    def found(self) -> list[Rule]:
        """The rules that were tested."""
        return [rule for number, rule in sorted(self.rules.items()) if number in self.seen]

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """What cannot be collected is told of at the end."""
        if report.failed:
            self.problems.append(_short(str(report.longrepr)))

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep the tests of the rules that were asked for."""
        asked = self._asked or self.rules.keys()
        items[:] = [item for item in items if _number(item) in asked]

    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        """Note how a test, or what goes before or after it, ended."""
        import pytest

        rule = self.rules[_number(item)]
        self.seen.add(rule.number)
        self._step(f"{rule.number} {rule.sentence}")
        if call.excinfo is None:
            if call.when == "call":
                rule.note(KEPT, "")
            return
        error = call.excinfo.value
        skipped = isinstance(error, pytest.skip.Exception)
        case = f"{item.name[item.name.index('[') + 1 : -1]}: " if "[" in item.name and not skipped else ""
        reason = self._reason(rule, error, getattr(item, "funcargs", {}).get("driver"))
        rule.note(SKIPPED if skipped else BROKEN, case + reason)
        if reason.startswith(LEFT_OVER):
            self.left.append(reason.removeprefix(LEFT_OVER))

    def _reason(self, rule: Rule, error: BaseException, driver: NodeDriver | None) -> str:
        import pytest

        from polycloud.testing.conformance.base import place_of

        text = str(error)
        if isinstance(error, pytest.FixtureLookupError):
            text = f"there is no fixture {error.argname!r}"
        elif not isinstance(error, (AssertionError, pytest.fail.Exception, pytest.skip.Exception)):
            text = f"raised {type(error).__name__}: {text}{place_of(error, driver)}"
        text = text.removeprefix(f"{rule.number} {rule.sentence.rstrip('.')}: ")
        return _short(text if self._driver is None else self._driver.connection.redact(text))


def _number(item: pytest.Item) -> str:
    from polycloud.testing.conformance.base import number_of

    return number_of(item.name)


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= SHOWN else f"{flat[: SHOWN - 3]}..."


def _run(file: str, asked: set[str], driver: NodeDriver | None) -> tuple[list[Rule], list[str]]:
    """How the rules end in the tests of `file`, and what they leave over.

    Raises `PolycloudError` where they cannot be run.
    """
    import pytest

    with _progress() as step, _without_plugins():
        watch = _Watch(asked, driver, step)
        status = pytest.main([*QUIETLY, file], plugins=[watch])
    if status == pytest.ExitCode.INTERRUPTED and not watch.problems:
        raise KeyboardInterrupt
    if not watch.seen:
        raise PolycloudError(f"no rule could be tested: {'; '.join(watch.problems) or 'none was found'}")
    return watch.found(), watch.left if driver is None else _left_over(driver)


def _left_over(driver: NodeDriver) -> list[str]:
    """The nodes that the rules have made and that do not go away."""
    return [driver.connection.redact(text) for text in _suite().leftovers(driver)]


@contextmanager
def _without_plugins() -> Iterator[None]:
    """Without the plugins and options of this machine, which could order, repeat or split the tests."""
    before = dict(os.environ)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.environ.pop("PYTEST_ADDOPTS", None)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """What is told the rule that is tested now; shows it at a terminal."""
    if not output.lively(sys.stderr):
        yield lambda _: None
        return
    from rich.text import Text

    with output.errors().status("") as status:
        yield lambda told: status.update(Text(output.printable(told)))


# How it is told


def _show(target: str, rules: Sequence[Rule], left: Sequence[str], *, as_json: bool) -> None:
    counts = {status: sum(rule.status == status for rule in rules) for status in STYLES}
    if as_json:
        told = {"rules": [asdict(rule) for rule in rules], "left_over": left}
        output.json({"driver": target, **counts, **told})
        return
    for rule in rules:
        why = f" ({'; '.join(rule.reasons)})" if rule.status == SKIPPED else ""
        output.line(f"{rule.status:<8} {rule.number} {rule.sentence}{why}", STYLES[rule.status])
        for reason in rule.reasons[:REASONS] if rule.status == BROKEN else ():
            output.line(f"{'':<12} {reason}")
    output.line()
    output.line(f"{target}: " + ", ".join(f"{count} {status}" for status, count in counts.items()), "bold")
    for text in left:
        output.line(f"{LEFT_OVER}{text}", "bold red")


app = options.single(conform)

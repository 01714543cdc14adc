"""Run the rules of a service on a driver: its conformance suite, by pytest, recorded rule by rule."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from polycloud import testing
from polycloud.cli import output
from polycloud.common.connection import Connection
from polycloud.errors import PolycloudError
from polycloud.testing.cleanup import LEFT_OVER

if TYPE_CHECKING:
    import pytest

    from polycloud.common.operations import OperationsDriver
    from polycloud.testing.conformance.base import Conformance
    from polycloud.testing.loopback import Failure

__all__ = ["BROKEN", "KEPT", "SKIPPED", "SUITES", "Rule", "base", "load", "rules_of", "run", "test_file"]

SUITES = {
    "compute": "ComputeConformance",
    "dns": "DNSConformance",
    "loadbalancer": "LBConformance",
    "storage": "StorageConformance",
}
"""The suite of each service, in `polycloud.testing`."""
KEPT, BROKEN, SKIPPED = "kept", "broken", "skipped"
SHOWN = 300
"""The characters of a reason that are shown."""
# Settings of plugins that are not loaded would end the run if warnings are errors
QUIETLY = (
    *("-o", "addopts=", "-p", "no:terminal", "-p", "no:cacheprovider"),
    *("-W", "ignore::pytest.PytestConfigWarning"),
)


@dataclass
class Rule:
    """One rule, and whether the driver keeps it; `reasons` say why it does not.

    `seconds` is the time that its tests took, `tracebacks` are those of a fake server's exceptions.
    """

    number: str
    sentence: str
    status: str = SKIPPED
    reasons: list[str] = field(default_factory=list)
    seconds: float = 0.0
    tracebacks: list[str] = field(default_factory=list)

    def note(self, status: str, reason: str) -> None:
        """Record the outcome of one of its tests: broken overrides kept, and kept overrides skipped."""
        order = (SKIPPED, KEPT, BROKEN)
        if order.index(status) > order.index(self.status):
            self.status, self.reasons = status, []
        if reason and status == self.status and reason not in self.reasons:
            self.reasons.append(reason)


def load(service: str) -> type[Conformance[Any]]:
    """The suite of a service. Raises `PolycloudError` if there is none, or if pytest is missing."""
    if service not in SUITES:
        raise PolycloudError(f"there are no rules for {service} yet; there are some for {', '.join(SUITES)}")
    try:
        suite: type[Conformance[Any]] = getattr(testing, SUITES[service])
    except ImportError as error:
        raise PolycloudError(str(error)) from error
    return suite


def base() -> type[Conformance[Any]]:
    """The base of all suites. Raises `PolycloudError` if pytest is missing."""
    load("compute")
    from polycloud.testing.conformance.base import Conformance

    return Conformance


def rules_of(suite: type[Conformance[Any]]) -> dict[str, str]:
    """The sentence of each rule by number."""
    from polycloud.testing.conformance.base import rules

    return rules(suite)


_test_class: list[type[Conformance[Any]]] = []


@contextmanager
def test_file(suite: type[Conformance[Any]], made: OperationsDriver) -> Iterator[str]:
    """A test file whose class checks this driver."""
    import pytest

    class TestDriver(suite):  # type: ignore[misc, valid-type] # mypy does not know a class in a variable
        over_http = type(made).connectionCls not in {suite.base_driver.connectionCls, Connection}
        not_offered = frozenset(name for name in made.operations() if not made.supports(name))

        @pytest.fixture
        def driver(self) -> OperationsDriver:
            return made

    with TemporaryDirectory(prefix="polycloud-conform-") as folder:
        file = Path(folder, "test_driver.py")
        file.write_text("from polycloud.cli.suites import _test_class\n\n(TestDriver,) = _test_class\n")
        _test_class[:] = [TestDriver]
        try:
            yield str(file)
        finally:
            _test_class.clear()


class _Recorder:
    """A plugin of pytest that records the outcome of the tests of each rule, and what they left over."""

    def __init__(
        self,
        rules: Mapping[str, str],
        asked: Collection[str],
        driver: OperationsDriver | None,
        step: Callable[[str], None],
        failures: list[Failure],
        settings: Mapping[str, Any],
    ) -> None:
        self.rules = {number: Rule(number, sentence) for number, sentence in rules.items()}
        self.seen: set[str] = set()
        self.problems: list[str] = []
        self.left: list[str] = []
        self._asked, self._driver, self._step = asked, driver, step
        self._failures, self._settings = failures, settings

    def found(self) -> list[Rule]:
        """The rules that were tested."""
        return [rule for number, rule in sorted(self.rules.items()) if number in self.seen]

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Record what cannot be collected."""
        if report.failed:
            self.problems.append(_short(str(report.longrepr)))

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Select the tests of the rules that were requested."""
        asked = self._asked or self.rules.keys()
        items[:] = [item for item in items if _number(item) in asked]
        for item in items:
            for name, value in self._settings.items():
                setattr(item.cls, name, value)  # type: ignore[attr-defined] # a rule is in a class

    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        """Record the outcome of a test, of its setup or of its teardown."""
        import pytest

        rule = self.rules[_number(item)]
        self.seen.add(rule.number)
        rule.seconds = round(rule.seconds + call.duration, 2)
        failures = [self._failures.pop(0) for _ in tuple(self._failures)]
        rule.tracebacks += [self._redacted(failure.traceback) for failure in failures]
        self._step(f"{rule.number} {rule.sentence}")
        if call.excinfo is None:
            if call.when == "call":
                rule.note(KEPT, "")
            return
        error = call.excinfo.value
        skipped = isinstance(error, pytest.skip.Exception)
        case = f"{item.name[item.name.index('[') + 1 : -1]}: " if "[" in item.name and not skipped else ""
        reason = self._reason(rule, error, getattr(item, "funcargs", {}).get("driver"), failures)
        rule.note(SKIPPED if skipped else BROKEN, case + reason)
        if reason.startswith(LEFT_OVER):
            self.left.append(reason.removeprefix(LEFT_OVER))

    def _redacted(self, text: str) -> str:
        return text if self._driver is None else self._driver.connection.redact(text)

    def _reason(
        self,
        rule: Rule,
        error: BaseException,
        driver: OperationsDriver | None,
        failures: Sequence[Failure],
    ) -> str:
        import pytest

        from polycloud.testing.conformance.base import place_of

        text = str(error)
        if isinstance(error, pytest.FixtureLookupError):
            text = f"there is no fixture {error.argname!r}"
        elif not isinstance(error, (AssertionError, pytest.fail.Exception, pytest.skip.Exception)):
            text = f"raised {type(error).__name__}: {text}{place_of(error, driver)}"
        text = text.removeprefix(f"{rule.number} {rule.sentence.rstrip('.')}: ")
        if failures and str(failures[0]) not in text:
            text = f"{failures[0]}; {text}"
        return _short(self._redacted(text))


def _number(item: pytest.Item) -> str:
    from polycloud.testing.conformance.base import number_of

    return number_of(item.name)


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= SHOWN else f"{flat[: SHOWN - 3]}..."


def run(
    suite: type[Conformance[Any]],
    file: str,
    asked: Collection[str],
    driver: OperationsDriver | None,
    settings: Mapping[str, Any],
) -> tuple[list[Rule], list[str]]:
    """Run the tests of `file` for the rules `asked` (all if empty); return the rules, and what is left over.

    Without a driver the test class of the file creates it. `settings` are attributes that the test class
    gets. Raises `PolycloudError` if no test can be run.
    """
    import pytest

    from polycloud.testing.loopback import noted_failures

    with _progress() as step, _without_plugins(), noted_failures() as failures:
        recorder = _Recorder(rules_of(suite), asked, driver, step, failures, settings)
        status = pytest.main([*QUIETLY, file], plugins=[recorder])
    if status == pytest.ExitCode.INTERRUPTED and not recorder.problems:
        raise KeyboardInterrupt
    if not recorder.seen:
        raise PolycloudError(f"no rule could be tested: {'; '.join(recorder.problems) or 'none was found'}")
    if driver is None:
        return recorder.found(), recorder.left
    return recorder.found(), [
        driver.connection.redact(text)
        for text in suite.leftovers(driver, settings.get("patience", suite.patience))
    ]


@contextmanager
def _without_plugins() -> Iterator[None]:
    """Disable plugins and options of this machine, which could reorder, repeat or split the tests."""
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
    """A function that shows the current rule at a terminal."""
    if not output.lively(sys.stderr):
        yield lambda _: None
        return
    from rich.text import Text

    with output.errors().status("") as status:
        yield lambda rule: status.update(Text(output.printable(rule)))

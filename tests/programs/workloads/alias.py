"""What the workloads share: which Libcloud they run on, and how they tell of their tests' outcomes."""

from __future__ import annotations

import importlib.util
import json
import sys
import traceback
import unittest
from typing import Any


def install() -> None:
    """Have `import libcloud` find polycloud where that is installed, else apache-libcloud."""
    if importlib.util.find_spec("polycloud"):
        import polycloud

        polycloud.install_as_libcloud()


class Outcomes(unittest.TestResult):
    """The outcome of each test, by its name: passed, skipped, or the last line of its error."""

    def __init__(self) -> None:
        super().__init__()
        self.by_name: dict[str, str] = {}

    def addSuccess(self, test: unittest.TestCase) -> None:
        self.by_name[test.id()] = "passed"

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        self.by_name[test.id()] = "skipped"

    def addError(self, test: unittest.TestCase, err: Any) -> None:
        self.by_name[test.id()] = traceback.format_exception(*err)[-1].strip()

    addFailure = addError

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: Any) -> None:
        if err is not None:
            self.addError(test, err)


def report(outcomes: Outcomes) -> None:
    """Print the outcomes, and the files of all modules called `libcloud` that were loaded."""
    import libcloud

    files = {
        str(module.__file__)
        for name, module in sys.modules.items()
        if name.split(".")[0] == "libcloud" and getattr(module, "__file__", None)
    }
    found = {"version": libcloud.__version__, "files": sorted(files), "outcomes": outcomes.by_name}
    sys.stdout.write(json.dumps(found))

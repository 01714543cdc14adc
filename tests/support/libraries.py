"""Libraries of others that a few tests use, and that take long to import."""

from __future__ import annotations

from typing import Any

import pytest


class Library:
    """A module that is imported when a test uses it, not in each process that collects the tests.

    The test is skipped if it is not installed.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("_"):  # what pytest looks for in whatever it collects
            raise AttributeError(attribute)
        return getattr(pytest.importorskip(self._name), attribute)

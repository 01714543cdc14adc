"""The proof of the rules of storage: every rule catches the fault that was seeded for it."""

from __future__ import annotations

from polycloud.testing import StorageConformance
from polycloud.testing.conformance.base import rules
from support import suites

RULES = rules(StorageConformance)


def test_document_and_suite_agree() -> None:
    """The document states the suite's rules, with the same numbers and sentences, in order."""
    assert suites.stated_rules("storage.md") == list(RULES.items())
    assert list(RULES) == [f"S{number:02}" for number in range(1, len(RULES) + 1)]

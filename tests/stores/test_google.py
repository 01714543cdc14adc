"""The rules of storage on two emulators of Google's JSON API that nobody here wrote, which check no token.

What they do otherwise than Google's documents is in the settings below. Run them by `make stores`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import pytest

from polycloud.storage.drivers.google_storage import GoogleStorageDriver
from polycloud.testing.conformance.storage.suite import ODD_NAMES
from support.google import EMAIL, Tokens, tokens
from support.googlerules import GoogleRules
from support.stores import store


@pytest.fixture(scope="module")
def logins() -> Iterator[Tokens]:
    with tokens() as server:
        yield server


class Google(GoogleRules):
    """What both have in common."""

    server: ClassVar[str]
    breaks: ClassVar[dict[str, str]] = {
        "test_s25_list_of_containers": "it does not sort the list of buckets",
        "test_s45_addresses": "it knows neither policies of buckets nor lists of access",
        "test_s47_limits_of_presigned_urls": "it does not check signatures",
    }
    """Tests that it fails, also with their parameters, and what it does otherwise than Google."""

    @pytest.fixture(autouse=True)
    def _broken(self, request: pytest.FixtureRequest) -> None:
        reason = self.breaks.get(request.node.name) or self.breaks.get(request.function.__name__)
        if reason:
            pytest.skip(reason)

    @pytest.fixture
    def driver(self, logins: Tokens) -> Iterator[GoogleStorageDriver]:
        with GoogleStorageDriver(EMAIL, logins.key(), url=store(self.server)) as driver:
            yield driver


class TestEmulator(Google):
    """gcp-storage-emulator: it ignores conditions and generations, and cannot cancel an upload."""

    server = "gcs"
    conditions = frozenset()
    keeps_versions = False
    odd_names = tuple(name for name in ODD_NAMES if ".." not in name.split("/"))
    breaks: ClassVar[dict[str, str]] = {
        **Google.breaks,
        **dict.fromkeys(
            (
                "test_s60_interrupted_uploads",
                "test_s61_cancelled_uploads",
                "test_s63_lost_parts[reset after]",
                "test_s64_broken_uploads",
            ),
            "it cannot cancel an upload, and then not delete its bucket",
        ),
        "test_s46_presigned_urls": "it does not read names that end in / at their public addresses",
        "test_s85_removed_values": "it keeps a field that is null",
        "test_s76_replaced_objects": "it ignores generations, and its responses do not say theirs",
    }


class TestFakeServer(Google):
    """fake-gcs-server: it keeps conditions in uploads of one request only."""

    server = "gcs2"
    several = 1001
    conditions_of_parts = frozenset()
    breaks: ClassVar[dict[str, str]] = {
        **Google.breaks,
        "test_s16_lost_containers": "it does not say that a bucket that exists is one's own",
        "test_s64_broken_uploads": "asked how far an upload is, it ends it",
        "test_s84_updates": "it keeps metadata that is null as an empty text",
        "test_s85_removed_values": "it keeps metadata that is null as an empty text",
        "test_s92_deleted_versions": "it ignores the generation of a delete",
    }

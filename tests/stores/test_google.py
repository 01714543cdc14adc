"""The rules of storage on two emulators of Google's JSON API that nobody here wrote, which check no token.

What they do otherwise than Google's documents is in the settings below. Run them by `make stores`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from polycloud.storage.base import StorageDriver
from polycloud.storage.drivers.google_storage import GoogleStorageDriver
from polycloud.testing import StorageConformance
from polycloud.testing.conformance.storage.suite import ODD_NAMES
from support.google import EMAIL, Tokens, private_key, tokens
from support.stores import store


@pytest.fixture(scope="module")
def logins() -> Iterator[Tokens]:
    with tokens() as server:
        yield server


class Google(StorageConformance):
    """What both have in common."""

    server = ""

    @pytest.fixture
    def driver(self, logins: Tokens) -> Iterator[GoogleStorageDriver]:
        with GoogleStorageDriver(EMAIL, logins.key(), url=store(self.server)) as driver:
            yield driver

    def driver_with_wrong_credentials(self, driver: StorageDriver) -> StorageDriver:
        """Return a driver with the key of another account."""
        account = driver.connection.google_account
        with_wrong = Tokens(account.token_uri.removesuffix("/token")).key(private_key("wrong"))
        return self._another(driver, EMAIL, with_wrong, url=store(self.server))


class TestEmulator(Google):
    """gcp-storage-emulator."""

    server = "gcs"


class TestFakeServer(Google):
    """fake-gcs-server."""

    server = "gcs2"

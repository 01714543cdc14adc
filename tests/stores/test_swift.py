"""The rules of storage on OpenStack's Swift by its own API, with the login of version 1 and with Keystone's.

Run them by `make stores`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from polycloud.storage.drivers.swift import OpenStackSwiftStorageDriver
from polycloud.testing import StorageConformance
from support import kit
from support.kitopenstack import front_of
from support.web import serve

KEY = "a key of temporary URLs"


@pytest.fixture(autouse=True)
def _wanted() -> None:
    if os.environ.get("POLYCLOUD_STORES") is None:
        pytest.skip("stores of others take minutes: make stores")


@pytest.fixture(scope="module")
def keystone() -> Iterator[str]:
    """Yield the address of Keystone, on a server that passes requests on to it and to Swift."""
    ports = {name: kit.started(name)["port"] for name in ("keystone", "swift-keystone")}
    with serve(front_of(ports)) as web:
        yield f"{web.url}/keystone"


class SwiftRules(StorageConformance):
    """What both logins have in common."""

    not_offered = frozenset({"enable_object_cdn"})
    conditions = frozenset({"if_none_match"})
    driver_options: ClassVar[dict[str, Any]] = {"ex_temp_url_key": KEY}


class TestVersion1(SwiftRules):
    """Swift with users of its own."""

    @pytest.fixture
    def driver(self) -> Iterator[OpenStackSwiftStorageDriver]:
        url = kit.url_of("swift")
        with OpenStackSwiftStorageDriver("test:tester", "testing", url=url, ex_temp_url_key=KEY) as driver:
            driver.ex_set_account_metadata_temp_url_key(KEY)
            yield driver


class TestKeystone(SwiftRules):
    """Swift with Keystone's users, both behind one address."""

    @pytest.fixture
    def driver(self, keystone: str) -> Iterator[OpenStackSwiftStorageDriver]:
        with OpenStackSwiftStorageDriver("admin", "admin", url=keystone, ex_temp_url_key=KEY) as driver:
            driver.ex_set_account_metadata_temp_url_key(KEY)
            yield driver

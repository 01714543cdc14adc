"""Our rules on bridged drivers; those that a bridge cannot keep are left out, each with its reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from libcloud.storage.drivers.s3 import S3StorageDriver

import polycloud
from polycloud import bridge
from polycloud.testing import ComputeConformance, StorageConformance
from support.vultr import TOKEN, Vultr
from support.web import Web, serve

CREDENTIALS = ("AKIA0123456789", "moto-secret-1")


def lacking(kind: Any) -> frozenset[str]:
    return frozenset(one for one in kind.operations() if not kind.offers(one))


def without(suite: Any, reasons: Mapping[str, str]) -> Any:
    """Return the suite without the rules of these numbers."""
    dropped = [name for name in dir(suite) if name.startswith(tuple(f"test_{one}_" for one in reasons))]
    assert len(dropped) >= len(reasons)
    return type(suite.__name__, (suite,), dict.fromkeys(dropped))


@pytest.fixture(scope="module")
def vultr_server() -> Iterator[Web]:
    with serve(Vultr().answer) as web:
        yield web


VULTR: Any = polycloud.get_driver("compute", "vultr")
S3: Any = bridge.driver_class(S3StorageDriver)
NOT_OF_COMPUTE = {
    "c33": "Vultr's volumes need a location, which the rules do not give",
    "c34": "likewise",
    "c35": "likewise",
    "c36": "likewise",
    "c48": "nothing marks what Libcloud creates, so there are no idempotency keys",
}
NOT_OF_STORAGE = {
    "s01": "S3 has a driver of ours, which get_driver finds",
    "s04": "Libcloud's constructor swallows any keyword",
    "s06": "moto takes any credentials",
    "s09": "Libcloud takes a page of HTML for an empty list",
    "s10": "likewise",
    "s16": "a container whose response is lost is ambiguous",
    "s18": "Libcloud puts names of containers into paths as they are",
    "s23": "S3 in us-east-1 creates a container again",
    "s33": "Libcloud's S3 cannot have names such as a//b",
    "s53": "Libcloud's S3 cannot have metadata beyond ASCII",
    "s54": "Libcloud's S3 knows none of these keys",
    "s58": "Libcloud has no conditions",
    "s59": "likewise",
    "s60": "Libcloud's S3 leaves the parts of an upload that Ctrl-C ends",
    "s61": "likewise, of one that is cancelled",
    "s63": "Libcloud sends no part again",
    "s65": "an object of parts has no MD5",
    "s76": "likewise",
    "s77": "likewise",
    "s81": "as s33",
    "s82": "Libcloud's S3 deletes objects of a missing container without an error",
}


class TestVultr(without(ComputeConformance, NOT_OF_COMPUTE)):  # type: ignore[misc] # made above
    not_offered = lacking(VULTR) | {"create_key_pair"}

    def node_options(self, driver: Any) -> dict[str, Any]:
        return {**super().node_options(driver), "location": driver.list_locations()[0]}

    @pytest.fixture
    def driver(self, vultr_server: Web) -> Iterator[Any]:
        with VULTR(TOKEN, **vultr_server.options) as driver:
            yield driver


class TestS3(without(StorageConformance, NOT_OF_STORAGE)):  # type: ignore[misc] # made above
    not_offered = lacking(S3)

    @pytest.fixture
    def driver(self, moto: dict[str, Any]) -> Iterator[Any]:
        with S3(*CREDENTIALS, **moto) as driver:
            yield driver

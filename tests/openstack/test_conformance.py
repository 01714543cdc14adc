"""The rules of compute on the real services of OpenStack."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from polycloud.compute.drivers.openstack import OpenStackNodeDriver
from polycloud.testing import ComputeConformance
from support.kitopenstack import front
from support.web import Web

STUBS = {
    "test_c18_wait_until_running": "Nova's network is a stub: servers have no address",
    "test_c35_attach_volume": "Nova's volumes are stubs: Cinder does not know of attachments",
    "test_c37_images_of_nodes": "Nova's images are stubs: Glance does not know those that it saves",
}


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    with front() as web:
        yield web


class TestOpenStack(ComputeConformance):
    not_offered = frozenset({"copy_image"})
    unknown_id = "00000000-0000-0000-0000-000000000000"
    volume_size = 1

    @pytest.fixture(autouse=True)
    def without_stubs(self, request: pytest.FixtureRequest) -> None:
        """Skip what cannot work there."""
        if reason := STUBS.get(request.function.__name__):
            pytest.skip(reason)

    @pytest.fixture
    def driver(self, web: Web) -> Iterator[OpenStackNodeDriver]:
        with OpenStackNodeDriver("demo", "demo", url=f"{web.url}/keystone", ex_tenant_name="demo") as driver:
            yield driver

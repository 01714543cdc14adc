"""The rules of compute on the real services of OpenStack.

Nova has stubs for networks and volumes here: servers of other projects than admin have no address, and it
knows no volume of Cinder's nor any image that it has saved.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from polycloud.compute.drivers.openstack import OpenStackNodeDriver
from polycloud.testing import ComputeConformance
from support.kitopenstack import front
from support.web import Web


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    with front() as web:
        yield web


class TestOpenStack(ComputeConformance):
    not_offered = frozenset({"copy_image"})
    unknown_id = "00000000-0000-0000-0000-000000000000"
    volume_size = 1

    @pytest.fixture
    def driver(self, web: Web) -> Iterator[OpenStackNodeDriver]:
        with OpenStackNodeDriver("demo", "demo", url=f"{web.url}/keystone", ex_tenant_name="demo") as driver:
            yield driver

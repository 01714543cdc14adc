from collections.abc import Iterator

import pytest

from polycloud.compute.drivers.openstack import OpenStackNodeDriver
from polycloud.sandbox import Sandbox
from polycloud.testing import ComputeConformance


@pytest.fixture(scope="module")
def cloud() -> Iterator[Sandbox]:
    with Sandbox(
        "openstack", build=0.03, power=0.03, copy=0.03, attach=0.03, page_size=2, no_isolation=True
    ) as cloud:
        yield cloud


class TestOpenStack(ComputeConformance):
    not_offered = frozenset({"copy_image"})

    @pytest.fixture
    def driver(self, cloud: Sandbox) -> Iterator[OpenStackNodeDriver]:
        with OpenStackNodeDriver(*cloud.credentials, **cloud.options) as driver:
            yield driver

from collections.abc import Iterator

import pytest

from polycloud.compute.drivers.ec2 import EC2NodeDriver
from polycloud.sandbox import Sandbox
from polycloud.testing import ComputeConformance


@pytest.fixture(scope="module")
def cloud() -> Iterator[Sandbox]:
    with Sandbox("ec2", types="t3,m5d") as cloud:
        yield cloud


class TestEC2(ComputeConformance):
    @pytest.fixture
    def driver(self, cloud: Sandbox) -> Iterator[EC2NodeDriver]:
        with EC2NodeDriver(*cloud.credentials, region="us-east-1", **cloud.options) as driver:
            yield driver

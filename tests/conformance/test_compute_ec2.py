from collections.abc import Iterator

import pytest

from polycloud.compute.drivers.ec2 import EC2NodeDriver
from polycloud.testing import ComputeConformance
from support.moto import Moto, moto


@pytest.fixture(scope="module")
def cloud() -> Iterator[Moto]:
    with moto() as cloud:
        yield cloud


class TestEC2(ComputeConformance):
    @pytest.fixture
    def driver(self, cloud: Moto) -> Iterator[EC2NodeDriver]:
        with EC2NodeDriver(cloud.key, cloud.secret, region="us-east-1", url=cloud.url) as driver:
            yield driver

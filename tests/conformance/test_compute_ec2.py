from collections.abc import Iterator

import pytest

from polycloud.compute.drivers.ec2 import EC2NodeDriver
from polycloud.sandbox import Sandbox
from polycloud.testing import ComputeConformance


class TestEC2(ComputeConformance):
    @pytest.fixture
    def driver(self, aws: Sandbox) -> Iterator[EC2NodeDriver]:
        aws.reset()  # moto lists terminated nodes for ever
        with EC2NodeDriver(*aws.credentials, region="us-east-1", **aws.options) as driver:
            yield driver

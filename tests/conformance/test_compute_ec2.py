from collections.abc import Iterator

import pytest

from polycloud.compute.drivers.ec2 import EC2NodeDriver
from polycloud.http.retry import RetryPolicy
from polycloud.sandbox import Sandbox
from polycloud.testing import ComputeConformance


class TestEC2(ComputeConformance):
    @pytest.fixture
    def driver(self, aws: Sandbox) -> Iterator[EC2NodeDriver]:
        aws.reset()  # moto lists terminated nodes for ever, and has a 500 for searches by client token
        options = {**aws.options, "region": "us-east-1", "retry": RetryPolicy(base=0.01)}
        with EC2NodeDriver(*aws.credentials, **options) as driver:
            yield driver

from collections.abc import Iterator
from typing import Any

import pytest

from polycloud.compute.base import NodeDriver
from polycloud.compute.drivers.ec2 import EC2NodeDriver
from polycloud.http.retry import RetryPolicy
from polycloud.sandbox import Sandbox
from polycloud.testing import ComputeConformance


class TestEC2(ComputeConformance):
    def node_options(self, driver: NodeDriver) -> dict[str, Any]:
        assert isinstance(driver, EC2NodeDriver)
        images = driver.list_images(ex_filters={"name": "al2023-ami-2023.*-kernel-6.1-x86_64"})
        return {"size": driver.ex_get_size("t3.nano"), "image": images[0]}  # the whole lists take long

    @pytest.fixture
    def driver(self, aws: Sandbox) -> Iterator[EC2NodeDriver]:
        aws.reset()  # moto lists terminated nodes for ever, and has a 500 for searches by client token
        options = {**aws.options, "region": "us-east-1", "retry": RetryPolicy(base=0.01)}
        with EC2NodeDriver(*aws.credentials, **options) as driver:
            yield driver

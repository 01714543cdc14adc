from __future__ import annotations

import pytest

from polycloud.compute.drivers.ec2 import EC2NodeDriver
from polycloud.sandbox import Sandbox
from support.moto import Moto


@pytest.fixture(scope="module")
def cloud(aws: Sandbox) -> Moto:
    return Moto(aws.url, *aws.credentials)


def prices(cloud: Moto, region: str) -> dict[str, float | None]:
    with EC2NodeDriver(cloud.key, cloud.secret, url=cloud.url, region=region) as driver:
        return {size.id: size.price for size in driver.list_sizes()}


def test_sizes_have_the_prices_of_their_region(cloud: Moto) -> None:
    """A size has the shipped price of the driver's region."""
    found = prices(cloud, "us-east-1")
    assert (found["t3.micro"], found["t3.2xlarge"], found["m5d.large"]) == (0.0104, 0.3328, 0.113)


def test_a_region_without_prices(cloud: Moto) -> None:
    """In a region without shipped prices, sizes have none."""
    found = prices(cloud, "eu-south-2")
    assert found
    assert set(found.values()) == {None}

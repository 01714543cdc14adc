from collections.abc import Iterator

import pytest

from polycloud.compute.drivers.linode import LinodeNodeDriver
from polycloud.sandbox import Sandbox
from polycloud.testing import ComputeConformance

LACKING = "copy_image create_volume_snapshot destroy_volume_snapshot list_volume_snapshots"


@pytest.fixture(scope="module")
def driver() -> Iterator[LinodeNodeDriver]:
    with Sandbox("linode", build=0.1, boot=0.05, power=0.05, copy=0.05, attach=0.05) as cloud:
        with LinodeNodeDriver(cloud.credentials[0], region="us-east", **cloud.options) as driver:
            yield driver


class TestLinode(ComputeConformance):
    not_offered = frozenset(LACKING.split())
    unique_names = True

from collections.abc import Iterator

import pytest

from polycloud.loadbalancer.drivers.linode import LinodeLBDriver
from polycloud.testing import LBConformance
from support.linodes import Ground, LinodeMembers, ground


@pytest.fixture(scope="module")
def here() -> Iterator[Ground]:
    with ground() as here:
        yield here


class TestLinode(LinodeMembers, LBConformance):
    @pytest.fixture
    def driver(self, here: Ground) -> Iterator[LinodeLBDriver]:
        options = {"region": "us-east", "ex_per_page": 25, **here.cloud.options}
        with LinodeLBDriver(here.cloud.credentials[0], **options) as driver:
            yield driver

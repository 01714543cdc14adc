import pytest

from polycloud.loadbalancer.drivers.alb import ApplicationLBDriver
from polycloud.sandbox import Sandbox
from polycloud.testing import LBConformance
from support.awslb import AWSMembers, Ground, ground


@pytest.fixture(scope="module")
def aws(aws: Sandbox) -> Ground:
    return ground(aws)


class TestALB(AWSMembers, LBConformance):
    unique_names = True
    own_ports = False  # moto keeps one port of an address
    lists_cheaply = False
    updates = frozenset({"port", "algorithm"})  # a protocol of the same type needs a certificate

    @pytest.fixture
    def driver(self, aws: Ground) -> ApplicationLBDriver:
        return ApplicationLBDriver(*aws.cloud.credentials, **aws.cloud.options, ex_per_page=2)

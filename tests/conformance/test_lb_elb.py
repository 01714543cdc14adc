import pytest

from polycloud.loadbalancer.drivers.elb import ElasticLBDriver
from polycloud.sandbox import Sandbox
from polycloud.testing import LBConformance
from support.awslb import AWSMembers, Ground, ground


@pytest.fixture(scope="module")
def aws(aws: Sandbox) -> Ground:
    return ground(aws)


class TestELB(AWSMembers, LBConformance):
    unique_names = True
    by_id = True
    own_ports = False
    member_port = 80
    updates = frozenset({"port", "protocol"})

    @pytest.fixture
    def driver(self, aws: Ground) -> ElasticLBDriver:
        return ElasticLBDriver(*aws.cloud.credentials, **aws.cloud.options, ex_per_page=2)

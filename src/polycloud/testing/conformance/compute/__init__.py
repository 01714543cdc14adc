"""The rules of compute, as tests that a driver's author inherits.

    class TestMyCloud(ComputeConformance):
        not_offered = frozenset({"create_volume", "list_volumes"})

        @pytest.fixture
        def driver(self) -> Iterator[MyCloudNodeDriver]:
            with MyCloudNodeDriver("user", "password", url="http://127.0.0.1:8080") as driver:
                yield driver

docs/rules/compute.md lists them. Each module has the rules of one noun: `drivers` those that hold for the
drivers of every service, `nodes` and `actions` those of nodes, and so on; `suite` has what all of them use.
"""

from polycloud.testing.conformance.compute.actions import ActionRules
from polycloud.testing.conformance.compute.catalog import CatalogRules
from polycloud.testing.conformance.compute.deployment import DeploymentRules
from polycloud.testing.conformance.compute.drivers import DriverRules
from polycloud.testing.conformance.compute.images import ImageRules
from polycloud.testing.conformance.compute.keys import KeyRules
from polycloud.testing.conformance.compute.nodes import NodeRules
from polycloud.testing.conformance.compute.volumes import VolumeRules

__all__ = ["ComputeConformance"]


class ComputeConformance(
    DriverRules, NodeRules, ActionRules, CatalogRules, ImageRules, KeyRules, VolumeRules, DeploymentRules
):
    """The rules of compute; a driver's test class gives a fixture `driver` and sets `not_offered`."""

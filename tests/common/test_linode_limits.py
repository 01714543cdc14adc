from __future__ import annotations

import pickle

import pytest

from polycloud.compute.drivers.linode import LinodeNodeDriver
from polycloud.concurrency.calls import call_options
from polycloud.errors import RateLimitReachedError
from polycloud.sandbox import Sandbox


def test_kinds_of_requests_have_limits_of_their_own() -> None:
    """When no creates are left, a create is refused before it is sent, and other requests are sent."""
    with Sandbox("linode", ssh="off", create_limit=1) as cloud:
        with LinodeNodeDriver(cloud.credentials[0], region="us-east", **cloud.options) as driver:
            size, image = driver.list_sizes()[0], driver.list_images()[0]
            with call_options(deadline=5):
                node = driver.create_node("web", size, image)
                sent = len(cloud.requests)
                with pytest.raises(RateLimitReachedError):
                    driver.create_node("data", size, image)
                assert len(cloud.requests) == sent
                assert [listed.id for listed in driver.list_nodes()] == [driver.get_node(node.id).id]
        assert [server["group"] for server in cloud.servers] == [""]


def test_drivers_of_an_account_share_its_limits() -> None:
    """A pickled driver of the same account knows the limit that the first driver has reached."""
    with Sandbox("linode", ssh="off", create_limit=1) as cloud:
        with LinodeNodeDriver(cloud.credentials[0], region="us-east", **cloud.options) as driver:
            size, image = driver.list_sizes()[0], driver.list_images()[0]
            driver.create_node("web", size, image)
            with pickle.loads(pickle.dumps(driver)) as other, call_options(deadline=5):
                with pytest.raises(RateLimitReachedError):
                    other.create_node("data", size, image)

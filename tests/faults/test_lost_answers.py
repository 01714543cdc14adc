from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from faults.clouds import PROVIDERS, Cloud, cloud_of, driver_of, is_login, patient
from polycloud.common.base import Connection
from polycloud.errors import ConnectError, TransportError
from polycloud.http.retry import RetryPolicy
from polycloud.testing.faults import Fault, FaultList, FaultProxy

AT_ONCE = RetryPolicy(attempts=3, base=0.001, cap=0.002)
"""All attempts are made within an outage."""


@pytest.fixture(scope="module", params=PROVIDERS)
def cloud(request: pytest.FixtureRequest) -> Iterator[Cloud]:
    with cloud_of(request.param) as cloud:
        yield cloud


@contextmanager
def proxy_of(cloud: Cloud, *faults: Fault) -> Iterator[FaultProxy]:
    with FaultProxy("127.0.0.1", cloud.port, FaultList(*faults, spare=is_login), outage=0.2) as proxy:
        yield proxy


def test_a_refused_connection_after_a_lost_response(cloud: Cloud) -> None:
    """A lost response and then a refused connection are not a ConnectError, which would mean "not sent"."""
    with proxy_of(cloud, Fault.RESET_AFTER, Fault.REFUSE) as proxy:
        connection = Connection(url=proxy.url, retry=AT_ONCE)
        with pytest.raises(TransportError, match="an earlier attempt may have been") as caught:
            connection.request("/", method="POST", idempotent=True)
        connection.close()
    assert not isinstance(caught.value, ConnectError)
    assert [seen.reached for seen in proxy.requests] == [True, False]


def test_a_create_that_an_outage_follows(cloud: Cloud) -> None:
    """A create whose response is lost before an outage returns its only node."""
    with driver_of(cloud) as plain:
        size, image = plain.list_sizes()[0], plain.list_images()[0]
    with proxy_of(cloud, Fault.RESET_AFTER, Fault.REFUSE) as proxy:
        with driver_of(cloud, patient(cloud), **proxy.options, retry=AT_ONCE) as driver:
            node = driver.create_node("web", size, image)
    assert [(str(server["id"]), server["name"]) for server in cloud.servers] == [(node.id, "web")]

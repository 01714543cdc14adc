"""Every request of the driver on the real services, each of which checks what it gets."""

from __future__ import annotations

import pytest

from polycloud.compute.drivers.openstack import OpenStackNodeDriver
from support.kitopenstack import front
from support.openstackwalk import Walk


@pytest.mark.timeout(600)
def test_a_walk() -> None:
    """Nova, Glance, Neutron and Cinder carry out what the driver's methods ask for."""
    with front() as web, OpenStackNodeDriver("demo", "demo", url=f"{web.url}/keystone") as driver:
        Walk(driver, stubs=True).all()

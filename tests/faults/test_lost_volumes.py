from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from faults.clouds import Cloud, cloud_of, driver_of, patient, until
from polycloud.compute.objects import StorageVolume
from polycloud.compute.types import StorageVolumeState
from polycloud.errors import AmbiguousCreateError
from polycloud.testing.faults import Fault, FaultList, FaultProxy, SeenRequest

LOST = (Fault.RESET_AFTER, Fault.GARBAGE, Fault.EDGE_AFTER, Fault.TOO_MANY_AFTER, Fault.UNAVAILABLE_AFTER)


@pytest.fixture(scope="module", params=["digitalocean", "linode", "openstack"])
def cloud(request: pytest.FixtureRequest) -> Iterator[Cloud]:
    with cloud_of(request.param) as cloud:
        yield cloud


def is_no_create(request: SeenRequest) -> bool:
    return request.method != "POST" or not request.path.endswith(
        ("/volumes", "/snapshots", "/clone", "/images")
    )


def driver_at(cloud: Cloud, proxy: FaultProxy, kind: type[Any] | None = None) -> Any:
    region: dict[str, Any] = {"region": "nyc1"} if cloud.name == "digitalocean" else {}
    return driver_of(cloud, kind, **proxy.options, **region)


def named(driver: Any, name: str) -> list[StorageVolume]:
    return [one for one in driver.list_volumes() if one.name == name]


@pytest.mark.parametrize("fault", LOST)
def test_a_lost_response(cloud: Cloud, fault: Fault) -> None:
    """A volume or a snapshot of one whose response is lost is returned, exists once, and was sent once."""
    plan = FaultList(fault, fault, spare=is_no_create)
    with FaultProxy("127.0.0.1", cloud.port, plan, retry_after=0) as proxy:
        with driver_at(cloud, proxy, patient(cloud)) as driver:
            name = f"vol-{fault.replace(' ', '-')}"
            made = driver.create_volume(10, name)
            assert [one.id for one in named(driver, name)] == [made.id]
            assert until(lambda: named(driver, name)[0].state == StorageVolumeState.AVAILABLE)
            if cloud.name == "linode":
                copy = driver.ex_clone_volume(made, f"{name}-2")
                assert [one.id for one in named(driver, copy.name)] == [copy.id]
            else:
                snapshot = driver.create_volume_snapshot(made, f"snap-of-{name}")
                assert [one.id for one in driver.list_volume_snapshots(made)] == [snapshot.id]
        assert len([seen for seen in proxy.requests if not is_no_create(seen)]) == 2


def test_a_request_that_was_lost(cloud: Cloud) -> None:
    """A create of a volume that was not carried out is ambiguous, and returns no volume of others."""
    plan = FaultList(Fault.RESET_BEFORE, spare=is_no_create)
    with FaultProxy("127.0.0.1", cloud.port, plan) as proxy, driver_at(cloud, proxy) as driver:
        earlier = [one.id for one in driver.list_volumes()]
        with pytest.raises(AmbiguousCreateError, match="the volume 'lost'") as caught:
            driver.create_volume(10, "lost")
        assert [one.id for one in driver.list_volumes()] == earlier
        assert caught.value.driver is driver


@pytest.mark.parametrize("name", ["mine", None])
def test_an_image(cloud: Cloud, name: str | None) -> None:
    """At Linode an image whose response is lost is returned, with a name and without, and was sent once."""
    if cloud.name != "linode":
        pytest.skip("the images of other providers have no such search")
    plan = FaultList(Fault.RESET_AFTER, spare=is_no_create)
    with FaultProxy("127.0.0.1", cloud.port, plan) as proxy, driver_at(cloud, proxy) as driver:
        node = driver.create_node(f"of-{name}", driver.list_sizes()[0], driver.list_images()[0])
        driver.wait_until_running([node])
        before = {one.id for one in driver.list_images()}
        image = driver.create_image(node, name)
        assert {one.id for one in driver.list_images()} - before == {image.id}
        assert len([seen for seen in proxy.requests if not is_no_create(seen)]) == 1

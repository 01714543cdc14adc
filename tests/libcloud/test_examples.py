"""Programs such as Libcloud's documentation shows, against the sandbox's clouds and moto."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from polycloud.compute import keys
from polycloud.sandbox import Sandbox
from support.alias import installed


@pytest.fixture(autouse=True)
def alias() -> Iterator[None]:
    with installed():
        yield


@pytest.fixture(scope="module")
def aws() -> Iterator[Sandbox]:
    with Sandbox("aws", types="t3") as cloud:
        yield cloud


@pytest.fixture(scope="module")
def droplets() -> Iterator[Sandbox]:
    with Sandbox("digitalocean", ssh="off", seed_nodes=2, build=0.2, attach=0.1) as cloud:
        yield cloud


@pytest.fixture(scope="module")
def linodes() -> Iterator[Sandbox]:
    with Sandbox("linode", ssh="off", seed_nodes=2, build=0.2, boot=0.1, attach=0.1) as cloud:
        yield cloud


@pytest.fixture(scope="module")
def rackspace() -> Iterator[Sandbox]:
    with Sandbox("rackspace", ssh="off") as cloud:
        yield cloud


def run(source: str, cloud: Sandbox | None = None, **names: Any) -> dict[str, Any]:
    """Run a program, which finds the account in `account` and `options`; return its names."""
    if cloud is not None:
        names |= {"account": cloud.credentials, "options": cloud.options}
    exec(dedent(source), names)  # noqa: S102 - a program is what this tests
    return names


def test_create_a_node(aws: Sandbox) -> None:
    """A size and an image are chosen from their lists, and a node is created with them."""
    found = run(
        """
        from libcloud.compute.types import Provider
        from libcloud.compute.providers import get_driver

        cls = get_driver(Provider.EC2)
        driver = cls(*account, region="us-east-1", **options)
        sizes = driver.list_sizes()
        images = driver.list_images()
        size = [s for s in sizes if s.id == "t3.micro"][0]
        image = images[0]
        node = driver.create_node(name="test-node", image=image, size=size)
        """,
        aws,
    )
    assert found["node"].name == "test-node"
    assert found["node"].id in {one.id for one in found["driver"].list_nodes()}


def test_nodes_of_several_providers(droplets: Sandbox, linodes: Sandbox) -> None:
    """The nodes of several providers are listed in one go, and are objects of one class."""
    found = run(
        """
        from libcloud.compute.types import Provider
        from libcloud.compute.providers import get_driver

        DigitalOcean = get_driver(Provider.DIGITAL_OCEAN)
        Linode = get_driver(Provider.LINODE)
        drivers = [
            DigitalOcean(*first.credentials, **first.options),
            Linode(*second.credentials, **second.options),
        ]
        nodes = []
        for driver in drivers:
            nodes += driver.list_nodes()
        texts = [str(node) for node in nodes]
        """,
        first=droplets,
        second=linodes,
    )
    assert {type(one).__name__ for one in found["nodes"]} == {"Node"}
    assert {one.driver.name for one in found["nodes"]} == {"DigitalOcean", "Linode"}
    assert all(one.startswith("<Node: uuid=") for one in found["texts"])


def test_deploy_a_node() -> None:
    """A node is created, a key and a file are put onto it, and a script runs there, by SSH."""
    private, public = keys.generate()
    with Sandbox("nephoscale", build=0.2, no_isolation=True) as cloud:
        found = run(
            """
            from libcloud.compute.types import Provider
            from libcloud.compute.providers import get_driver
            from libcloud.compute.deployment import MultiStepDeployment, ScriptDeployment, SSHKeyDeployment

            driver = get_driver(Provider.NEPHOSCALE)(*account, **options)
            key = driver.import_key_pair_from_string("deploy", public)
            step = SSHKeyDeployment(public)
            script = ScriptDeployment("echo deployed by $1", args=["me"])
            msd = MultiStepDeployment([step, script])
            node = driver.deploy_node(name="web", image=driver.list_images()[0], size=driver.list_sizes()[0],
                                      deploy=msd, ssh_key=private, ssh_port=port, server_key=key.extra["id"])
            """,
            cloud,
            private=private,
            public=public,
            port=cloud.ssh_port,
        )
    assert (found["script"].exit_status, found["script"].stdout) == (0, "deployed by me\n")
    assert found["node"].state == "running"


def test_a_key_pair_and_a_security_group(aws: Sandbox) -> None:
    """A node of EC2 gets a key pair that was imported, a security group, user data and tags."""
    found = run(
        """
        from libcloud.compute.types import Provider
        from libcloud.compute.providers import get_driver

        driver = get_driver(Provider.EC2)(*account, region="us-east-1", **options)
        pair = driver.import_key_pair_from_string("examples", public)
        driver.ex_create_security_group("examples", "of a test")
        size = [one for one in driver.list_sizes() if one.id == "t3.micro"][0]
        node = driver.create_node(
            name="with-key", image=driver.list_images()[0], size=size, ex_keyname=pair.name,
            ex_securitygroup=["examples"], ex_userdata="#!/bin/sh", ex_metadata={"role": "web"})
        names = [one.name for one in driver.list_key_pairs()]
        fingerprint = driver.get_key_pair("examples").fingerprint
        deleted = driver.delete_key_pair(pair)
        """,
        aws,
        public=keys.generate()[1],
    )
    node = found["node"]
    assert (node.extra["key_name"], node.extra["tags"]["role"]) == ("examples", "web")
    assert [one["group_name"] for one in node.extra["groups"]] == ["examples"]
    assert "examples" in found["names"]
    assert found["fingerprint"]
    assert found["deleted"] is True


def test_wait_until_running(droplets: Sandbox) -> None:
    """A new node is waited for, and its addresses are returned with it; then it is rebooted and destroyed."""
    found = run(
        """
        from libcloud.compute.types import NodeState, Provider
        from libcloud.compute.providers import get_driver

        driver = get_driver(Provider.DIGITAL_OCEAN)(*account, api_version="v2", **options)
        size = driver.list_sizes()[0]
        image = [one for one in driver.list_images() if one.extra["distribution"] == "Ubuntu"][0]
        location = [one for one in driver.list_locations() if one.id == "nyc1"][0]
        node = driver.create_node(name="waited", size=size, image=image, location=location)
        [(running, addresses)] = driver.wait_until_running(nodes=[node], timeout=60)
        rebooted = driver.reboot_node(running)
        destroyed = running.destroy()
        """,
        droplets,
    )
    assert found["running"].state == found["NodeState"].RUNNING
    assert found["addresses"] == found["running"].public_ips
    assert found["rebooted"] is found["destroyed"] is True


def test_a_volume(droplets: Sandbox) -> None:
    """A volume is created, attached, found, detached and destroyed."""
    found = run(
        """
        from libcloud.compute.types import Provider
        from libcloud.compute.providers import get_driver

        driver = get_driver(Provider.DIGITAL_OCEAN)(*account, **options)
        node = driver.list_nodes()[0]
        location = [one for one in driver.list_locations() if one.name == node.extra["region"]][0]
        volume = driver.create_volume(size=5, name="data", location=location)
        attached = driver.attach_volume(node, volume)
        names = [one.name for one in driver.list_volumes()]
        detached = volume.detach()
        destroyed = volume.destroy()
        """,
        droplets,
    )
    assert found["names"] == ["data"]
    assert found["attached"] is found["detached"] is found["destroyed"] is True


def test_openstack() -> None:
    """OpenStack is reached by its identity service's address and version, and a tenant."""
    with Sandbox("openstack", ssh="off", build=0.1) as cloud:
        found = run(
            """
            from libcloud.compute.types import Provider
            from libcloud.compute.providers import get_driver

            OpenStack = get_driver(Provider.OPENSTACK)
            driver = OpenStack(*account, ex_force_auth_url=url, ex_force_auth_version="3.x_password",
                               ex_tenant_name="demo", ex_domain_name="Default")
            size, image = driver.list_sizes()[0], driver.list_images()[0]
            networks = driver.ex_list_networks()[:1]
            node = driver.create_node(name="stack", size=size, image=image, networks=networks)
            names = [one.name for one in driver.list_nodes()]
            """,
            cloud,
            url=cloud.options["ex_force_auth_url"],
        )
    assert "stack" in found["names"]


def test_wrong_credentials(droplets: Sandbox) -> None:
    """Wrong credentials are Libcloud's InvalidCredsError, caught as such or as a LibcloudError."""
    found = run(
        """
        from libcloud.common.types import InvalidCredsError, LibcloudError
        from libcloud.compute.types import Provider
        from libcloud.compute.providers import get_driver

        driver = get_driver(Provider.DIGITAL_OCEAN)("wrong", **options)
        try:
            driver.list_nodes()
        except InvalidCredsError as error:
            caught = error
        """,
        droplets,
    )
    assert isinstance(found["caught"], found["LibcloudError"])
    assert found["caught"].http_code == 401


def test_prices() -> None:
    """Prices of sizes are in the sizes, and are set and read by `libcloud.pricing`."""
    found = run(
        """
        from libcloud.pricing import clear_pricing_data, get_pricing, get_size_price, set_pricing
        from libcloud.compute.drivers.dummy import DummyNodeDriver

        prices = {one.name: one.price for one in DummyNodeDriver(0).list_sizes()}
        set_pricing(driver_type="compute", driver_name="mine", pricing={"small": 0.5})
        price = get_size_price(driver_type="compute", driver_name="mine", size_id="small")
        clear_pricing_data()
        """
    )
    assert found["prices"]["Small"] == 4
    assert found["price"] == 0.5


def test_upload_a_backup_as_a_stream(aws: Sandbox, tmp_path: Path) -> None:
    """The output of a command is uploaded as it comes, without a file in between."""
    (tmp_path / "data").write_bytes(b"x" * 100_000)
    found = run(
        """
        import subprocess
        from libcloud.storage.types import ContainerDoesNotExistError, Provider
        from libcloud.storage.providers import get_driver

        driver = get_driver(Provider.S3)(*account, **options)
        try:
            container = driver.get_container(container_name="backups")
        except ContainerDoesNotExistError:
            container = driver.create_container(container_name="backups")
        tar = ["tar", "cf", "-", "-C", folder, "data"]
        command = subprocess.Popen(tar, bufsize=0, stdout=subprocess.PIPE)
        with command.stdout as pipe:
            obj = container.upload_object_via_stream(
                iterator=pipe, object_name="backup.tar", extra={"content_type": "application/x-tar"})
        status = command.wait()
        """,
        aws,
        folder=str(tmp_path),
    )
    assert found["status"] == 0
    assert found["obj"].size > 100_000
    stored = found["driver"].get_object("backups", "backup.tar")
    assert stored.extra["content_type"] == "application/x-tar"
    assert len(b"".join(stored.as_stream())) == found["obj"].size


def test_download_many_objects(aws: Sandbox, tmp_path: Path) -> None:
    """Many objects are downloaded at once, by threads that share one driver."""
    run(
        """
        import os
        from concurrent.futures import ThreadPoolExecutor
        from libcloud.storage.types import Provider
        from libcloud.storage.providers import get_driver

        driver = get_driver(Provider.S3)(*account, **options)
        container = driver.create_container("many")
        for number in range(20):
            container.upload_object_via_stream(iter([b"%d" % number]), f"object-{number}")

        def download(obj):
            return driver.download_object(obj, destination_path=os.path.join(folder, obj.name))

        with ThreadPoolExecutor(5) as pool:
            done = list(pool.map(download, driver.iterate_container_objects(container)))
        assert done == [True] * 20
        """,
        aws,
        folder=str(tmp_path),
    )
    assert {one.name: one.read_text() for one in tmp_path.iterdir()} == {
        f"object-{number}": str(number) for number in range(20)
    }


def test_upload_a_file_with_metadata(rackspace: Sandbox, tmp_path: Path) -> None:
    """A file is uploaded to Cloud Files with metadata, which a later `get_object` has."""
    (tmp_path / "photo.jpg").write_bytes(b"jpeg")
    found = run(
        """
        from libcloud.storage.types import Provider
        from libcloud.storage.providers import get_driver

        driver = get_driver(Provider.CLOUDFILES)(*account, **options)
        container = driver.create_container(container_name="photos")
        extra = {"meta_data": {"owner": "myuser", "created": "2001-05-25"}}
        with open(path, "rb") as iterator:
            obj = driver.upload_object_via_stream(iterator=iterator, container=container,
                                                  object_name="photo.jpg", extra=extra)
        again = driver.get_object("photos", "photo.jpg")
        listed = [(one.name, one.size) for one in container.list_objects()]
        deleted = (again.delete(), container.delete())
        """,
        rackspace,
        path=str(tmp_path / "photo.jpg"),
    )
    assert found["again"].meta_data == {"owner": "myuser", "created": "2001-05-25"}
    assert found["listed"] == [("photo.jpg", 4)]
    assert found["deleted"] == (True, True)


def test_azure_blobs(tmp_path: Path) -> None:
    """A file is uploaded to Azure with the account's name and key, and is downloaded again."""
    (tmp_path / "file.txt").write_text("blob")
    with Sandbox("azure_blobs") as cloud:
        run(
            """
            from libcloud.storage.types import ObjectDoesNotExistError, Provider
            from libcloud.storage.providers import get_driver

            cls = get_driver(Provider.AZURE_BLOBS)
            driver = cls(key=account[0], secret=account[1], **options)
            container = driver.create_container("files")
            obj = container.upload_object(file_path=folder + "/file.txt", object_name="a/file.txt")
            assert obj.download(folder + "/again.txt") is True
            assert [one.name for one in container.iterate_objects(prefix="a/")] == ["a/file.txt"]
            obj.delete()
            try:
                container.get_object("a/file.txt")
            except ObjectDoesNotExistError as error:
                assert error.object_name == "a/file.txt"
            else:
                raise AssertionError("the object is still there")
            """,
            cloud,
            folder=str(tmp_path),
        )
    assert (tmp_path / "again.txt").read_text() == "blob"


def test_local_storage(tmp_path: Path) -> None:
    """Containers of the local driver are folders; objects are written, listed by prefix, and hashed."""
    found = run(
        """
        from libcloud.storage.types import Provider
        from libcloud.storage.providers import get_driver

        driver = get_driver(Provider.LOCAL)(folder)
        container = driver.create_container("media")
        for name in ("a/1.txt", "a/2.txt", "b.txt"):
            container.upload_object_via_stream(iter([b"text"]), object_name=name)
        names = [one.name for one in driver.list_container_objects(container, prefix="a/")]
        whole = next(driver.download_object_as_stream(container.get_object("b.txt"), 4))
        """,
        folder=str(tmp_path),
    )
    assert sorted(found["names"]) == ["a/1.txt", "a/2.txt"]
    assert found["whole"] == b"text"
    assert (tmp_path / "media" / "a" / "1.txt").read_bytes() == b"text"


def test_zones_and_records(aws: Sandbox) -> None:
    """Zones are created and listed, with records of several types, which are changed and deleted."""
    found = run(
        """
        from libcloud.dns.types import Provider, RecordType
        from libcloud.dns.providers import get_driver

        driver = get_driver(Provider.ROUTE53)(*account, **options)
        zone = driver.create_zone(domain="mydomain.com")
        a = zone.create_record(name="www", type=RecordType.A, data="127.0.0.1")
        mx = zone.create_record(name="", type=RecordType.MX, data="mail.mydomain.com",
                                extra={"priority": 10, "ttl": 600})
        changed = driver.update_record(a, name="www", type=RecordType.A, data="127.0.0.2", extra={"ttl": 60})
        domains = [one.domain for one in driver.list_zones()]
        records = {(one.name or "", one.type, one.data) for one in driver.list_records(zone)}
        bind = zone.export_to_bind_format()
        deleted = [one.delete() for one in zone.list_records() if one.type in (RecordType.A, RecordType.MX)]
        gone = zone.delete()
        """,
        aws,
    )
    assert "mydomain.com" in [one.rstrip(".") for one in found["domains"]]
    assert {("www", "A", "127.0.0.2"), ("", "MX", "mail.mydomain.com")} <= {
        (name, kind, data.removeprefix("10 ").rstrip(".")) for name, kind, data in found["records"]
    }
    assert "IN MX 10 mail.mydomain.com" in found["bind"]
    assert found["deleted"] == [True, True]
    assert found["gone"] is True


def test_move_a_zone_to_another_provider(linodes: Sandbox, droplets: Sandbox) -> None:
    """The records of a zone are created at another provider, one after another."""
    found = run(
        """
        from libcloud.dns.types import Provider, RecordType
        from libcloud.dns.providers import get_driver

        source = get_driver(Provider.LINODE)(*first.credentials, **first.options)
        target = get_driver(Provider.DIGITAL_OCEAN)(*second.credentials, **second.options)
        zone = source.create_zone("moves.example", extra={"SOA_Email": "admin@moves.example"})
        zone.create_record("www", RecordType.A, "192.0.2.1")
        zone.create_record("mail", RecordType.CNAME, "www.moves.example")
        moved = target.create_zone(zone.domain)
        for record in zone.list_records():
            target.create_record(name=record.name, zone=moved, type=record.type, data=record.data)
        names = {(one.name, one.type) for one in moved.list_records()}
        """,
        first=linodes,
        second=droplets,
    )
    assert {("www", "A"), ("mail", "CNAME")} <= found["names"]


def test_a_balancer_and_its_members(rackspace: Sandbox) -> None:
    """A balancer is created with members and an algorithm, waited for, and gets one member more."""
    found = run(
        """
        import time
        from libcloud.loadbalancer.base import Algorithm, Member
        from libcloud.loadbalancer.types import Provider, State
        from libcloud.loadbalancer.providers import get_driver

        driver = get_driver(Provider.RACKSPACE)(*account, **options)
        members = (Member(None, "192.168.86.1", 80), Member(None, "192.168.86.2", 8080))
        balancer = driver.create_balancer(
            name="test", algorithm=Algorithm.ROUND_ROBIN, port=80, protocol="http", members=members)
        for _ in range(100):
            balancer = driver.get_balancer(balancer_id=balancer.id)
            if balancer.state == State.RUNNING:
                break
            time.sleep(0.1)
        balancer.attach_member(Member(None, "192.168.86.3", 8081))
        addresses = sorted(one.ip for one in balancer.list_members())
        protocols = driver.list_protocols()
        algorithms = driver.list_supported_algorithms()
        destroyed = balancer.destroy()
        """,
        rackspace,
    )
    assert found["balancer"].state == 0
    assert found["addresses"] == ["192.168.86.1", "192.168.86.2", "192.168.86.3"]
    assert "http" in found["protocols"]
    assert found["Algorithm"].ROUND_ROBIN in found["algorithms"]
    assert found["destroyed"] is True


def test_nodes_behind_a_balancer(aws: Sandbox) -> None:
    """The nodes of EC2 are attached to a balancer of ELB, whose region is the third argument."""
    found = run(
        """
        from libcloud.compute.providers import get_driver as compute
        from libcloud.loadbalancer.providers import get_driver
        from libcloud.loadbalancer.types import Provider
        from libcloud.loadbalancer.base import DEFAULT_ALGORITHM

        ec2 = compute("ec2")(*account, region="us-east-1", **options)
        size = [one for one in ec2.list_sizes() if one.id == "t3.micro"][0]
        node = ec2.create_node(name="behind", image=ec2.list_images()[0], size=size)
        elb = get_driver(Provider.ELB)(*account, "us-east-1", **options)
        balancer = elb.create_balancer(name="front", port=80, protocol="http", algorithm=DEFAULT_ALGORITHM,
                                       members=[], ex_members_availability_zones=["us-east-1a"])
        member = elb.balancer_attach_compute_node(balancer, node)
        ids = [one.id for one in elb.balancer_list_members(balancer)]
        names = [one.name for one in elb.list_balancers()]
        """,
        aws,
    )
    assert found["ids"] == [found["node"].id]
    assert found["names"] == ["front"]


def test_a_request_of_ones_own(droplets: Sandbox) -> None:
    """A program that knows the provider's API sends requests by the driver's connection."""
    found = run(
        """
        from libcloud.compute.types import Provider
        from libcloud.compute.providers import get_driver
        from libcloud.utils.py3 import httplib

        driver = get_driver(Provider.DIGITAL_OCEAN)(*account, **options)
        response = driver.connection.request("/account", method="GET")
        assert response.status == httplib.OK
        email = response.object["account"]["email"]
        """,
        droplets,
    )
    assert "@" in found["email"]


def test_debugging(droplets: Sandbox, tmp_path: Path) -> None:
    """`enable_debug` writes each exchange to a file, as a command for a shell and without the token."""
    run(
        """
        import libcloud
        from libcloud.compute.types import Provider
        from libcloud.compute.providers import get_driver

        with open(path, "w") as file:
            libcloud.enable_debug(file)
            get_driver(Provider.DIGITAL_OCEAN)(*account, **options).list_locations()
            libcloud.reset_debug()
            get_driver(Provider.DIGITAL_OCEAN)(*account, **options).list_sizes()
        """,
        droplets,
        path=str(tmp_path / "debug"),
    )
    text = (tmp_path / "debug").read_text()
    assert "curl -sS" in text
    assert "/v2/regions" in text
    assert "/v2/sizes" not in text
    assert droplets.credentials[0] not in text


def test_a_driver_of_ones_own(droplets: Sandbox) -> None:
    """A driver written for Libcloud, with its connection and response, is registered and used."""
    found = run(
        """
        import sys, types
        from libcloud.common.base import ConnectionKey, JsonResponse
        from libcloud.compute.base import Node, NodeDriver
        from libcloud.compute.providers import get_driver, set_driver
        from libcloud.compute.types import NodeState

        class OwnResponse(JsonResponse):
            def success(self):
                return self.status in (200, 201)

        class OwnConnection(ConnectionKey):
            host = "own.example.com"
            responseCls = OwnResponse

            def add_default_headers(self, headers):
                headers["Authorization"] = "Bearer %s" % self.key
                return headers

        class OwnNodeDriver(NodeDriver):
            name = "Own"
            connectionCls = OwnConnection

            def list_nodes(self):
                data = self.connection.request("/v2/droplets").object
                return [self._to_node(one) for one in data["droplets"]]

            def _to_node(self, data):
                return Node(id=data["id"], name=data["name"], state=NodeState.RUNNING, public_ips=[],
                            private_ips=[], driver=self, extra={"status": data["status"]})

        own = types.ModuleType("own_driver_of_a_test")
        own.OwnNodeDriver = OwnNodeDriver
        sys.modules[own.__name__] = own
        set_driver("own-of-a-test", own.__name__, "OwnNodeDriver")
        try:
            nodes = get_driver("own-of-a-test")(account[0], **where).list_nodes()
        finally:
            del sys.modules[own.__name__], sys.modules["libcloud.compute.providers"].DRIVERS["own-of-a-test"]
        """,
        droplets,
        where={name: value for name, value in droplets.options.items() if name in {"host", "port", "secure"}},
    )
    assert found["nodes"]
    assert all(one.driver.name == "Own" for one in found["nodes"])

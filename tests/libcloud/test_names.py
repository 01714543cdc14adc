"""The names and behaviours that programs rely on, of which `docs/migrating.md` speaks."""

from __future__ import annotations

import importlib
import inspect
import logging
import unittest.mock
from collections.abc import Iterator
from typing import Any

import pytest

from support.alias import installed

NAMES = {
    "security": "CA_CERTS_PATH VERIFY_SSL_CERT",
    "base": "DriverType get_driver",
    "common.base": "BaseDriver Connection ConnectionKey ConnectionUserAndKey JsonResponse "
    "PollingConnection Response "
    "XMLRPCResponse XmlResponse",
    "common.types": "InvalidCredsError InvalidCredsException LazyList LibcloudError MalformedResponseError "
    "ProviderError Type",
    "common.exceptions": "BaseHTTPError RateLimitReachedError exception_from_message",
    "common.google": "GoogleAuthError GoogleBaseError ResourceNotFoundError",
    "common.linode": "LinodeException LinodeExceptionV4",
    "common.openstack": "OpenStackException",
    "compute.base": "BaseDriver KeyPair Node NodeAuthPassword NodeAuthSSHKey NodeDriver NodeImage "
    "NodeLocation "
    "NodeSize NodeState StorageVolume StorageVolumeState VolumeSnapshot SSHClient LibcloudError "
    "get_size_price is_private_subnet",
    "compute.types": "DeploymentError DeploymentException InvalidCredsError KeyPairDoesNotExistError "
    "LibcloudError "
    "MalformedResponseError NodeState Provider StorageVolumeState VolumeSnapshotState",
    "compute.providers": "DRIVERS Provider get_driver set_driver",
    "compute.deployment": "Deployment FileDeployment MultiStepDeployment SSHKeyDeployment ScriptDeployment "
    "ScriptFileDeployment",
    "compute.ssh": "BaseSSHClient ParamikoSSHClient SSHClient SSHCommandTimeoutError have_paramiko",
    "compute.drivers.dummy": "DummyNodeDriver",
    "compute.drivers.ec2": "EC2NodeDriver NodeState LibcloudError",
    "compute.drivers.openstack": "OpenStackNodeSize OpenStackSecurityGroup OpenStack_1_1_FloatingIpPool "
    "OpenStack_2_FloatingIpAddress OpenStack_2_NodeDriver OpenStack_2_PortInterface OpenStack_2_QuotaSet "
    "OpenStack_2_Router OpenStack_2_ServerGroup OpenStack_2_SubNet",
    "storage.base": "BaseDriver CHUNK_SIZE Container DEFAULT_CONTENT_TYPE LibcloudError Object StorageDriver",
    "storage.types": "ContainerAlreadyExistsError ContainerDoesNotExistError ContainerError "
    "ContainerIsNotEmptyError InvalidContainerNameError LibcloudError ObjectDoesNotExistError ObjectError "
    "ObjectHashMismatchError Provider",
    "storage.providers": "DRIVERS Provider get_driver set_driver",
    "storage.drivers.dummy": "DummyFileObject DummyStorageDriver",
    "storage.drivers.local": "LocalStorageDriver",
    "storage.drivers.s3": "BaseS3StorageDriver S3EUWestStorageDriver S3StorageDriver",
    "storage.drivers.minio": "MinIOStorageDriver",
    "storage.drivers.azure_blobs": "AzureBlobsStorageDriver",
    "storage.drivers.google_storage": "GoogleStorageDriver",
    "storage.drivers.cloudfiles": "CloudFilesStorageDriver OpenStackSwiftStorageDriver",
    "dns.base": "DNSDriver Record Zone",
    "dns.types": "LibcloudError Provider RecordAlreadyExistsError RecordDoesNotExistError RecordError "
    "RecordType "
    "ZoneAlreadyExistsError ZoneDoesNotExistError ZoneError",
    "dns.providers": "DRIVERS Provider get_driver set_driver",
    "dns.drivers.dummy": "DummyDNSDriver",
    "dns.drivers.cloudflare": "CloudFlareDNSDriver",
    "loadbalancer.base": "Algorithm BaseDriver DEFAULT_ALGORITHM Driver LoadBalancer Member",
    "loadbalancer.types": "LibcloudError LibcloudLBError LibcloudLBImmutableError MemberCondition "
    "Provider State",
    "loadbalancer.providers": "DRIVERS Provider get_driver set_driver",
    "loadbalancer.drivers.dummy": "DummyLBDriver",
    "pricing": "PRICING_DATA clear_pricing_data get_pricing get_size_price set_pricing",
    "utils.networking": "increment_ipv4_segments is_private_subnet is_public_subnet is_valid_ip_address "
    "join_ipv4_segments",
    "utils.py3": "ET b httplib next parse_qs urlencode urlparse urlquote xmlrpclib",
    "utils.files": "CHUNK_SIZE exhaust_iterator guess_file_mime_type read_in_chunks",
    "utils.iso8601": "parse_date",
    "utils.misc": "find get_secure_random_string lowercase_keys merge_valid_keys reverse_dict",
    "utils.publickey": "get_pubkey_comment get_pubkey_openssh_fingerprint",
    "utils.xml": "findall findattr findtext fixxpath",
}
ARGUMENTS = {
    "compute.base.Node": "id name state public_ips private_ips driver size image extra created_at",
    "compute.base.NodeSize": "id name ram disk bandwidth price driver extra",
    "compute.base.NodeImage": "id name driver extra",
    "compute.base.NodeLocation": "id name country driver extra",
    "compute.base.NodeAuthSSHKey": "pubkey",
    "compute.base.NodeAuthPassword": "password generated",
    "compute.base.KeyPair": "name public_key fingerprint driver private_key extra",
    "compute.base.StorageVolume": "id name size driver state extra",
    "compute.base.VolumeSnapshot": "id driver size extra created state name",
    "compute.deployment.ScriptDeployment": "script args name delete timeout",
    "compute.deployment.SSHKeyDeployment": "key",
    "compute.deployment.MultiStepDeployment": "add",
    "compute.ssh.ParamikoSSHClient": "hostname port username password key key_files key_material timeout",
    "storage.base.Container": "name extra driver",
    "storage.base.Object": "name size hash extra meta_data container driver",
    "dns.base.Zone": "id domain type ttl driver extra",
    "dns.base.Record": "id name type data zone driver ttl extra",
    "loadbalancer.base.LoadBalancer": "id name state ip port driver extra",
    "loadbalancer.base.Member": "id ip port balancer extra",
    "common.types.LibcloudError": "value driver",
    "common.types.ProviderError": "value http_code driver",
    "common.types.InvalidCredsError": "value driver",
    "common.types.MalformedResponseError": "value body driver",
    "common.exceptions.BaseHTTPError": "code message headers",
    "storage.types.ContainerDoesNotExistError": "value driver container_name",
    "storage.types.ObjectDoesNotExistError": "value driver object_name",
    "dns.types.ZoneDoesNotExistError": "value driver zone_id",
    "dns.types.RecordDoesNotExistError": "value driver record_id",
    "compute.types.KeyPairDoesNotExistError": "name driver",
    "compute.types.DeploymentError": "node original_exception driver",
}


@pytest.fixture(autouse=True)
def alias() -> Iterator[None]:
    with installed():
        yield


def find(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(f"libcloud.{module}"), name)


@pytest.mark.parametrize("module", NAMES)
def test_names(module: str) -> None:
    """Every name that programs import from Libcloud is there, and is polycloud's or Python's."""
    for name in NAMES[module].split():
        namespace: dict[str, Any] = {}
        exec(f"from libcloud.{module} import {name}", namespace)  # noqa: S102 - an import
        home = getattr(namespace[name], "__module__", None)
        assert home is None or not str(home).startswith("libcloud")


@pytest.mark.parametrize("path", ARGUMENTS)
def test_positions(path: str) -> None:
    """Objects and errors take Libcloud's arguments by position."""
    names = ARGUMENTS[path].split()
    assert list(inspect.signature(find(path)).parameters)[: len(names)] == names


def test_attributes_can_be_assigned() -> None:
    """Programs may set the attributes of objects, and attributes of their own."""
    node = find("compute.base.Node")("1", "web", "running", [], [], None)
    node.state, node.public_ips, node.extra["x"], node.own = "stopped", ["192.0.2.1"], 1, 2
    assert (node.state, node.public_ips, node.extra, node.own) == ("stopped", ["192.0.2.1"], {"x": 1}, 2)


def test_errors_keep_their_arguments() -> None:
    """Errors have Libcloud's attributes, and are caught as Libcloud's."""
    root, driver = find("common.types.LibcloudError"), object()
    assert (root("text", driver).value, root("text", driver).driver) == ("text", driver)
    error = find("common.types.ProviderError")("text", 503, driver)
    assert (error.value, error.http_code, error.driver) == ("text", 503, driver)
    error = find("common.exceptions.BaseHTTPError")(404, "gone", {"a": "b"})
    assert (error.code, error.message, error.headers) == (404, "gone", {"a": "b"})
    limit = find("common.exceptions.RateLimitReachedError")
    assert (limit().code, limit(headers={"retry-after": "5"}).retry_after) == (429, 5)
    assert find("compute.types.DeploymentException") is find("compute.types.DeploymentError")
    for path in (
        "common.types.InvalidCredsError",
        "storage.types.ObjectDoesNotExistError",
        "dns.types.ZoneError",
    ):
        assert issubclass(find(path), root)


@pytest.mark.parametrize("service", ["compute", "storage", "dns", "loadbalancer"])
def test_the_registry(service: str) -> None:
    """`DRIVERS` has the module path and the class name of each constant, which `get_driver` returns."""
    providers = importlib.import_module(f"libcloud.{service}.providers")
    assert "dummy" in providers.DRIVERS
    for constant, (module, name) in providers.DRIVERS.items():
        found = getattr(importlib.import_module(module), name)
        assert providers.get_driver(constant) is providers.get_driver(str(constant)) is found


def test_a_patched_driver() -> None:
    """`get_driver` looks the class up when it is called, so that a test may patch its dotted path."""
    get_driver = find("storage.providers.get_driver")
    for path in ("storage.drivers.s3.S3StorageDriver", "storage.drivers.minio.MinIOStorageDriver"):
        provider = path.split(".")[2]
        with unittest.mock.patch(f"libcloud.{path}") as fake:
            assert get_driver(provider) is fake
        assert get_driver(provider) is find(path)


def test_a_driver_of_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """`set_driver` takes modules by their names in Libcloud, and refuses a name that is taken."""
    providers = importlib.import_module("libcloud.dns.providers")
    monkeypatch.setattr(providers, "DRIVERS", dict(providers.DRIVERS))
    found = providers.set_driver("own", "libcloud.dns.drivers.dummy", "DummyDNSDriver")
    assert providers.get_driver("own") is found is find("dns.drivers.dummy.DummyDNSDriver")
    with pytest.raises(ValueError, match="has a driver already"):
        providers.set_driver("own", "libcloud.dns.drivers.dummy", "DummyDNSDriver")


def test_constants() -> None:
    """Members equal their strings, print as them, and have `tostring` and `fromstring`."""
    for path, value in {
        "compute.types.Provider.EC2": "ec2",
        "compute.types.NodeState.RUNNING": "running",
    }.items():
        kind, name = find(path.rpartition(".")[0]), path.rpartition(".")[2]
        one = getattr(kind, name)
        assert (one, str(one), f"{one}", hash(one)) == (value, value, value, hash(value))
        assert (kind.tostring(one), kind.fromstring(name.lower())) == (name, one)
    state = find("loadbalancer.types.State")
    assert (state.RUNNING, state.tostring(state.RUNNING), state.fromstring("RUNNING")) == (0, "RUNNING", 0)
    assert find("loadbalancer.base.DEFAULT_ALGORITHM") == find("loadbalancer.base.Algorithm").ROUND_ROBIN == 1


def test_loggers_are_not_aliased() -> None:
    """Polycloud's loggers keep their names: a program's settings for `libcloud` are its own."""
    before = set(logging.root.manager.loggerDict)  # Libcloud's own are there once the bridge was used
    find("compute.drivers.ec2.EC2NodeDriver")
    new = set(logging.root.manager.loggerDict) - before
    assert not [name for name in new if name.partition(".")[0] == "libcloud"]


def test_prices_and_addresses() -> None:
    """Prices and questions about addresses are as in Libcloud."""
    pricing = importlib.import_module("libcloud.pricing")
    pricing.set_pricing("compute", "own", {"1": 0.25})
    assert pricing.get_size_price("compute", "own", "1") == 0.25
    assert pricing.PRICING_DATA["compute"]["own"] == {"1": 0.25}
    pricing.clear_pricing_data()
    networking = importlib.import_module("libcloud.utils.networking")
    assert [networking.is_private_subnet(one) for one in ("10.0.0.1", "192.0.2.1")] == [True, False]
    assert networking.join_ipv4_segments([10, 0, 0, 1]) == "10.0.0.1"
    assert networking.is_valid_ip_address("10.0.0.256") is False

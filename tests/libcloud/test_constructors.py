from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from support.alias import installed

AUTH = {"ex_force_auth_url": "https://keystone.example.com:5000", "ex_force_auth_version": "3.x_password"}
CALLS: list[tuple[str, str, tuple[Any, ...], dict[str, Any], tuple[str, str | None, str | None]]] = [
    ("compute", "EC2", ("k", "s"), {}, ("ec2.us-east-1.amazonaws.com", "s", "us-east-1")),
    (
        "compute",
        "EC2",
        ("k", "s"),
        {"region": "eu-west-1"},
        ("ec2.eu-west-1.amazonaws.com", "s", "eu-west-1"),
    ),
    (
        "compute",
        "EC2",
        ("k", "s", True, "ec2.example.com", 8773, "us-west-2", "token", "4"),
        {},
        ("ec2.example.com", "s", "us-west-2"),
    ),
    (
        "compute",
        "OPENSTACK",
        ("k", "s"),
        {**AUTH, "ex_tenant_name": "t", "ex_force_service_region": "r"},
        ("keystone.example.com", "s", "r"),
    ),
    (
        "compute",
        "OPENSTACK",
        ("k", "s"),
        {
            **AUTH,
            "api_version": "2.0",
            "ex_domain_name": "d",
            "ex_force_service_type": "compute",
            "ex_force_service_name": "nova",
        },
        ("keystone.example.com", "s", None),
    ),
    (
        "compute",
        "OPENSTACK",
        ("k", "s"),
        {"ex_force_base_url": "https://nova.example.com/v2.1", "ex_force_auth_token": "token"},
        ("nova.example.com", "s", None),
    ),
    ("compute", "LINODE", ("k",), {"api_version": "4.0"}, ("api.linode.com", None, None)),
    ("compute", "DIGITAL_OCEAN", ("k",), {"api_version": "v2"}, ("api.digitalocean.com", None, None)),
    ("compute", "RACKSPACE", ("k", "s"), {"region": "iad"}, ("identity.api.rackspacecloud.com", "s", "iad")),
    ("storage", "S3", ("k", "s"), {}, ("s3.us-east-1.amazonaws.com", "s", "us-east-1")),
    (
        "storage",
        "S3",
        ("k", "s"),
        {"region": "eu-west-1", "token": "t"},
        ("s3.eu-west-1.amazonaws.com", "s", "eu-west-1"),
    ),
    ("storage", "S3", ("k", "s", False, "127.0.0.1", 9000), {}, ("127.0.0.1", "s", "us-east-1")),
    ("storage", "S3_US_WEST_OREGON", ("k", "s"), {}, ("s3.us-west-2.amazonaws.com", "s", "us-west-2")),
    (
        "storage",
        "MINIO",
        ("k", "s"),
        {"secure": False, "host": "localhost", "port": 9000},
        ("localhost", "s", "us-east-1"),
    ),
    ("storage", "S3_RGW", ("k", "s"), {"host": "rgw.example.com"}, ("rgw.example.com", "s", "default")),
    (
        "storage",
        "CLOUDFILES",
        ("k", "s"),
        {"region": "iad", "use_internal_url": True},
        ("identity.api.rackspacecloud.com", "s", "iad"),
    ),
    (
        "storage",
        "OPENSTACK_SWIFT",
        ("k", "s"),
        {**AUTH, "ex_tenant_name": "t", "ex_force_service_type": "object-store"},
        ("keystone.example.com", "s", None),
    ),
    (
        "storage",
        "AZURE_BLOBS",
        (),
        {"key": "k", "secret": "c2VjcmV0"},
        ("k.blob.core.windows.net", "c2VjcmV0", None),
    ),
    (
        "storage",
        "GOOGLE_STORAGE",
        ("GOOG1EABCDEFGHIJKLMNOP", "s"),
        {"project": "p"},
        ("storage.googleapis.com", "s", "auto"),
    ),
    ("storage", "LOCAL", (".",), {}, ("127.0.0.1", None, None)),
    (
        "storage",
        "DIGITALOCEAN_SPACES",
        ("k", "s"),
        {"region": "ams3"},
        ("ams3.digitaloceanspaces.com", "s", "ams3"),
    ),
    ("dns", "ROUTE53", ("k", "s"), {"token": "t"}, ("route53.amazonaws.com", "s", "us-east-1")),
    ("dns", "POWERDNS", ("k", None, False, "127.0.0.1", 8081, "v1"), {}, ("127.0.0.1", None, None)),
    ("dns", "CLOUDFLARE", ("k@example.com", "s"), {}, ("api.cloudflare.com", "s", None)),
    ("dns", "CLOUDFLARE", ("k",), {}, ("api.cloudflare.com", None, None)),
    ("dns", "LINODE", ("k",), {"api_version": "4.0"}, ("api.linode.com", None, None)),
    ("dns", "DIGITAL_OCEAN", ("k",), {}, ("api.digitalocean.com", None, None)),
    ("dns", "RACKSPACE", ("k", "s"), {"region": "uk"}, ("lon.identity.api.rackspacecloud.com", "s", "uk")),
    (
        "loadbalancer",
        "ELB",
        ("k", "s", "us-west-2"),
        {},
        ("elasticloadbalancing.us-west-2.amazonaws.com", "s", "us-west-2"),
    ),
    (
        "loadbalancer",
        "ELB",
        (),
        {"access_id": "k", "secret": "s", "region": "eu-west-1"},
        ("elasticloadbalancing.eu-west-1.amazonaws.com", "s", "eu-west-1"),
    ),
    (
        "loadbalancer",
        "ALB",
        ("k", "s", "us-west-2", "t"),
        {},
        ("elasticloadbalancing.us-west-2.amazonaws.com", "s", "us-west-2"),
    ),
    (
        "loadbalancer",
        "RACKSPACE",
        ("k", "s"),
        {"region": "ord"},
        ("identity.api.rackspacecloud.com", "s", "ord"),
    ),
]


@pytest.fixture(autouse=True)
def alias() -> Iterator[None]:
    with installed():
        yield


@pytest.mark.parametrize(("service", "provider", "arguments", "options", "expected"), CALLS)
def test_arguments(
    service: str,
    provider: str,
    arguments: tuple[Any, ...],
    options: dict[str, Any],
    expected: tuple[str, str | None, str | None],
) -> None:
    """Drivers take and keep the arguments of Libcloud's drivers, in their order and by name."""
    types = importlib.import_module(f"libcloud.{service}.types")
    providers = importlib.import_module(f"libcloud.{service}.providers")
    with providers.get_driver(getattr(types.Provider, provider))(*arguments, **options) as driver:
        assert (driver.connection.host, driver.secret, driver.region) == expected
        assert driver.key == (arguments[0] if arguments else "k")
        assert driver.connection.secure is options.get("secure", False not in arguments)


@pytest.mark.parametrize(
    ("service", "provider", "arguments", "words"),
    [
        (
            "compute",
            "EC2",
            ("k", "s", True, None, None, "us-east-1", None, "2"),
            "signature_version must be '4'",
        ),
        ("compute", "OVH", ("app key", "app secret", "project", "consumer"), "secure must be True or False"),
        ("compute", "DIGITAL_OCEAN", ("client", "key"), "takes a token and no secret"),
    ],
)
def test_arguments_that_have_no_meaning(
    service: str, provider: str, arguments: tuple[Any, ...], words: str
) -> None:
    """What no provider takes any more is refused in words, and by no means sent elsewhere."""
    get_driver = importlib.import_module(f"libcloud.{service}.providers").get_driver
    with pytest.raises(ValueError, match=words):
        get_driver(provider.lower().replace("digital_", "digital"))(*arguments)


def test_plain_http_to_another_host() -> None:
    """Plain HTTP to another host gets a warning, which names the program's line, instead of an error."""
    from polycloud.compute.drivers.ec2 import EC2NodeDriver

    with pytest.warns(RuntimeWarning, match=r"plain HTTP to ec2.example.com exposes") as caught:
        EC2NodeDriver("k", "s", secure=False, host="ec2.example.com").close()
    assert [one.filename for one in caught] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        EC2NodeDriver("k", "s", secure=False, host="127.0.0.1").close()


@pytest.mark.parametrize(
    ("provider", "arguments"), [("DIGITAL_OCEAN", ("k",)), ("EC2", ("k", "s")), ("OPENSTACK", ("u", "p"))]
)
def test_unknown_arguments(provider: str, arguments: tuple[str, ...]) -> None:
    """An argument that a driver does not know gets a warning, which names the nearest one, and is ignored."""
    types: Any = importlib.import_module("libcloud.compute.types")
    get_driver = importlib.import_module("libcloud.compute.providers").get_driver
    others = AUTH if provider == "OPENSTACK" else {}
    words = r"no option '(regoin'; did you mean 'region'\?|shopper_id'; it has .*host)"
    with pytest.warns(RuntimeWarning, match=words) as caught:
        driver = get_driver(getattr(types.Provider, provider))(*arguments, **others, regoin="x", shopper_id=5)
    assert [one.filename for one in caught] == [__file__, __file__]
    assert driver.region != "x"
    driver.close()


def test_verification_stays_on() -> None:
    """Drivers warn that `VERIFY_SSL_CERT = False` has no effect; `CA_CERTS_PATH` has the effect it says."""
    security: Any = importlib.import_module("libcloud.security")
    get_driver = importlib.import_module("libcloud.compute.providers").get_driver
    assert security.VERIFY_SSL_CERT is True
    for given in ("/etc/ssl/own.pem", ["/etc/ssl/own.pem"]):
        security.CA_CERTS_PATH = given
        assert get_driver("linode")("k").connection.transport_options.ca_cert == "/etc/ssl/own.pem"
    security.VERIFY_SSL_CERT = False
    with pytest.warns(RuntimeWarning, match="VERIFY_SSL_CERT = False has no effect") as caught:
        get_driver("linode")("k")
    assert [one.filename for one in caught] == [__file__]

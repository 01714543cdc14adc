from __future__ import annotations

import contextlib
import logging
import re
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3  # type: ignore[import-untyped]
import psutil
import pytest
import urllib3
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.exceptions import ClientError  # type: ignore[import-untyped]

from polycloud.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

STARTED = """
import os, sys, psutil
from polycloud.sandbox import Sandbox
cloud = Sandbox("ec2", types="t3").start()
print(psutil.Process().children()[0].pid, flush=True)
"""


LISTS = {
    "ec2": "describe_instances",
    "elb": "describe_load_balancers",
    "elbv2": "describe_load_balancers",
    "route53": "list_hosted_zones",
    "s3": "list_buckets",
}
"""The services, and for each of them a request that lists."""


@pytest.fixture
def empty(moto: Sandbox) -> Sandbox:
    moto.reset()
    return moto


def connect(
    cloud: Sandbox,
    service: str = "ec2",
    *,
    key: str | None = None,
    secret: str | None = None,
    region: str = "us-east-1",
    version: str | None = None,
) -> Any:
    """Create Amazon's own client for a service."""
    right_key, right_secret = cloud.credentials
    return boto3.client(
        service,
        region_name=region,
        endpoint_url=cloud.url,
        aws_access_key_id=key or right_key,
        aws_secret_access_key=secret or right_secret,
        config=Config(
            retries={"max_attempts": 0}, connect_timeout=10, read_timeout=60, signature_version=version
        ),
    )


def list_anything(cloud: Sandbox, service: str, **options: str) -> Any:
    """Make a request that every account may make."""
    return getattr(connect(cloud, service, **options), LISTS[service])()


def image_of(client: Any) -> str:
    """Return the id of an image."""
    name = {"Name": "name", "Values": ["al2023-ami-2023.*"]}  # the list of all takes a second
    image: str = client.describe_images(Owners=["amazon"], Filters=[name])["Images"][0]["ImageId"]
    return image


def run_instance(client: Any) -> str:
    """Start an instance named web; return its id."""
    created = client.run_instances(
        ImageId=image_of(client),
        InstanceType="t3.micro",
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "web"}]}],
    )
    instance: str = created["Instances"][0]["InstanceId"]
    return instance


def emulators(process: psutil.Process | None = None) -> list[psutil.Process]:
    """Return the processes of moto that a process (by default this one) has started."""
    return [
        child
        for child in (process or psutil.Process()).children()
        if any(part.endswith("start.py") for part in child.cmdline())
    ]


@contextlib.contextmanager
def started(more: str, *options: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Start a program that starts an EC2 and goes on with `more`; give it and the id of moto's process."""
    with subprocess.Popen(
        [sys.executable, "-W", "error", *options, "-c", STARTED + more],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


def assert_gone(pid: int) -> None:
    ends_at = time.monotonic() + 30
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < ends_at
        time.sleep(0.02)  # noqa: TID251 - a test waits for a process


def test_ec2(empty: Sandbox) -> None:
    """An instance runs and terminates as Amazon's own client expects, and `servers` shows the same."""
    client = connect(empty)
    instance = run_instance(client)
    client.get_waiter("instance_running").wait(InstanceIds=[instance])
    (server,) = empty.servers
    assert (server["id"], server["name"], server["state"], server["machine"]) == (
        instance,
        "web",
        "running",
        "none",
    )
    assert (server["type"], server["region"], len(server["addresses"])) == ("t3.micro", "us-east-1", 2)
    client.terminate_instances(InstanceIds=[instance])
    assert [server["state"] for server in empty.servers] == ["terminated"]


def test_regions(empty: Sandbox) -> None:
    """An instance is listed in its own region only, and `servers` lists those of all regions."""
    here, there = run_instance(connect(empty)), run_instance(connect(empty, region="eu-central-1"))
    listed = connect(empty).describe_instances()["Reservations"]
    assert [instance["InstanceId"] for one in listed for instance in one["Instances"]] == [here]
    assert {(server["id"], server["region"]) for server in empty.servers} == {
        (here, "us-east-1"),
        (there, "eu-central-1"),
    }


def test_s3(empty: Sandbox) -> None:
    """An object is read as it was written, under a key of any characters, until it is deleted."""
    client, where = connect(empty, "s3"), {"Bucket": "bucket", "Key": "a b/é+%2F//x"}
    client.create_bucket(Bucket="bucket")
    client.put_object(**where, Body=b"content" * 1000, Metadata={"a_b": "c"})
    assert [one["Key"] for one in client.list_objects_v2(Bucket="bucket")["Contents"]] == [where["Key"]]
    head = client.head_object(**where)
    assert (head["ContentLength"], head["Metadata"]) == (7000, {"a_b": "c"})
    assert client.get_object(**where)["Body"].read() == b"content" * 1000
    client.delete_object(**where)
    with pytest.raises(ClientError, match="NoSuchKey"):
        client.get_object(**where)


def test_presigned_urls(empty: Sandbox, pool: urllib3.PoolManager) -> None:
    """A presigned URL works for its method, until it expires, and not if it was changed."""
    client, where = connect(empty, "s3", version="s3v4"), {"Bucket": "bucket", "Key": "key"}
    client.create_bucket(Bucket="bucket")
    put, get, old = (
        client.generate_presigned_url(name, Params=where, ExpiresIn=seconds)
        for name, seconds in [("put_object", 60), ("get_object", 60), ("get_object", -60)]
    )
    assert pool.request("PUT", put, body=b"content").status == 200
    assert pool.request("GET", get).data == b"content"
    for method, url, code in [
        ("GET", put, b"<Code>SignatureDoesNotMatch</Code>"),
        ("GET", get.replace("/key?", "/kez?"), b"<Code>SignatureDoesNotMatch</Code>"),
        ("GET", old, b"<Code>AccessDenied</Code>"),
    ]:
        refused = pool.request(method, url)
        assert refused.status == 403
        assert code in refused.data


def test_requests_without_a_signature(empty: Sandbox, pool: urllib3.PoolManager) -> None:
    """Without a signature public objects of S3 can be read, and everything else is refused."""
    client = connect(empty, "s3")
    client.create_bucket(Bucket="bucket")
    client.put_object(Bucket="bucket", Key="public", Body=b"content", ACL="public-read")
    client.put_object(Bucket="bucket", Key="private", Body=b"content")
    assert pool.request("GET", f"{empty.url}/bucket/public").data == b"content"
    for method, path in [
        ("GET", "/bucket/private"),
        ("GET", "/bucket"),
        ("PUT", "/bucket/public"),
        ("POST", "/"),
    ]:
        assert pool.request(method, empty.url + path).status == 403


def test_route53(empty: Sandbox) -> None:
    """A zone lists the record that was created in it."""
    client = connect(empty, "route53")
    zone = client.create_hosted_zone(Name="example.org", CallerReference="1")["HostedZone"]["Id"]
    record = {"Name": "www.example.org.", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "192.0.2.1"}]}
    change = {"Action": "CREATE", "ResourceRecordSet": record}
    client.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": [change]})
    listed = client.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    assert [one for one in listed if one["Type"] == "A"] == [record]


def record_set(name: str, *values: str, ttl: int = 60, **more: Any) -> dict[str, Any]:
    records = [{"Value": value} for value in values]
    return {"Name": f"{name}.example.com.", "Type": "A", "TTL": ttl, "ResourceRecords": records, **more}


def change(client: Any, zone: str, *changes: tuple[str, dict[str, Any]]) -> None:
    batch = {"Changes": [{"Action": action, "ResourceRecordSet": one} for action, one in changes]}
    client.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=batch)


def test_changes_of_record_sets(empty: Sandbox) -> None:
    """A batch that deletes what is not there, or creates what is, is refused as a whole."""
    client = connect(empty, "route53")
    zone = client.create_hosted_zone(Name="example.com", CallerReference="1")["HostedZone"]["Id"]
    one, two = record_set("www", "192.0.2.1", "192.0.2.2"), record_set("www", "192.0.2.3")
    change(client, zone, ("CREATE", one))
    for action, refused, message in (
        ("CREATE", two, "Tried to create .*name='www.example.com.', type='A'.* but it already exists"),
        ("DELETE", two, "but the values provided do not match the current values"),
        ("DELETE", record_set("www", "192.0.2.1", "192.0.2.2", ttl=61), "do not match the current values"),
        ("DELETE", record_set("other", "192.0.2.1"), "Tried to delete .* but it was not found"),
    ):
        with pytest.raises(ClientError, match=f"InvalidChangeBatch.*{message}"):
            change(client, zone, ("CREATE", record_set("new", "192.0.2.9")), (action, refused))
    change(client, zone, ("DELETE", record_set("www", "192.0.2.2", "192.0.2.1")), ("CREATE", two))
    change(client, zone, ("UPSERT", record_set("www", "192.0.2.4")))
    found = client.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    shown = {
        (each["Name"], each["Type"]): [value["Value"] for value in each["ResourceRecords"]] for each in found
    }
    assert shown.pop(("example.com.", "SOA")) == [
        "ns-2048.awsdns-64.com. hostmaster.example.com. 1 7200 900 1209600 86400"
    ]
    assert shown.keys() == {("example.com.", "NS"), ("www.example.com.", "A")}
    assert shown["www.example.com.", "A"] == ["192.0.2.4"]


def test_lists_of_record_sets(empty: Sandbox) -> None:
    """Lists are in order, continue within a name and type, and write other characters in octal."""
    client = connect(empty, "route53")
    zone = client.create_hosted_zone(Name="example.com", CallerReference="1")["HostedZone"]["Id"]
    for identifier in "cab":
        more: dict[str, Any] = {"SetIdentifier": identifier, "Weight": 1}
        change(client, zone, ("CREATE", record_set("www", "192.0.2.1", **more)))
    change(
        client,
        zone,
        ("CREATE", record_set("*", "192.0.2.1")),
        ("CREATE", record_set(r"A\056b_-", "192.0.2.1")),
    )
    change(client, zone, ("DELETE", record_set("www", "192.0.2.1", SetIdentifier="c", Weight=1)))
    pages = client.get_paginator("list_resource_record_sets").paginate(
        HostedZoneId=zone, PaginationConfig={"PageSize": 1}
    )
    found = [each for page in pages for each in page["ResourceRecordSets"] if each["Type"] == "A"]
    assert [(each["Name"].removesuffix(".example.com."), each.get("SetIdentifier")) for each in found] == [
        (r"\052", None),
        (r"a\056b_-", None),
        ("www", "a"),
        ("www", "b"),
    ]
    page = client.list_resource_record_sets(HostedZoneId=zone, StartRecordName="*.example.com", MaxItems="1")
    assert page["ResourceRecordSets"][0]["Name"] == r"\052.example.com."


def test_balancers(empty: Sandbox) -> None:
    """Classic load balancers and those of version 2, in subnets of EC2, have lists of their own."""
    listener = {"Protocol": "http", "LoadBalancerPort": 80, "InstancePort": 80}
    connect(empty, "elb").create_load_balancer(
        LoadBalancerName="classic", Listeners=[listener], AvailabilityZones=["us-east-1a"]
    )
    subnets = [one["SubnetId"] for one in connect(empty).describe_subnets()["Subnets"]]
    connect(empty, "elbv2").create_load_balancer(Name="application", Subnets=subnets[:2])
    classic = list_anything(empty, "elb")["LoadBalancerDescriptions"]
    assert [one["LoadBalancerName"] for one in classic] == ["classic"]
    assert [one["LoadBalancerName"] for one in list_anything(empty, "elbv2")["LoadBalancers"]] == [
        "application"
    ]


def test_other_services(empty: Sandbox) -> None:
    """A request to a service that the sandbox does not have gets status 501 and the services that it has."""
    with pytest.raises(ClientError, match=r"501.*serves ec2, elasticloadbalancing, route53, s3, not sqs"):
        connect(empty, "sqs").list_queues()


@pytest.mark.parametrize("service", LISTS)
def test_signatures_are_checked(empty: Sandbox, service: str) -> None:
    """A request with an unknown key or signed with another secret is refused with the service's own code."""
    unknown, wrong = CODES.get(service, ("InvalidClientTokenId", "SignatureDoesNotMatch"))
    assert list_anything(empty, service)
    with pytest.raises(ClientError, match=rf"\({unknown}\)"):
        list_anything(empty, service, key="AKIAANOTHER")
    with pytest.raises(ClientError, match=rf"\({wrong}\)"):
        list_anything(empty, service, secret="another")


def test_bodies_are_signed(empty: Sandbox) -> None:
    """An object whose body is not the one that was signed is refused."""
    client = connect(empty, "s3")
    client.create_bucket(Bucket="bucket")
    client.meta.events.register("before-send.s3.PutObject", replace_body)
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        client.put_object(Bucket="bucket", Key="key", Body=b"one")
    assert "Contents" not in client.list_objects_v2(Bucket="bucket")


def replace_body(request: Any, **_: Any) -> None:
    """Replace a signed body by another one of the same length."""
    assert request.body.read() == b"one"
    request.body = b"two"


CODES = {"ec2": ("AuthFailure", "AuthFailure"), "s3": ("InvalidAccessKeyId", "SignatureDoesNotMatch")}


def test_credentials() -> None:
    """The access key and its secret can be set, and are then the only ones that work."""
    with Sandbox("ec2", access_key="AKIAANN", secret_key="x", types="t3") as cloud:
        assert cloud.credentials == ("AKIAANN", "x")
        assert list_anything(cloud, "ec2")["Reservations"] == []
        for wrong in ({"secret": "ec2_sandbox"}, {"key": "AKIASANDBOXSANDBOX00"}):
            with pytest.raises(ClientError, match="AuthFailure"):
                list_anything(cloud, "ec2", **wrong)


def test_types(empty: Sandbox) -> None:
    """Only types of the chosen families are listed, and a type that does not exist is refused."""
    client = connect(empty)
    types = client.describe_instance_types()["InstanceTypes"]
    assert {one["InstanceType"].split(".")[0] for one in types} == {"t3", "m5d"}
    with pytest.raises(ClientError, match="InvalidInstanceType"):
        client.run_instances(ImageId=image_of(client), InstanceType="t3.tiny", MinCount=1, MaxCount=1)


def test_faults_and_requests(empty: Sandbox) -> None:
    """Faults and recorded requests work as with every cloud."""
    empty.fault(503)
    with pytest.raises(ClientError, match="503"):
        connect(empty).describe_instances()
    connect(empty).describe_volumes()
    assert [request.form["Action"] for request in empty.requests] == ["DescribeInstances", "DescribeVolumes"]


def test_reset_and_stop() -> None:
    """A reset and a stop delete everything, and the credentials remain valid."""
    cloud = Sandbox("aws", types="t3")

    def restart() -> None:
        cloud.stop()
        assert cloud.servers == []
        cloud.start()

    with cloud:
        for delete in (cloud.reset, restart):
            run_instance(connect(cloud))
            connect(cloud, "s3").create_bucket(Bucket="bucket")
            assert (len(cloud.servers), len(list_anything(cloud, "s3")["Buckets"])) == (1, 1)
            delete()
            assert cloud.servers == list_anything(cloud, "s3")["Buckets"] == []


def test_a_stop_does_not_wait_for_responses(caplog: pytest.LogCaptureFixture) -> None:
    """A stop ends requests that moto is serving, and logs no warning."""
    with Sandbox("ec2") as cloud, ThreadPoolExecutor() as pool:
        client = connect(cloud)
        # The list of all 1,400 takes seconds.
        listed = [pool.submit(client.describe_instance_types) for _ in range(3)]
        while len(cloud.requests) < len(listed):
            time.sleep(0.01)  # noqa: TID251 - a test waits for the server
        cloud.stop()
        for one in listed:
            assert one.exception(timeout=30)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_it_has_no_machines(moto: Sandbox) -> None:
    """There is no SSH, and `isolation` says why."""
    assert moto.ssh_port is None
    assert moto.isolation == "moto, which plays EC2, has no machines"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"build": 1.0}, "unknown setting 'build': choose from access_key, secret_key, types"),
        ({"ssh": "folder"}, "no ssh, no_isolation or ssh_delay: moto, which plays EC2, has no machines"),
        ({"no_isolation": True}, "has no machines"),
        ({"ssh_delay": 1.0}, "has no machines"),
        ({"clock": lambda: 0.0}, "clock cannot be set: moto has its own"),
    ],
)
def test_settings_of_other_clouds(settings: dict[str, Any], message: str) -> None:
    """A setting that other clouds have and this one has not is a ValueError that says so."""
    with pytest.raises(ValueError, match=message):
        Sandbox("ec2", **settings)


@pytest.mark.parametrize("missing", ["moto", "flask", "flask_cors"])
def test_what_to_install(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a package of the extra is missing, the error says how to install it."""
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError, match=r"needs moto: pip install 'polycloud\[moto\]'"):
        Sandbox("ec2")


def test_a_start_that_fails_says_why() -> None:
    """If moto does not start, the error ends with its last line of output, and no process is left."""
    before = emulators()
    with pytest.raises(RuntimeError, match="moto does not start: there are no instance types t33"):
        Sandbox("ec2", types="t3,t33").start()
    assert emulators() == before


def test_a_port_in_use_leaves_no_process() -> None:
    """If the port is in use, no process is left."""
    before = emulators()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        cloud = Sandbox("ec2", port=listener.getsockname()[1])
        with pytest.raises(OSError, match="in use"):
            cloud.start()
    assert emulators() == before


def test_it_listens_nowhere(empty: Sandbox) -> None:
    """No process of moto has a port: only the process that started it can send it requests."""
    assert empty.servers == []
    processes = emulators()
    assert processes
    for process in processes:
        assert process.net_connections() == []


def test_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials and settings in the environment do not reach moto."""
    for name, value in SET.items():
        monkeypatch.setenv(name, value)
    before = emulators()
    with Sandbox("ec2", types="t3") as cloud:
        (process,) = (one for one in emulators() if one not in before)
        environment = process.environ()
        for name, value in SET.items():
            assert environment.get(name) != value
        with pytest.raises(ClientError, match="AuthFailure"):
            list_anything(cloud, "ec2", key="AKIAREAL", secret="real")
    assert_gone(process.pid)


SET = {
    "AWS_ACCESS_KEY_ID": "AKIAREAL",
    "AWS_SECRET_ACCESS_KEY": "real",
    "AWS_SHARED_CREDENTIALS_FILE": "/real",
    "INITIAL_NO_AUTH_ACTION_COUNT": "1000",
    "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",
}


def test_it_ends_with_a_program_that_is_killed() -> None:
    """If the program is killed, moto ends."""
    with started("sys.stdin.read()") as (process, pid):
        assert psutil.pid_exists(pid)
        process.kill()
        process.communicate()
        assert_gone(pid)


def test_it_ends_with_a_program_that_does_not_stop_it() -> None:
    """A program that ends without a stop leaves no process and no warning."""
    with started("") as (process, pid):
        assert process.communicate(timeout=60) == ("", "")
        assert process.returncode == 0
        assert_gone(pid)


def test_a_fork_leaves_it_alone() -> None:
    """The end of a fork of the program does not end moto, which the program still uses."""
    more = "pid = os.fork()\nif not pid: sys.exit()\nos.waitpid(pid, 0)\nprint(cloud.servers)\n"
    with started(more, "-W", "ignore::DeprecationWarning") as (process, _):
        assert process.communicate(timeout=60) == ("[]\n", "")


def test_a_moto_that_has_ended() -> None:
    """If moto is killed from outside, every service responds with an error that says so."""
    before = emulators()
    with Sandbox("ec2", types="t3") as cloud:
        (process,) = (one for one in emulators() if one not in before)
        process.kill()
        for service in LISTS:
            with pytest.raises(ClientError, match="moto does not respond"):
                list_anything(cloud, service)


def test_the_examples_of_the_documentation_run() -> None:
    """The Python code of the provider's page runs from its first line to its last."""
    page = (Path(__file__).parents[2] / "docs" / "providers" / "ec2.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    try:
        for block in re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
            exec(block, names)  # noqa: S102 - our own page
        (node,) = names["cloud"].servers
        assert (node["name"], node["state"], node["type"]) == ("web", "running", "t3.micro")
    finally:
        names["cloud"].stop()

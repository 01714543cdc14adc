"""What programs written for Libcloud find otherwise in polycloud, and what they do not find at all.

`ON_PURPOSE`, `SAME` and `BETTER` are the tables of the migration page. `instead_of` says what to use instead
of a name that only Libcloud has, and `difference` what is different about one that both have. Names are
Libcloud's without their first part: `compute.base.Node` is `libcloud.compute.base.Node`.
"""

from __future__ import annotations

from typing import NamedTuple

from polycloud.libcloud.instead import INSTEAD, MEMBERS, NOTHING, PROVIDERS
from polycloud.libcloud.names import has, own_modules

__all__ = [
    "ASSIGNED",
    "BETTER",
    "BRIDGE",
    "DIFFERS",
    "ON_PURPOSE",
    "SAME",
    "Difference",
    "difference",
    "instead_of",
]


class Difference(NamedTuple):
    """A difference that is meant: its subject, what Libcloud does, what polycloud does, and why."""

    subject: str
    libcloud: str
    polycloud: str
    reason: str


ON_PURPOSE = (
    Difference(
        "errors",
        "`Exception`, errors of `requests` and of `ssl`, or its own",
        "always a `PolycloudError`, which is `LibcloudError` too, with method, path and status",
        "one `except` is enough",
    ),
    Difference(
        "a request that fails",
        "retried by its kind of error, POST included, if retries are on",
        "retried if it cannot be carried out twice; a create searches for what it may have made",
        "a lost response must not leave two nodes",
    ),
    Difference(
        "verification of certificates",
        "can be switched off",
        "cannot; `ca_cert=` or `CA_CERTS_PATH` names another authority",
        "credentials are in every request",
    ),
    Difference(
        "plain HTTP",
        "sent wherever `secure=False` says",
        "to this machine; to another only with `allow_insecure=True`, for `import libcloud` with a warning",
        "credentials are in every request",
    ),
    Difference(
        "unknown arguments of a driver",
        "ignored by many drivers",
        "`InvalidArgumentError`, which names the nearest one; for `import libcloud` a warning",
        "a misspelt `region=` must not end in another region",
    ),
    Difference(
        "what a provider does not offer",
        "`NotImplementedError`",
        "`UnsupportedOperationError`, which is one too, before any request; ask `driver.supports(name)`",
        "a program can know before it starts",
    ),
    Difference(
        "results of actions",
        "`True` or `False`",
        "`True`, or an error that says why",
        "nobody reads `False`",
    ),
    Difference(
        "a `ScriptDeployment` whose script fails",
        "the deployment goes on; `exit_status` has its status",
        "`DeploymentError`, with the exit status and the output; end a script that may fail with `exit 0`",
        "a node that is half set up must not pass for a finished one",
    ),
    Difference(
        "lists",
        "of some drivers the first page only",
        "always complete, each item once",
        "a backup of the first page is none",
    ),
    Difference(
        "prices of sizes",
        "in the currency and by the unit of time that the driver finds",
        "`NodeSize.price` is USD by the hour",
        "prices can be compared",
    ),
    Difference(
        "`created_at`",
        "with or without a time zone, depending on the driver",
        "a `datetime` with a time zone",
        "times can be compared",
    ),
    Difference(
        "secrets",
        "in some `repr`s and debug output",
        "in no `repr`, error or log",
        "logs are read by others",
    ),
    Difference(
        "threads",
        "a driver for each thread",
        "one driver for all: no request changes it or its connection",
        "the shared connection signed and parsed for the wrong thread",
    ),
    Difference(
        "SSH",
        "paramiko, else the command `ssh`",
        "asyncssh: `pip install 'polycloud[deploy]'`",
        "it works on event loops, and reads all formats of keys",
    ),
    Difference(
        "time limits",
        "60 s without data; a call with retries has none",
        "10 s to connect, 60 s without data, and `deadline=` for a call with its retries",
        "a call must end",
    ),
    Difference(
        "debug output",
        "`LIBCLOUD_DEBUG`, with credentials",
        "`POLYCLOUD_DEBUG`, without; it can be replayed",
        "such files are sent to others",
    ),
    Difference(
        "loggers and the installed version",
        "`libcloud`, `apache-libcloud`",
        "`polycloud`, in `logging` and `importlib.metadata`",
        "who asks for a distribution must get what is installed",
    ),
)
"""What differs on purpose."""

SAME = (
    "the paths of modules and their names, for `import libcloud`; `get_driver`, `set_driver`, `DRIVERS`",
    "methods, their arguments and the order of these; those of `Node`, `NodeSize`, `Record`, `Object`",
    "`Provider`, `NodeState`, `RecordType`: members equal their strings; `tostring` and `fromstring`",
    "the names of errors, their arguments and attributes; `DeploymentException` and `DeploymentError`",
    "the keys of `extra`; attributes can be set on resources; old pickles load, but not of drivers",
    "the in-memory drivers `dummy` of all services",
    "`libcloud.__version__` is `3.9.1`, the version whose names these are",
)
"""What is the same."""

BETTER = (
    "everything is typed, and `polycloud.aio` awaits the same drivers",
    "a list call takes less than a quarter of the processor time, and a node half the memory",
    "fake clouds on your own machine: `polycloud sandbox digitalocean`, with real SSH",
    "a command line, fleets of accounts, plans for DNS zones, resumed uploads and syncs of folders",
    "drivers for NephoScale and SoftLayer, which Libcloud 3.9.1 has no more",
)
"""What is better."""

SERVICES = ("compute", "dns", "loadbalancer", "storage")
"""The services whose other providers the bridge reaches."""
BRIDGE = (
    "the bridge reaches this provider: pip install 'polycloud[libcloud]', and call polycloud.get_driver "
    "in a program that imports polycloud"
)
INSIDE = (
    "only drivers of other providers use it, and the bridge reaches these: pip install 'polycloud[libcloud]'"
)
SSH = "it is not paramiko's: there is no attribute client"
DIFFERS = {
    "compute.base.SSHClient": SSH,
    "compute.ssh.ParamikoSSHClient": SSH,
    "compute.ssh.SSHClient": SSH,
}
"""What is different about using a name that both have."""
ORDER = {
    "compute.drivers.ec2.EC2NodeDriver.copy_image": (0, "source_region, node_image, name"),
    "loadbalancer.drivers.rackspace.RackspaceLBDriver.create_balancer": (
        1,
        "name, port, protocol, algorithm, members",
    ),
    "storage.drivers.azure_blobs.AzureBlobsStorageDriver.upload_object": (
        3,
        "file_path, container, object_name, extra, verify_hash",
    ),
}
"""Methods whose arguments have another order from one on, which counts from 0, and the order here."""
DRIVERS = {
    ("compute", "ovh"): (
        "the driver logs in to OVHcloud's OpenStack with a user and a password, not to OVHcloud's own API "
        "with an application key"
    ),
    ("storage", "backblaze_b2"): (
        "the driver speaks B2's S3 API: pass region=, and use methods of S3 for those of B2's own API"
    ),
}
"""What is different about the driver for a provider."""
ASSIGNED = {
    "security.VERIFY_SSL_CERT": (
        "verification cannot be switched off: name the certificate authority of a test server in "
        "security.CA_CERTS_PATH or ca_cert="
    ),
}
"""What is different about setting a name."""
IGNORED = "there is no such argument: ignored with a warning, and refused once the program imports polycloud"
"""What is different about an argument of a driver that it does not have."""
VALUES = {
    ("secure", False): (
        "plain HTTP to another machine is sent with a warning; once the program imports polycloud, it needs "
        "allow_insecure=True"
    ),
}
"""What is different about a value of a driver's keyword argument."""
HOOKS = {
    *("cache_busting", "conn_class", "connect", "morph_action_hook", "pre_connect_hook", "rawResponseCls"),
    *("parse_zero_length_body", "retryCls", "set_context", "set_http_proxy", "reset_context"),
}
"""Members of Libcloud's connections and responses that nothing calls here if a program overrides them."""


def difference(name: str) -> str | None:
    """Return what is different about a name that both have, as a clause; None if nothing is."""
    return DIFFERS.get(name)


def instead_of(name: str) -> str | None:
    """Return what to use instead of a name that only Libcloud has, as a clause; None if it has it neither.

    `name` (str) is dotted, without the leading `libcloud.`: `container`, `compute.drivers.gce`,
    `compute.types.Provider.GCE`, `common.base.Connection.set_http_proxy`.
    """
    parts = name.split(".")
    service, owner, last = parts[0], parts[-2] if parts[1:] else "", parts[-1]
    if owner == "Provider" and (clause := PROVIDERS.get(f"{service}.{last}")):
        return clause
    if owner[:1].isupper() and (clause := MEMBERS.get(f"{service}.{last}") or MEMBERS.get(f"*.{last}")):
        return clause
    for length in range(len(parts), 0, -1):
        if clause := INSTEAD.get(".".join(parts[:length])):
            return clause
    if service == "common" and parts[1:] and ".".join(parts[:2]) not in own_modules() and has(name):
        return INSIDE
    is_driver = service in SERVICES and parts[1:2] == ["drivers"] and len(parts) > len(("service", "drivers"))
    if is_driver and ".".join(parts[:3]) not in own_modules():
        return BRIDGE
    return NOTHING if name and has(name) and name not in own_modules() else None

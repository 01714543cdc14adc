"""moto, an independent Amazon in memory, which checks signatures with botocore's own signer."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from polycloud.common import waiting
from polycloud.common.aws import AWSConnection
from polycloud.common.base import Connection
from polycloud.common.types import TransportError

POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
READY = 60.0
STRICT = dict.fromkeys(
    (
        "MOTO_ENABLE_AMI_VALIDATION",
        "MOTO_ENABLE_KEYPAIR_VALIDATION",
        "MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION",
    ),
    "true",
)
"""What moto otherwise lets pass."""

PROGRAM = """
import sys
from moto.ec2.models.instance_types import InstanceTypeBackend as Types
Types.instance_types = [one for one in Types.instance_types if one.name.startswith(("t3.", "m5d."))]
from moto.server import main
main(sys.argv[1:])
"""
"""moto takes seconds to list all types of instances."""


class _IAM(AWSConnection):
    service = "iam"


@dataclass(frozen=True)
class Moto:
    """A running server, and the only credentials that it takes."""

    url: str
    key: str
    secret: str


@contextmanager
def moto() -> Iterator[Moto]:
    """A moto until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(
        command, env=os.environ | STRICT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        waiting.poll(lambda: _answers(url), waiting_for="moto", timeout=READY, longest_pause=0.2)
        yield _with_user(url)
    finally:
        process.terminate()
        process.wait()


def _answers(url: str) -> bool | None:
    line = Connection(url=url)
    try:
        return bool(line.request("/moto-api/"))
    except TransportError:
        return None
    finally:
        line.close()


def _with_user(url: str) -> Moto:
    """Make a user who may do everything; from then on nobody else may do anything."""
    iam = _IAM("AKIAFIRST", "first", url=url)

    def call(action: str, **fields: Any) -> Any:
        data = {"Action": action, "Version": "2010-05-08", "UserName": "tester", **fields}
        return iam.request("/", method="POST", data=data).read(f"{action}Response", dict[str, Any])

    try:
        call("CreateUser")
        call("PutUserPolicy", PolicyName="all", PolicyDocument=json.dumps(POLICY))
        key = call("CreateAccessKey")["CreateAccessKeyResult"]["AccessKey"]
        iam.request("/moto-api/reset-auth", method="POST", data=b"0", headers={"Content-Type": "text/plain"})
    finally:
        iam.close()
    return Moto(url, key["AccessKeyId"], key["SecretAccessKey"])

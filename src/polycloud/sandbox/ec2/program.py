"""What runs in a process of its own: moto's EC2 on a free port of 127.0.0.1, until its input ends.

Each line of its input is a question in JSON, and gets a line of JSON. The first one has the settings, and
gets the port. No module imports this one.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from typing import Any

from moto.core.base_backend import BackendDict
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.ec2.models import ec2_backends
from moto.ec2.models.instance_types import INSTANCE_FAMILIES, InstanceTypeBackend
from moto.iam.models import iam_backends
from moto.moto_server.werkzeug_app import MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

USER = "sandbox"
POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def main() -> None:
    """Serve EC2 and answer questions."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    # The input ends with the process that started this one, however that ends.
    questions = map(json.loads, sys.stdin)
    key, secret, types = next(questions)
    if types:
        keep_types(types.split(","))
    admit(key, secret)
    app = create_backend_app("ec2")
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=MotoRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    answer(server.port)
    for question in questions:
        if question == "reset":
            BackendDict.reset()
            admit(key, secret)
        answer(servers())
    os._exit(0)


def keep_types(families: list[str]) -> None:
    """List no other instance types than those."""
    if unknown := set(families) - set(INSTANCE_FAMILIES):
        sys.exit(f"there are no instance types {', '.join(sorted(unknown))}")
    types = InstanceTypeBackend.instance_types
    InstanceTypeBackend.instance_types = [one for one in types if one.name.split(".")[0] in families]


def admit(key: str, secret: str) -> None:
    """Make the one user, who may do everything."""
    iam = iam_backends[DEFAULT_ACCOUNT_ID]["aws"]
    iam.create_user("us-east-1", USER)
    iam.put_user_policy(USER, "all", json.dumps(POLICY))
    made = iam.create_access_key(USER)
    made.access_key_id, made.secret_access_key = key, secret


def servers() -> list[dict[str, Any]]:
    """All instances of all regions."""
    return [
        {
            "id": instance.id,
            "name": next((tag["value"] for tag in instance.get_tags() if tag["key"] == "Name"), instance.id),
            "state": instance.state,
            "region": region,
            "type": instance.instance_type,
            "addresses": [address for address in (instance.public_ip, instance.private_ip) if address],
            "machine": "none",
        }
        for region, backend in list(ec2_backends[DEFAULT_ACCOUNT_ID].items())
        for reservation in list(backend.reservations.values())
        for instance in list(reservation.instances)
    ]


def answer(value: Any) -> None:
    """Print a line of JSON."""
    print(json.dumps(value), flush=True)  # noqa: T201 - this is how the program answers


if __name__ == "__main__":
    main()

"""Arguments for every create of every driver, by the names of the parameters."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

from polycloud.common.creation import creating
from polycloud.dns.types import RecordType
from polycloud.loadbalancer.types import Algorithm
from support.keypairs import key_pair

VALUES: dict[str, Any] = {
    "cidr": "10.77.3.0/24",
    "count": 2,
    "data": "192.0.2.7",
    "description": "a test",
    "disks": [],
    "from_port": 80,
    "fs_type": "ext4",
    "ip_protocol": "tcp",
    "member_id": "a" * 32,
    "members": (),
    "nameserver": "192.0.2.1",
    "port": 80,
    "protocol": "http",
    "rules": {"inbound": [], "outbound": [], "inbound_policy": "ACCEPT", "outbound_policy": "ACCEPT"},
    "script": "#!/bin/sh\n",
    "tags": {"lost": "one"},
    "to_port": 80,
    "type": RecordType.A,
    "algorithm": Algorithm.ROUND_ROBIN,
}
SAME = {"container_name": "name", "keyfile": "key_file_path", "node_image": "image", "resource": "node"}
"""Parameters that take what another one takes."""
WANTED = {"image", "name", "size"}
"""Parameters that are given where they are optional, too."""
NOT_OFFERED = {
    ("rackspace", "ex_create_floating_ip"),
    ("rackspace", "ex_create_router"),
}


def creates_of(kind: type[Any], provider: str) -> list[str]:
    """The operations of a driver that create something, but those that it refuses."""
    named = (name for name in dir(kind) if creating(name) and callable(getattr(kind, name)))
    return [
        name
        for name in named
        if (name.startswith("ex_") or kind.offers(name)) and (provider, name) not in NOT_OFFERED
    ]


class Orders:
    """What the creates at one provider need; each thing is made when it is first asked for."""

    def __init__(
        self, provider: str, driver: Any, folder: Path, balancer: Callable[[], dict[str, Any]]
    ) -> None:
        self.provider, self.driver, self.folder, self.balancer = provider, driver, folder, balancer
        self.number = 0

    def arguments(self, operation: str) -> dict[str, Any]:
        """The arguments of a create whose name nothing else has."""
        self.number += 1
        function = getattr(self.driver, operation)
        needed = [
            name
            for name, parameter in signature(function).parameters.items()
            if name in WANTED
            or (parameter.default is Parameter.empty and parameter.kind is Parameter.POSITIONAL_OR_KEYWORD)
        ]
        return {name: self._value(operation, name) for name in needed} | self._extra(operation)

    def _value(self, operation: str, name: str) -> Any:
        if name in VALUES:
            return VALUES[name]
        found = getattr(self, f"_{SAME.get(name, name)}")
        return found(operation) if callable(found) else found

    def _extra(self, operation: str) -> dict[str, Any]:
        """The optional arguments without which a create is refused, or has no name."""
        if operation == "create_balancer":
            return self.balancer()
        if operation == "create_key_pair" and self.provider in {"digitalocean", "linode"}:
            return {"public_key": key_pair()[1]}
        if operation == "ex_create_keypair" and self.provider == "nephoscale":
            return {"public_key": key_pair()[1]}
        return {}

    def _name(self, operation: str) -> str | None:
        return f"lost-{self.number}"

    def _domain(self, operation: str) -> str:
        return f"lost-{self.number}.example"

    def _size(self, operation: str) -> Any:
        if operation == "create_volume":
            return 100 if self.provider == "rackspace" else 10
        if operation == "ex_create_disk":
            return 50
        return self._shape[0]

    @cached_property
    def _shape(self) -> tuple[Any, Any]:
        return self.driver.list_sizes()[0], self.driver.list_images()[0]

    @property
    def _image(self) -> Any:
        return self._shape[1]

    @property
    def _images(self) -> list[Any]:
        return [self._image]

    @property
    def _image_id(self) -> str:
        return str(self._image.id)

    @cached_property
    def _node(self) -> Any:
        ((node, _),) = self.driver.wait_until_running([self.driver.create_node("ground", *self._shape)])
        return node

    @cached_property
    def _volume(self) -> Any:
        return self.driver.create_volume(self._size("create_volume"), "ground")

    @cached_property
    def _location(self) -> Any:
        return self.driver.list_locations()[0]

    @property
    def _source_region(self) -> str:
        return self.driver.region or "us-east-1"

    def _key_material(self, operation: str) -> str:
        return key_pair()[1]

    def _key_file_path(self, operation: str) -> str:
        file = self.folder / f"{self.number}.pub"
        file.write_text(key_pair()[1])
        return str(file)

    @cached_property
    def _vpc_id(self) -> str:
        return str(self.driver.ex_create_network("10.77.0.0/16").id)

    def _cidr_block(self, operation: str) -> str:
        return f"10.77.{self.number % 200}.0/24" if "subnet" in operation else "10.78.0.0/16"

    @cached_property
    def _network(self) -> Any:
        return self.driver.ex_create_network("ground")

    @cached_property
    def _security_group(self) -> Any:
        return self.driver.ex_create_security_group("ground", "a test")

    @cached_property
    def _subnet(self) -> Any:
        return self.driver.ex_list_free_addresses()[0]

    @property
    def _address(self) -> str:
        return str(self._subnet.addresses[0])

    @cached_property
    def _zone(self) -> Any:
        return self.driver.create_zone("ground.example")

"""A driver whose nodes are the SSH server of a test."""

from __future__ import annotations

from typing import Any

from polycloud.compute.drivers.dummy import DummyNodeDriver
from polycloud.compute.objects import Node


class LocalDriver(DummyNodeDriver):
    """A driver in memory whose nodes are this machine's SSH server."""

    features = {"create_node": ["ssh_key", "password"]}  # noqa: RUF012
    address = "127.0.0.1"

    @classmethod
    def offers(cls, name: str) -> bool:
        return name == "deploy_node" or super().offers(name)

    def create_node(self, name: str, *args: Any, **kwargs: Any) -> Node:
        node = super().create_node(name, *args, **kwargs)
        node.public_ips = [self.address]
        return node

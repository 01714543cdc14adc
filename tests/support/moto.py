"""The sandbox's AWS, which is moto, with few instance types."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from polycloud.sandbox import Sandbox


@dataclass(frozen=True)
class Moto:
    """A running server, and the only credentials that it accepts."""

    url: str
    key: str
    secret: str


@contextmanager
def moto() -> Iterator[Moto]:
    """Run moto until the block ends."""
    with Sandbox("ec2", types="t3,m5d") as cloud:
        yield Moto(cloud.url, *cloud.credentials)

"""What tests of connections need to know of the sandbox's AWS, the fixture `aws`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Moto:
    """A running server, and the only credentials that it accepts."""

    url: str
    key: str
    secret: str

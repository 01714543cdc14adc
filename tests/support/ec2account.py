"""An account of EC2 that keeps its instances, each known by the client token of its create.

Source: Amazon's reference of the EC2 Query API, version 2016-11-15: RunInstances and "Ensuring idempotency".
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, ClassVar, Self
from xml.sax.saxutils import escape

from polycloud.testing.loopback import Answer
from support.ec2 import Act, SmallEC2, instance, refusal, response

IMAGES = ("ami-0000000000000000a", "ami-0000000000000000b")
TYPES = {"t3.nano": 512, "t3.micro": 1024}
ZONES = ("us-east-1a", "us-east-1b")
SHUTS_DOWN, REMEMBERED = 0.02, 1.0
"""Seconds after which a terminated instance is off, and no longer listed (Amazon's hour)."""


class RefusalError(Exception):
    """A request that is refused; the message is the code."""


@dataclass
class Instance:
    """An instance, and the request that made it."""

    id: str
    order: dict[str, str]
    ended: float | None = None

    @property
    def state(self) -> str:
        """The provider's name of the state."""
        if self.ended is None:
            return "running"
        return "shutting-down" if self.age < SHUTS_DOWN else "terminated"

    @property
    def age(self) -> float:
        """Seconds since it was terminated."""
        return 0.0 if self.ended is None else time.monotonic() - self.ended

    @property
    def name(self) -> str:
        """The tag Name, which is the first one in a create."""
        return self.order["TagSpecification.1.Tag.1.Value"]

    def __str__(self) -> str:
        return instance(
            self.id,
            instanceState=f"<name>{self.state}</name>",
            ipAddress="198.51.100.7",
            clientToken=escape(self.order["ClientToken"]),
            tagSet=f"<item><key>Name</key><value>{escape(self.name)}</value></item>",
        )


class EC2Account(SmallEC2):
    """The server; a create makes one instance.

    The header Host is signed: signatures hold behind a proxy that leaves it as it is, as that of faults does.
    """

    name: ClassVar[str] = "ec2"

    def __init__(self) -> None:
        super().__init__()
        self.by_token: dict[str, Instance] = {}
        self.by_id: dict[str, Instance] = {}
        self.keys: set[str] = set()
        self.acts = {
            name: self._act(name)
            for name in (
                *("RunInstances", "DescribeInstances", "TerminateInstances", "RebootInstances"),
                *("ImportKeyPair", "DeleteKeyPair"),
                *("DescribeInstanceTypes", "DescribeImages", "DescribeAvailabilityZones"),
            )
        }

    @property
    def servers(self) -> list[dict[str, Any]]:
        """The instances that are not terminated."""
        with self._lock:
            there = [one for one in self.by_id.values() if one.state != "terminated"]
        return [{"id": one.id, "name": one.name, "client_token": one.order["ClientToken"]} for one in there]

    def __enter__(self) -> Self:
        super().__enter__()
        return self

    def _act(self, action: str) -> Act:
        def act(fields: dict[str, str]) -> Answer:
            try:
                return response(action, getattr(self, f"_{action}")(fields))
            except RefusalError as error:
                return refusal(str(error))

        return act

    # Instances

    def _RunInstances(self, fields: dict[str, str]) -> str:
        token = fields["ClientToken"]
        if fields["MaxCount"] != "1":
            raise RefusalError("InstanceLimitExceeded")
        made = self.by_token.get(token)
        if made is None:
            made = Instance(f"i-{len(self.by_token):017x}", fields)
            self.by_token[token] = self.by_id[made.id] = made
        if made.order != fields:
            raise RefusalError("IdempotentParameterMismatch")
        if made.ended is not None:
            raise RefusalError("IdempotentInstanceTerminated")
        return f"<instancesSet>{made}</instancesSet>"

    def _DescribeInstances(self, fields: dict[str, str]) -> str:
        forgotten = [one for one in self.by_id.values() if one.age > REMEMBERED]
        for one in forgotten:
            del self.by_id[one.id]
        wanted = self._named(fields)
        if wanted:
            return _reservations(wanted)
        size, after = int(fields["MaxResults"]), fields.get("NextToken", "")
        following = [one for one in self.by_id.values() if one.id > after]
        more = f"<nextToken>{following[size - 1].id}</nextToken>" if len(following) > size else ""
        return _reservations(following[:size]) + more

    def _TerminateInstances(self, fields: dict[str, str]) -> str:
        doomed = self._named(fields)
        for one in doomed:
            one.ended = one.ended or time.monotonic()
        return f"<instancesSet>{''.join(map(str, doomed))}</instancesSet>"

    def _RebootInstances(self, fields: dict[str, str]) -> str:
        self._named(fields)  # terminated ones are ignored
        return "<return>true</return>"

    def _named(self, fields: Mapping[str, str]) -> list[Instance]:
        ids = [value for name, value in fields.items() if name.startswith("InstanceId.")]
        if not all(id_.startswith("i-") for id_ in ids):
            raise RefusalError("InvalidInstanceID.Malformed")
        if not all(id_ in self.by_id for id_ in ids):
            raise RefusalError("InvalidInstanceID.NotFound")
        return [self.by_id[id_] for id_ in ids]

    # Key pairs

    def _ImportKeyPair(self, fields: dict[str, str]) -> str:
        name = fields["KeyName"]
        if name in self.keys:
            raise RefusalError("InvalidKeyPair.Duplicate")
        self.keys.add(name)
        return f"<keyName>{escape(name)}</keyName>"

    def _DeleteKeyPair(self, fields: dict[str, str]) -> str:
        self.keys.discard(fields["KeyName"])
        return "<return>true</return>"

    # What there is to choose from

    def _DescribeInstanceTypes(self, _: dict[str, str]) -> str:
        memory = "<memoryInfo><sizeInMiB>{}</sizeInMiB></memoryInfo>"
        items = (f"<instanceType>{name}</instanceType>{memory.format(ram)}" for name, ram in TYPES.items())
        return f"<instanceTypeSet>{_items(items)}</instanceTypeSet>"

    def _DescribeImages(self, fields: dict[str, str]) -> str:
        asked, is_own = fields.get("ImageId.1"), fields.get("Owner.1") == "self"
        found = (f"<imageId>{id_}</imageId><name>{id_}</name>" for id_ in IMAGES if is_own or id_ == asked)
        return f"<imagesSet>{_items(found)}</imagesSet>"

    def _DescribeAvailabilityZones(self, _: dict[str, str]) -> str:
        zones = (f"<zoneName>{name}</zoneName><zoneState>available</zoneState>" for name in ZONES)
        return f"<availabilityZoneInfo>{_items(zones)}</availabilityZoneInfo>"


def _reservations(instances: Iterable[Instance]) -> str:
    inside = (f"<instancesSet>{one}</instancesSet>" for one in instances)
    return f"<reservationSet>{_items(inside)}</reservationSet>"


def _items(texts: Iterable[str]) -> str:
    return "".join(chain.from_iterable(("<item>", text, "</item>") for text in texts))

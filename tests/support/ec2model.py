"""Amazon's own description of EC2's API, of which botocore has a copy, and a server that follows it."""

from __future__ import annotations

from typing import Any

from botocore.loaders import Loader  # type: ignore[import-untyped]
from botocore.model import ServiceModel, Shape  # type: ignore[import-untyped]

from polycloud.testing.loopback import Answer
from support.ec2 import SmallEC2, told

MODEL = ServiceModel(Loader().load_service_model("ec2", "service-2"), "ec2")
DEEPEST = 20
SCALARS = {
    "boolean": "true",
    "blob": "aGVsbG8=",
    "double": "1.5",
    "float": "1.5",
    "integer": "7",
    "long": "7",
    "string": "aGVsbG8=",
    "timestamp": "2015-12-22T10:44:05.000Z",
}


def everything(shape: Shape, depth: int = 0) -> str:
    """An answer in which everything is told that can be."""
    if shape.type_name == "list":
        return f"<item>{everything(shape.member, depth + 1)}</item>"
    if shape.type_name == "structure":
        members = shape.members.values() if depth < DEEPEST else ()
        parts = ((one.serialization.get("name", one.name), one) for one in members)
        told = (
            f"<{name}>{everything(one, depth + 1)}</{name}>" for name, one in parts if name != "nextToken"
        )
        return "".join(told)
    return str(next(iter(getattr(shape, "enum", ())), SCALARS[shape.type_name]))


class Told(SmallEC2):
    """A server that tells all of everything."""

    def _refused(self, request: Any) -> Answer:
        return self.everything(self.calls[-1]["Action"])

    @staticmethod
    def everything(action: str) -> Answer:
        """The fullest answer to an action."""
        shape = MODEL.operation_model(action).output_shape
        return told(action, everything(shape)) if shape else told(action)

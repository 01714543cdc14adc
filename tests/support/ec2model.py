"""Amazon's own description of EC2's API, of which botocore has a copy, and a server that follows it."""

from __future__ import annotations

from typing import Any

from botocore.loaders import Loader  # type: ignore[import-untyped]
from botocore.model import ServiceModel, Shape  # type: ignore[import-untyped]

from polycloud.testing.loopback import Answer
from support.ec2 import SmallEC2, response

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
    """Return a response with every documented field."""
    if shape.type_name == "list":
        return f"<item>{everything(shape.member, depth + 1)}</item>"
    if shape.type_name == "structure":
        members = shape.members.values() if depth < DEEPEST else ()
        parts = ((one.serialization.get("name", one.name), one) for one in members)
        return "".join(
            f"<{name}>{everything(one, depth + 1)}</{name}>" for name, one in parts if name != "nextToken"
        )
    return str(next(iter(getattr(shape, "enum", ())), SCALARS[shape.type_name]))


class FullServer(SmallEC2):
    """A server whose responses have every documented field."""

    def _refused(self, request: Any) -> Answer:
        return self.everything(self.calls[-1]["Action"])

    @staticmethod
    def everything(action: str) -> Answer:
        """Return the response to an action with every documented field."""
        shape = MODEL.operation_model(action).output_shape
        return response(action, everything(shape)) if shape else response(action)

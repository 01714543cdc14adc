"""What is known about a provider's API: from the author's options, or from the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from polycloud.compute.types import NodeState
from polycloud.scaffold.formats import JSON, Format
from polycloud.scaffold.openapi import Call

__all__ = ["Api", "Auth"]


class Auth(StrEnum):
    """How a driver authenticates."""

    KEY = "key"
    USER_AND_KEY = "user-and-key"
    TOKEN = "token"  # noqa: S105 - not a secret
    SIGNATURE = "signature"


@dataclass(frozen=True, slots=True)
class Api:
    """The address of an API, its authentication, and the calls that match operations of a driver.

    Attributes:
        host: The host name.
        base: The path before the path of every call.
        auth: How a driver authenticates.
        format: How requests and responses are encoded.
        header: The header that carries a key; `Authorization: Bearer` if neither this nor `parameter` is set.
        parameter: The query parameter that carries a key.
        token_path: The path that returns a token for a user and a key.
        calls: The calls that match an operation, by its name, the best match first.
        responses: The type of a call's response, and how its pages are read.
        payloads: The Structs of the responses, as Python text.
        states: What each state of a node means.
        fake: What the fake cloud answers; see `faking`.
    """

    host: str = "api.example.com"
    base: str = ""
    auth: Auth = Auth.KEY
    format: Format = JSON
    header: str | None = None
    parameter: str | None = None
    token_path: str = "/token"  # noqa: S105 - not a secret
    calls: Mapping[str, Sequence[Call]] = field(default_factory=dict)
    responses: Mapping[Call, str] = field(default_factory=dict)
    payloads: str = ""
    states: Mapping[str, NodeState] = field(default_factory=dict)
    fake: Mapping[str, Any] | None = None

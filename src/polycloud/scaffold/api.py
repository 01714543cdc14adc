"""What a driver's author, or the provider's OpenAPI document, tells of an API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["Api", "Auth", "Call"]


class Auth(StrEnum):
    """How one logs in."""

    KEY = "key"
    USER_AND_KEY = "user-and-key"
    TOKEN = "token"  # noqa: S105 - no secret


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the API: its HTTP method, and its path below the API's."""

    method: str
    path: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Api:
    """Where it is, how one logs in, and what looks like our operations.

    `header` or `parameter` is what a key is sent in (`Authorization: Bearer` where neither is given),
    `token_path` where a user and a key give a token, `calls` the calls that look like an operation, by its
    name and the likeliest first, `answers` the type of what a call answers with and how its pages are read,
    `payloads` the Python text of the Structs.
    """

    host: str = "api.example.com"
    base: str = ""
    auth: Auth = Auth.KEY
    header: str | None = None
    parameter: str | None = None
    token_path: str = "/token"  # noqa: S105 - no secret
    calls: Mapping[str, Sequence[Call]] = field(default_factory=dict)
    answers: Mapping[Call, str] = field(default_factory=dict)
    payloads: str = ""

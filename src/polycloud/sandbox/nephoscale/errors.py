"""Why NephoScale does not carry out a request."""

from __future__ import annotations

from enum import IntEnum


class Subcode(IntEnum):
    """The finer reason in an error envelope."""

    MISSING = 1001
    UNKNOWN = 1002
    INVALID = 1003
    CONFLICT = 1004
    HTTP = 1005


class InputError(Exception):
    """A field of the request is wrong; it is answered with HTTP 200 and `success` false."""

    def __init__(self, field: str, problem: str, subcode: Subcode = Subcode.INVALID) -> None:
        super().__init__(f"{field}: {problem}")
        self.response = 409 if subcode is Subcode.CONFLICT else 400
        self.subcode = subcode


class NoSuchResourceError(Exception):
    """The path names something that does not exist; it is answered with HTTP 404."""

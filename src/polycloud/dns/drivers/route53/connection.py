"""Requests to Route 53: its endpoint, its errors, and the escapes of its names and values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

import msgspec

from polycloud.common.arguments import drop_none
from polycloud.common.aws.errors import REFUSALS, Refusals
from polycloud.common.aws.rest import AWSRestConnection, AWSRestResponse
from polycloud.common.aws.xml import plain_root
from polycloud.common.building import quote_segment
from polycloud.errors import ConflictError, InvalidArgumentError, ProviderHTTPError

T = TypeVar("T")
OCTAL = re.compile(r"\\([0-3][0-7]{2})|\\.", re.DOTALL)
DECIMAL = re.compile(r"\\([01]\d\d|2[0-4]\d|25[0-5])|\\(.)", re.DOTALL)


class Route53Response(AWSRestResponse):
    """A response; only an unknown zone is "not found", not what a request refers to."""

    lists = frozenset({"NameServer", "ResourceRecord", "ResourceRecordSet", "VPC"})
    refusals: ClassVar[Refusals] = (
        (re.compile(r"NoSuch(?!HostedZone)\w+"), ProviderHTTPError),
        (re.compile(r"ConflictingDomainExists"), ConflictError),
        *REFUSALS,
    )

    def read_part(self, part: str, type_: type[T]) -> T:
        """Return an element of the document as a `type_`. Raises `MalformedResponseError` as `read` does."""
        try:
            _, fields = plain_root(part.encode(), self.lists)
        except ValueError as error:
            raise self.malformed(f"the response is not XML: {error}") from None
        return self.typed(fields or {}, type_)

    def divided(self, name: str) -> tuple[str, int, int]:
        """Return the document as text, and where the content of the element `name` begins and ends in it.

        Both are 0 unless the document has nothing but elements and ASCII text.
        """
        if not self.content.isascii():
            return "", 0, 0
        text = self.content.decode()
        start, end = text.find(f"<{name}>"), text.rfind(f"</{name}>")
        is_plain = 0 <= start < end and "<!" not in text and text.rfind("<?") <= 0
        return (text, start + len(name) + 2, end) if is_plain else ("", 0, 0)


class Route53Connection(AWSRestConnection):
    """A connection to Route 53, which has one endpoint for all regions."""

    service = "route53"
    namespace = "https://route53.amazonaws.com/doc/2013-04-01/"
    request_path = "/2013-04-01"
    responseCls = Route53Response


def path_of(zone_id: str) -> str:
    """Return the path of a zone, whose id may have the prefix that Amazon's tools show."""
    return f"/hostedzone/{quote_segment(zone_id.removeprefix('/hostedzone/'))}"


def checked(fields: Mapping[str, Any], kind: type[T]) -> T:
    """Return what `extra` has as a Struct. Raises `InvalidArgumentError` for other keys and types."""
    try:
        return msgspec.convert(drop_none(dict(fields)), kind)
    except msgspec.ValidationError as error:
        raise InvalidArgumentError(f"extra is not valid: {error}, got {fields!r}") from None


def from_octal(text: str) -> str:
    """Return a name or value with octal escapes in the form of zone files."""
    return OCTAL.sub(lambda m: f"\\{int(m[1], 8):03}" if m[1] else m[0], text) if "\\" in text else text


def octal(text: str) -> str:
    r"""Return a value in the form of zone files with octal escapes; `\"` and `\\` stay."""
    return DECIMAL.sub(lambda m: f"\\{int(m[1]):03o}" if m[1] else m[0], text) if "\\" in text else text


def octal_name(text: str) -> str:
    r"""Return a name in the form of zone files with octal escapes, `\.` too."""
    return DECIMAL.sub(lambda m: f"\\{int(m[1]) if m[1] else ord(m[2]):03o}", text) if "\\" in text else text

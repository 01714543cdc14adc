"""Responses in XML and XML-RPC; apart from the others, since most drivers need none of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar, overload

import msgspec

from polycloud.common.response import Response
from polycloud.concurrency.forks import cached_property
from polycloud.errors import MalformedResponseError
from polycloud.utils.status import HTTPStatus

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

__all__ = ["ELEMENTS", "XMLRPCResponse", "XmlResponse"]

T = TypeVar("T")
ELEMENTS = (b"<", b"=")
"""What tags and the values of attributes begin with in XML."""
HTML = rb"(?i)(?:\xef\xbb\xbf)?\s*+(?:<\?xml[^>]*+>\s*+)?<(?:!doctype\s++)?html\b"


class XmlResponse(Response):
    """A response in XML; `object` is its root `Element`."""

    def success(self) -> bool:
        """Return whether the status is 2xx.

        Raises `MalformedResponseError` for an HTML page with such a status.
        """
        if not super().success():
            return False
        if self.raw.chunks is None and re.match(HTML, self.raw.body):
            raise self.malformed("the response must be XML")
        return True

    def parse_body(self) -> Element | str:
        """Return the root element; an empty body is an empty string.

        Document types and entities are refused.
        """
        if not self.content.strip():
            return ""
        self.require_few_values(*ELEMENTS)
        from polycloud.common import xmltree

        try:
            return xmltree.parse(self.content)
        except ValueError as error:
            raise self.malformed(f"the response is not XML: {error}") from None

    @overload
    def decode(self, type_: type[T]) -> T: ...

    @overload
    def decode(self, type_: Any) -> Any: ...

    def decode(self, type_: Any) -> Any:
        """Return the root element as `type_`, a msgspec Struct.

        A field is read from the attribute or from the child element of that name, whatever its namespace; a
        list from all children of that name, or from the children of the only one (`<disks><disk/></disks>`).
        Raises `MalformedResponseError` with the path of the field that is missing or of another type, and for
        more values than `value_limit`.
        """
        self.require_few_values(*ELEMENTS)
        from polycloud.common import xmltree

        try:
            return xmltree.convert(xmltree.parse(self.content), type_)
        except msgspec.ValidationError as error:
            raise self.malformed(f"the response is not as documented: {error}") from None
        except ValueError as error:
            raise self.malformed(f"the response is not XML: {error}") from None

    def parse_error(self) -> Any:
        """Return the text of the first element named `message` or `error`, else the body's beginning."""
        try:
            root = self.parse_body()
        except MalformedResponseError:
            return super().parse_error()
        elements = () if isinstance(root, str) else root.iter()
        texts = (e.text for e in elements if e.tag.rpartition("}")[2].lower() in {"message", "error"})
        return next((text for text in texts if text and text.strip()), None) or super().parse_error()


class XMLRPCResponse(XmlResponse):
    """A response to an XML-RPC call; `object` is the value that the method returned."""

    def success(self) -> bool:
        """Return whether the call returned a value rather than a fault."""
        return super().success() and self.fault is None

    def parse_body(self) -> Any:
        """Return the value that the method returned."""
        return self._parsed[0]

    def parse_error(self) -> Any:
        """Return the fault's string."""
        try:
            fault = self.fault
        except MalformedResponseError:
            return super().parse_error()
        return fault[1] if fault else super().parse_error()

    @property
    def fault(self) -> tuple[Any, str] | None:
        """The code and the string of the fault; None if the call returned a value.

        Raises `MalformedResponseError` if the response is neither.
        """
        return self._parsed[1]

    @cached_property
    def _parsed(self) -> tuple[Any, tuple[Any, str] | None]:
        from polycloud.common import xmlrpcvalues

        if self.status == HTTPStatus.NO_CONTENT:
            return None, None
        root = super().parse_body()
        try:
            if isinstance(root, str):
                raise ValueError("it is empty")  # noqa: TRY004 - it is no response
            return xmlrpcvalues.read(root)
        except (IndexError, OverflowError, TypeError, ValueError) as error:
            raise self.malformed(f"the response is not XML-RPC: {error}") from None

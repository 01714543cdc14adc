"""How requests and responses are encoded, as text of the generated files."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["JSON", "XML", "Format"]


@dataclass(frozen=True, slots=True)
class Format:
    """The pieces of one encoding.

    Attributes:
        name: As in text.
        response: The base class of the driver's response.
        media: The media type of the fake's responses.
        sent: The expression by which the fake reads the body of a request.
        body: The expression by which it writes the `payload` of a response.
        imports: What these expressions import.
        helper: A function that they call.
    """

    name: str
    response: str
    media: str
    sent: str
    body: str
    imports: tuple[str, ...]
    helper: str = ""


JSON = Format(
    name="JSON",
    response="JsonResponse",
    media="application/json",
    sent='json.loads(request.body or b"{}")',
    body="json.dumps(payload).encode()",
    imports=("import json",),
)
XML = Format(
    name="XML",
    response="XmlResponse",
    media="application/xml",
    sent="form(request.body)",
    body='ElementTree.tostring(to_xml("response", payload))',
    imports=("from urllib.parse import parse_qs", "from xml.etree import ElementTree"),
    helper='''

def form(body: bytes) -> dict[str, Any]:
    """The fields of a form; one that is there several times is a list."""
    fields = parse_qs(body.decode())
    return {name: values[0] if len(values) == 1 else values for name, values in fields.items()}


def to_xml(name: str, value: Any) -> ElementTree.Element:
    """An element: the entries of a dict and the items of a list are its children."""
    element = ElementTree.Element(name)
    if isinstance(value, dict):
        element.extend(to_xml(key, one) for key, one in value.items())
    elif isinstance(value, list):
        element.extend(to_xml("item", one) for one in value)
    elif value is not None:
        element.text = str(value).lower() if isinstance(value, bool) else str(value)
    return element
''',
)

from __future__ import annotations

import math
import xmlrpc.client
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycloud.common import xmltree
from polycloud.common.xmlrpcvalues import read

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**31), 2**31 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]))
    | st.binary()
    | st.datetimes(datetime(1000, 1, 1)).map(lambda moment: moment.replace(microsecond=0)),  # noqa: DTZ001
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])), inner)
    ),
    max_leaves=8,
)


def value_of(content: str) -> Any:
    """Read a value as it stands in a response."""
    body = f"<methodResponse><params><param><value>{content}</value></param></params></methodResponse>"
    return read(xmltree.parse(body.encode()))[0]


@given(VALUES)
def test_values_of_pythons_own_writer(value: Any) -> None:
    """What `xmlrpc.client` writes is read as what it was."""
    body = xmlrpc.client.dumps((value,), methodresponse=True, allow_none=True)
    assert read(xmltree.parse(body.encode("utf-8", "xmlcharrefreplace"))) == (value, None)


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ("plain", "plain"),
        ("", ""),
        ("<string/>", ""),
        ("<i4>7</i4>", 7),
        ("<int> -7 </int>", -7),
        ("<i8>9999999999</i8>", 9999999999),
        ("<double>-1.5e3</double>", -1500.0),
        ("<boolean>0</boolean>", False),
        ("<nil/>", None),
        ("<ex:nil xmlns:ex='http://ws.apache.org/xmlrpc/namespaces/extensions'/>", None),
        ("<base64>\n YWJj \n</base64>", b"abc"),
        ("<array><data/></array>", []),
        ("<array/>", []),
        ("<struct/>", {}),
        ("\n <struct>\n <member>\n <name>a</name>\n <value>b</value>\n </member>\n </struct>\n", {"a": "b"}),
        ("<dateTime.iso8601>20240229T12:30:00</dateTime.iso8601>", datetime(2024, 2, 29, 12, 30)),  # noqa: DTZ001
        (
            "<dateTime.iso8601>2024-02-29T12:30:00Z</dateTime.iso8601>",
            datetime(2024, 2, 29, 12, 30, tzinfo=UTC),
        ),
    ],
)
def test_forms(content: str, value: Any) -> None:
    """Values are read without a type, with blanks around them, and with the extensions that servers use."""
    assert value_of(content) == value


def test_numbers_that_are_none() -> None:
    """A double that is no number is read as one."""
    assert math.isnan(value_of("<double>nan</double>"))


@pytest.mark.parametrize(
    "content",
    [
        "<int/>",
        "<int>x</int>",
        "<boolean>yes</boolean>",
        "<double>1,5</double>",
        "<base64>!</base64>",
        "<dateTime.iso8601>20240231T00:00:00</dateTime.iso8601>",
        "<odd/>",
        "<struct><member><name>a</name></member></struct>",
        "<struct><member><value>a</value><name>b</name></member></struct>",
    ],
)
def test_what_is_no_value(content: str) -> None:
    """A value that is not of its type, or of an unknown one, is an error."""
    with pytest.raises(ValueError, match=r"."):
        value_of(content)


@pytest.mark.parametrize(
    "body",
    [
        "<methodCall><methodName>f</methodName></methodCall>",
        "<methodResponse><value>1</value></methodResponse>",
        "<methodResponse><params/><params/></methodResponse>",
        "<methodResponse><fault><value>no struct</value></fault></methodResponse>",
        "<methodResponse><fault><value><struct/></value></fault></methodResponse>",
    ],
)
def test_what_is_no_response(body: str) -> None:
    """A document that is neither a value nor a fault is an error."""
    with pytest.raises(ValueError, match="must"):
        read(xmltree.parse(body.encode()))


def test_faults_and_nothing() -> None:
    """A fault is its code and its string, whatever the code's type; a response without a value is None."""
    for code in (7, "SoftLayer_Exception"):
        body = xmlrpc.client.dumps(xmlrpc.client.Fault(code, "no"))  # type: ignore[arg-type]
        assert read(xmltree.parse(body.encode())) == (None, (code, "no"))
    assert read(xmltree.parse(b"<methodResponse><params/></methodResponse>")) == (None, None)
    assert read(xmltree.parse(b"<methodResponse/>")) == (None, None)

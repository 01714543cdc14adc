import io
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycloud.utils import py3
from polycloud.utils.py3 import b, bchr, dictvalues, ensure_string, httplib, tostring, u, urllib, urlparse

NO_SURROGATES = st.text(st.characters(exclude_categories=["Cs"]))


def test_public_names() -> None:
    """Every public name exists."""
    assert all(hasattr(py3, name) for name in py3.__all__)


def test_statuses_are_ints() -> None:
    """Libcloud's programs compare and format the statuses of httplib as ints."""
    assert httplib.UNAUTHORIZED == 401
    assert f"{httplib.OK:d}" == "200"
    assert isinstance(httplib.NOT_FOUND, int)


@given(NO_SURROGATES)
def test_text_and_bytes(text: str) -> None:
    """Text to bytes and back is UTF-8, and doing it twice changes nothing."""
    assert ensure_string(b(text)) == text
    assert b(b(text)) == text.encode()
    assert ensure_string(text) == text


@pytest.mark.parametrize("function", [b, ensure_string])
@pytest.mark.parametrize("value", [None, 3, ["a"]])
def test_neither_text_nor_bytes(function: Any, value: object) -> None:
    """What is neither text nor bytes is a TypeError that names the type."""
    with pytest.raises(TypeError, match=type(value).__name__):
        function(value)


@given(st.integers(0, 255))
def test_bchr(value: int) -> None:
    """A number from 0 to 255 is one byte."""
    assert bchr(value)[0] == value


def test_bchr_refuses() -> None:
    """A number above 255 is no byte."""
    with pytest.raises(ValueError, match="256"):
        bchr(256)


@given(NO_SURROGATES)
def test_quoting(text: str) -> None:
    """Quoted text is ASCII and comes back unchanged."""
    assert py3.urlunquote(py3.urlquote(text)) == text
    assert py3.urlquote(text).isascii()
    assert py3.parse_qs(py3.urlencode({"q": text}), keep_blank_values=True) == {"q": [text]}


def test_modules() -> None:
    """The names urlparse and urllib are the modules, with their functions under Libcloud's spelling."""
    assert urlparse.urlparse("https://example.com/a?b=c").query == "b=c"
    assert urllib.parse.quote("a b") == "a%20b"
    assert py3.urllib2 is urllib
    assert py3.xmlrpclib.loads(py3.xmlrpclib.dumps((1,)))[0] == (1,)


def test_types() -> None:
    """The names of Python 2's types stand for those of Python 3."""
    assert (py3.PY2, py3.PY3) == (False, True)
    assert cast("object", py3.basestring) is str
    assert u("é") == "é"
    assert py3.StringIO is io.StringIO
    assert py3.next(iter("a")) == "a"
    assert dictvalues({"a": 1}) == [1]


def test_xml() -> None:
    """XML is written as bytes."""
    assert tostring(py3.ET.fromstring("<a>é</a>")) == b"<a>&#233;</a>"

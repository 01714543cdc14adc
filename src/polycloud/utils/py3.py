"""Names that programs written for Libcloud import from ``libcloud.utils.py3``.

Libcloud once bridged Python 2 and 3 here; its users still import the bridge. ``httplib.UNAUTHORIZED`` and its
siblings are ``http.HTTPStatus`` members, which are ints. New programs need none of this.
"""

import builtins
import http.client as httplib
import urllib
import xmlrpc.client as xmlrpclib
from base64 import decodebytes as base64_decode_string
from base64 import encodebytes as base64_encode_string
from collections.abc import Mapping
from importlib import reload
from io import StringIO
from os.path import relpath
from typing import TypeVar
from urllib import parse as urlparse
from urllib.parse import parse_qs, parse_qsl, urlencode
from urllib.parse import quote as urlquote
from urllib.parse import unquote as urlunquote
from xml.etree import ElementTree as ET

__all__ = [
    "ET",
    "PY2",
    "PY3",
    "StringIO",
    "b",
    "base64_decode_string",
    "base64_encode_string",
    "basestring",
    "bchr",
    "dictvalues",
    "ensure_string",
    "httplib",
    "next",
    "parse_qs",
    "parse_qsl",
    "reload",
    "relpath",
    "tostring",
    "u",
    "urlencode",
    "urllib",
    "urllib2",
    "urlparse",
    "urlquote",
    "urlunquote",
    "xmlrpclib",
]

V = TypeVar("V")

PY2 = False
PY3 = True

basestring = str
next = builtins.next  # noqa: A001 - Libcloud's name
u = str
urllib2 = urllib


def b(s: str | bytes) -> bytes:
    """Encode `s` as UTF-8; bytes are returned as they are.

    Raises:
        TypeError: `s` is neither text nor bytes.
    """
    if isinstance(s, str):
        return s.encode()
    if isinstance(s, bytes):
        return s
    raise TypeError(f"b() takes str or bytes, not {type(s).__name__}")


def ensure_string(s: str | bytes) -> str:
    """Decode `s` as UTF-8; text is returned as it is.

    Raises:
        TypeError: `s` is neither text nor bytes.
        UnicodeDecodeError: the bytes are not UTF-8.
    """
    if isinstance(s, bytes):
        return s.decode()
    if isinstance(s, str):
        return s
    raise TypeError(f"ensure_string() takes str or bytes, not {type(s).__name__}")


def bchr(s: int) -> bytes:
    """Return the single byte of value `s`, 0 to 255.

    Raises:
        ValueError: `s` is outside of that range.
    """
    return bytes([s])


def dictvalues(d: Mapping[object, V]) -> list[V]:
    """Return the values of `d` as a list."""
    return list(d.values())


def tostring(node: ET.Element) -> bytes:
    """Return the XML of `node`, in ASCII with character references."""
    xml: bytes = ET.tostring(node)
    return xml

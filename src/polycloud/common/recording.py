"""What a driver and its cloud say to each other, as it may be written down: without secrets.

A recorded request and response are dicts, in the form that `polycloud.testing.exchange` describes.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote_plus, unquote_plus, urlsplit

from polycloud.common.http import CONNECTION_HEADERS
from polycloud.common.redaction import is_secret

__all__ = ["REDACTED", "SHORTEST", "Redaction", "fields", "named_secrets"]

REDACTED = "REDACTED"
"""What stands in a record for a secret."""

# a shorter secret would be found, and blotted out, by chance
SHORTEST = 4

# these say nothing of the exchange, or what they say is no longer true of the stored body
_UNRECORDED_HEADERS = CONNECTION_HEADERS | {"content-encoding", "date", "server", "cookie", "set-cookie"}

_CREDENTIAL_HEADERS = {"authorization", "proxy-authorization"}
# what holds the secret in {"token": {"id": ..., "expires": ...}}
_VALUE_NAMES = {"id", "key", "value", "data"}

# what stands before the credentials in an Authorization header, and tells how they are meant
_SCHEME = r"(?i:basic|bearer|token)\s+"
_CREDENTIALS = re.compile(rf"(?P<scheme>{_SCHEME})?.+", re.DOTALL)

# no possessive groups, such as (...)*+: early releases of Python 3.11 do not match them
# name=value, name: value, "name": "value"; in a URL, an XML attribute, a log, YAML
_NAMED_VALUE = re.compile(
    r"""(?P<head>(?<![\w.:-])(?P<name>[\w.-]++)["']?\s*[=:]\s*"""
    rf"""(?:{_SCHEME})?)"""
    r"""(?P<value>"[^"\\]*(?:\\.[^"\\]*)*"|'[^']*+'|[^\s&#<>,;"'{}\[\]]++)"""
)
_XML_TEXT = r"(?P<value>(?:[^<]++|<!\[CDATA\[(?:[^\]]|\](?!\]>))*\]\]>)+)"
_XML_ELEMENT = re.compile(rf"(?P<head><(?:\w+:)?(?P<name>[\w.-]++)(?:\s[^<>]*)?>){_XML_TEXT}")
# a member of XML-RPC: <name>password</name><value><string>...
_XML_MEMBER = re.compile(
    rf"(?P<head><name>\s*(?P<name>[\w.-]++)\s*</name>\s*<value>\s*(?:<\w++>)?){_XML_TEXT}"
)
_PEM_KEY = re.compile(r"-----BEGIN ([A-Z ]*PRIVATE KEY)-----[^-]*(?:-(?!----)[^-]*)*-----END \1-----")
_URL_PASSWORD = re.compile(r"(?<=://)[^/\s:@]++:[^/\s@]++(?=@)")


class Redaction:
    """Replaces secrets by ``REDACTED``.

    Args:
        secrets: what is replaced wherever it stands, of 4 characters at least each.

    Raises:
        ValueError: a secret is shorter.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        # longest first, in case one holds another
        known = sorted(set(secrets), key=len, reverse=True)
        if any(len(secret) < SHORTEST for secret in known):
            raise ValueError(f"A secret has {SHORTEST} characters at least")
        forms = [form for secret in known for form in dict.fromkeys((secret, _in_headers(secret)))]
        patterns = [*map(_written, forms), *map(_encoded, known)]
        self._secrets = re.compile("|".join(patterns)) if patterns else None

    def request(self, method: str, target: str, body: bytes, *, form: bool) -> dict[str, Any]:
        """What a replayed request has to match; `target` is path and query as they are sent.

        `form` tells whether the request calls its body a form.
        """
        path, _, query = target.partition("?")
        return {
            "method": method,
            "path": self.known(path),
            "query": self._fields(fields(query)),
            **self._request_body(body, form=form),
        }

    def response(
        self, status: int, headers: Iterable[tuple[str, str]], body: bytes, *, head: bool
    ) -> dict[str, Any]:
        """What is to be answered, with the decoded body; to HEAD, with the length of the body not sent."""
        kept: dict[str, str] = {}
        for name, value in headers:
            if name.lower() not in _UNRECORDED_HEADERS or (head and name.lower() == "content-length"):
                kept[name] = f"{kept[name]}, {value}" if name in kept else value
        content_type = next((value for name, value in kept.items() if name.lower() == "content-type"), "json")
        content = self._response_body(body, is_json="json" in content_type)
        return {"status": status, "headers": self.headers(kept), **content}

    def url(self, url: str) -> str:
        """An address without secrets, and otherwise as it was sent."""
        address, mark, query = url.partition("?")
        return self.known(address) + mark + self._encoded_fields(query)

    def body(self, body: bytes, *, form: bool) -> bytes:
        """The body of a request without secrets, and otherwise as it was sent."""
        value, redacted = self._json(body)
        if isinstance(value, dict | list):
            same = redacted == value
            return body if same else json.dumps(redacted, ensure_ascii=False, separators=(",", ":")).encode()
        if form and b"=" in body:
            return self._encoded_fields(body.decode(errors="replace")).encode()
        try:
            return self.text(body.decode()).encode()
        except UnicodeDecodeError:
            return self._known_bytes(body)

    def known(self, text: str) -> str:
        """The text without the declared secrets."""
        return self._secrets.sub(REDACTED, text) if self._secrets else text

    def text(self, text: str) -> str:
        """The text without the declared secrets, and without what it names a secret itself."""
        text = _URL_PASSWORD.sub(REDACTED, _PEM_KEY.sub(REDACTED, text))
        for named in (_NAMED_VALUE, _XML_ELEMENT, _XML_MEMBER):
            text = named.sub(_redact_named, text)
        return self.known(text)

    def json(self, value: Any, *, secret: bool = False) -> Any:
        """A JSON value without secrets; `secret`: whether the name that it stands under tells of one."""
        if isinstance(value, dict):
            return {self.known(name): self._member(name, member, secret) for name, member in value.items()}
        if isinstance(value, list):
            return [self.json(member, secret=secret) for member in value]
        if isinstance(value, bool) or value is None or value == "":
            return value
        if secret:
            return REDACTED
        if isinstance(value, str):
            return self.text(value)
        return value if self.known(str(value)) == str(value) else REDACTED

    def _member(self, name: str, value: Any, secret: bool) -> Any:
        return self.json(value, secret=is_secret(name) or (secret and name in _VALUE_NAMES))

    def _fields(self, values: dict[str, list[str]]) -> dict[str, str | list[str]]:
        redacted = {self.known(name): [self._field(name, value) for value in values[name]] for name in values}
        return {name: value[0] if len(value) == 1 else value for name, value in redacted.items()}

    def _field(self, name: str, value: str) -> str:
        redacted: str = self.json(value, secret=is_secret(name) or name.lower() == "key")
        return redacted

    def _encoded_fields(self, encoded: str) -> str:
        return "&".join(map(self._encoded_field, encoded.split("&")))

    def _encoded_field(self, pair: str) -> str:
        name, _, encoded = pair.partition("=")
        value = unquote_plus(encoded)
        redacted = self._field(unquote_plus(name), value)
        return self.known(pair) if redacted == value else f"{self.known(name)}={quote_plus(redacted)}"

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """The headers without secrets; of credentials the scheme stays ("Bearer REDACTED")."""
        return {self.known(name): self._header(name, value) for name, value in headers.items()}

    def _header(self, name: str, value: str) -> str:
        if value and name.lower() in _CREDENTIAL_HEADERS:
            return _CREDENTIALS.sub(rf"\g<scheme>{REDACTED}", value, count=1)
        redacted: str = self.json(value, secret=is_secret(name))
        return redacted

    def _request_body(self, body: bytes, *, form: bool) -> dict[str, Any]:
        if not body:
            return {"body": None}
        value, redacted = self._json(body)
        if isinstance(value, dict | list):
            return {"body": redacted}
        if form and b"=" in body:
            return {"form": self._fields(fields(body.decode(errors="replace")))}
        return self._plain(body)

    def _response_body(self, body: bytes, *, is_json: bool) -> dict[str, Any]:
        if not body:
            return {}
        value, redacted = self._json(body) if is_json else (_UNPARSED, None)
        return self._plain(body) if value is _UNPARSED else {"body": redacted}

    def _json(self, body: bytes) -> tuple[Any, Any]:
        """The JSON value of a body with its secrets and without."""
        try:
            value = _parse(body)
            return value, self.json(value)
        except RecursionError:
            return _UNPARSED, None

    def _plain(self, body: bytes) -> dict[str, Any]:
        try:
            return {"text": self.text(body.decode())}
        except UnicodeDecodeError:
            return {"base64": self._known_bytes(body)}

    def _known_bytes(self, data: bytes) -> bytes:
        return self.known(data.decode("latin-1")).encode("latin-1")


def fields(encoded: str) -> dict[str, list[str]]:
    """The names and values of a query or of a form."""
    values: dict[str, list[str]] = {}
    for name, value in parse_qsl(encoded, keep_blank_values=True):
        values.setdefault(name, []).append(value)
    return values


def named_secrets(url: str, headers: Mapping[str, str]) -> Iterator[str]:
    """What a request sends under a name that tells of a secret, which the answer may repeat."""
    for name, value in [*parse_qsl(urlsplit(url).query), *headers.items()]:
        if is_secret(name):
            yield re.sub(f"^{_SCHEME}", "", value)


_UNPARSED = object()


def _parse(body: bytes) -> Any:
    """The JSON value of a body, or `_UNPARSED` where it has none or one that could not be written again."""
    try:
        value = json.loads(body, object_pairs_hook=_unique)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        return _UNPARSED
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(members := dict(pairs)) < len(pairs):
        raise ValueError("of two members with one name only the last would be looked at")
    return members


def _redact_named(match: re.Match[str]) -> str:
    if not is_secret(match["name"]):
        return match[0]
    quote = match["value"][0] if match["value"][0] in "\"'" else ""
    return f"{match['head']}{quote}{REDACTED}{quote}"


def _in_headers(secret: str) -> str:
    """The secret as http.client reads it in a header, and as it stands in binary data."""
    return secret.encode().decode("latin-1")


def _written(text: str) -> str:
    """A pattern for a text in any of the ways in which it is written in URLs, JSON, XML and HTML."""
    return "".join(f"(?:{'|'.join(_ways(character))})" for character in text)


def _ways(character: str) -> list[str]:
    code = ord(character)
    utf16 = character.encode("utf-16-be", "surrogatepass")
    escape = "".join(f"\\u{utf16[i]:02x}{utf16[i + 1]:02x}" for i in range(0, len(utf16), 2))
    percent = "".join(f"%{byte:02x}" for byte in character.encode(errors="surrogatepass"))
    any_case = [percent, escape, f"&#x{code:x};"]
    exact = {character, f"&#{code};", html.escape(character), json.dumps(character)[1:-1]}
    exact |= {" ": {"+"}, "/": {"\\/"}, "'": {"&apos;"}}.get(character, set())
    ways = [f"(?i:{re.escape(way)})" for way in any_case]
    # the longest first: a backslash alone must not be taken for one that is escaped
    return ways + [re.escape(way) for way in sorted(exact, key=len, reverse=True)]


def _encoded(secret: str) -> str:
    """A pattern for base64 text that holds a secret anywhere, such as that of ``user:secret``."""
    data = secret.encode()
    cores: set[str] = set()
    for before in range(3):
        whole = base64.b64encode(bytes(before) + data).decode().rstrip("=")
        # the outermost characters also hold bits of what stands before and after
        core = whole[(0, 2, 3)[before] : (before + len(data)) * 8 // 6]
        cores |= {core, core.replace("+", "-").replace("/", "_")}
    found = "|".join(_written(core) for core in sorted(cores))
    # the rest of the word goes too, being that of another user at the next time
    word = r"(?:[\w+-]|%2[bBfF])*"
    # a word is searched from its start only: from each of its letters it would take a time that is quadratic
    start = r"(?:(?<![\w+%-])|(?<=%[\da-fA-F]{2})(?<!%2[bBfF]))"
    return rf"(?:{start}{word})?(?:{found}){word}(?:=|%3[dD]){{0,2}}"

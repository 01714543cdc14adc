"""Keep secrets out of what people read: errors, logs, traces, records.

There is one list of names (`is_secret`) and one text that stands for a secret (`REDACTED`), and two depths:

- `redact` is for errors. It replaces the exact forms in which a secret is usually written (plain,
  percent-encoded, JSON, Basic) by `str.replace`, in microseconds, since errors may be raised a thousand times
  a second.
- `Redaction` is for what is written down: traces, debug files, recordings. It finds a secret in any mixture
  of encodings, inside longer base64 text, and values whose names say that they are secret. Its pattern takes
  milliseconds to compile, so it is made once for a set of secrets and kept.

A recorded request and response are dicts, in the form that `polycloud.testing.exchange` describes.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote_plus, urlsplit

import msgspec

from polycloud.http.messages import CONNECTION_HEADERS

__all__ = ["REDACTED", "Redaction", "fields", "is_secret", "redact", "redaction_of", "secret_fields"]

REDACTED = "REDACTED"
"""The text that replaces a secret."""

SHORTEST = 4
"""Shorter secrets are left alone: a key of one letter would take that letter out of every message."""

FORM = "application/x-www-form-urlencoded"

# The one list of names, without case and punctuation: rootPass, root_pass and Root-Pass are the same.
LISTED_NAMES = (
    r".*(password|passwd|passphrase|pwd|secret|token|apikey|authkey|subscriptionkey|accesskey|accesskeyid|secretkey"
    r"|sessionkey|userkey|clientkey|privatekey|keymaterial|signature|credential|authorization|cookie|jwt)s?"
    r"|(root|admin|user)?pass|x?auth"
)
# The word pass, as in db_pass, X-Pass and adminPass, but not in bypass
LISTED_WORD = r"(?:\A|[^A-Za-z])(?i:pass)\Z|[a-z0-9]Pass\Z"
# These tokens lead to the next page or make a call idempotent; a replay needs them.
HARMLESS_NAMES = r".*(next|page|paging|pagination|continuation|marker|client|sync|idempotency)token"

# These describe the connection, or are no longer true of the stored body.
_UNRECORDED_HEADERS = CONNECTION_HEADERS | {"content-encoding", "date", "server", "cookie", "set-cookie"}

_CREDENTIAL_HEADERS = {"authorization", "proxy-authorization"}
# The member that holds the secret in {"token": {"id": ..., "expires": ...}}
_VALUE_NAMES = {"id", "key", "value", "data"}

# The scheme before the credentials in an Authorization header.
_SCHEME = r"(?i:basic|bearer|token)\s+"
_CREDENTIALS = re.compile(rf"(?P<scheme>{_SCHEME})?.+", re.DOTALL)

# No possessive groups, such as (...)*+: early releases of Python 3.11 do not match them.
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


def redact(text: str, secrets: Iterable[str]) -> str:
    """Replace the secrets in `text`, plain or as URLs, JSON and Basic authentication write them."""
    for secret in secrets:
        if len(secret) >= SHORTEST:
            for form in _forms(secret):
                text = text.replace(form, REDACTED)
    return text


def _forms(secret: str) -> Iterable[str]:
    raw = secret.encode(errors="surrogatepass")
    yield secret
    yield quote(raw, safe="")
    yield quote(raw)
    yield quote_plus(raw)
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield base64.b64encode(raw).decode()


def secret_fields(url: str, headers: Mapping[str, str], body: object = None) -> list[str]:
    """Return the values in a request's query, headers and body whose names say that they are secret."""
    pairs = [*parse_qsl(urlsplit(url).query), *headers.items()]
    if isinstance(body, bytes):
        is_form = any(FORM in value for value in headers.values())
        pairs += parse_qsl(body.decode(errors="replace")) if is_form else _json_fields(body)
    found = [value for name, value in pairs if is_secret(name, field=True)]
    # "Basic dXNlcjpwdw==": the second word alone is as secret as both
    return [form for value in found for form in dict.fromkeys((value, value.rpartition(" ")[2]))]


def _json_fields(body: bytes) -> Iterator[tuple[str, str]]:
    """Yield the names and values of the strings in a JSON body, at any depth."""
    try:
        values = [msgspec.json.decode(body)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    while values:
        value = values.pop()
        pairs = value.items() if isinstance(value, dict) else ()
        yield from ((name, text) for name, text in pairs if isinstance(text, str))
        values += value if isinstance(value, list) else (inner for _, inner in pairs)


def is_secret(name: str, *, field: bool = False) -> bool:
    """Return whether a value of this name is secret.

    `field`: it is a query parameter, form field or header, where `key` alone is an API key; in a JSON body it
    often names half of a tag.
    """
    letters = re.sub(r"[^a-z0-9]", "", name.lower())
    if field and letters == "key":
        return True
    listed = re.fullmatch(LISTED_NAMES, letters) or re.search(LISTED_WORD, name)
    return bool(listed) and not re.fullmatch(HARMLESS_NAMES, letters)


class Redaction:
    """Replaces secrets by `REDACTED`.

    Args:
        secrets: The texts to replace, each of at least four characters.

    Raises:
        ValueError: A secret is shorter.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        # The longest first, in case one contains another.
        known = sorted(set(secrets), key=len, reverse=True)
        if any(len(secret) < SHORTEST for secret in known):
            raise ValueError(f"a secret must have at least {SHORTEST} characters")
        forms = [form for secret in known for form in dict.fromkeys((secret, _in_headers(secret)))]
        patterns = [*map(_written, forms), *map(_encoded, known)]
        self._secrets = re.compile("|".join(patterns)) if patterns else None

    def request(self, method: str, target: str, body: bytes, *, form: bool) -> dict[str, Any]:
        """Describe the request that a replay must match.

        `target` is the path and query as sent; `form` says that the body is declared as a form.
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
        """Describe the response to replay with its decoded body; for HEAD, with the length of the body."""
        kept: dict[str, str] = {}
        for name, value in headers:
            if name.lower() not in _UNRECORDED_HEADERS or (head and name.lower() == "content-length"):
                kept[name] = f"{kept[name]}, {value}" if name in kept else value
        content_type = next((value for name, value in kept.items() if name.lower() == "content-type"), "json")
        content = self._response_body(body, is_json="json" in content_type)
        return {"status": status, "headers": self.headers(kept), **content}

    def url(self, url: str) -> str:
        """Return a URL without secrets, otherwise as it was sent."""
        address, mark, query = url.partition("?")
        return self.known(address) + mark + self._encoded_fields(query)

    def body(self, body: bytes, *, form: bool) -> bytes:
        """Return the body of a request without secrets, otherwise as it was sent."""
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
        """Return the text without the declared secrets."""
        return self._secrets.sub(REDACTED, text) if self._secrets else text

    def text(self, text: str) -> str:
        """Return the text without the declared secrets and without values that it names as secret itself."""
        text = _URL_PASSWORD.sub(REDACTED, _PEM_KEY.sub(REDACTED, text))
        for named in (_NAMED_VALUE, _XML_ELEMENT, _XML_MEMBER):
            text = named.sub(_redact_named, text)
        return self.known(text)

    def json(self, value: Any, *, secret: bool = False) -> Any:
        """Return a JSON value without secrets; `secret`: it is the value of a secret name."""
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
        redacted: str = self.json(value, secret=is_secret(name, field=True))
        return redacted

    def _encoded_fields(self, encoded: str) -> str:
        return "&".join(map(self._encoded_field, encoded.split("&")))

    def _encoded_field(self, pair: str) -> str:
        name, _, encoded = pair.partition("=")
        value = unquote_plus(encoded)
        redacted = self._field(unquote_plus(name), value)
        return self.known(pair) if redacted == value else f"{self.known(name)}={quote_plus(redacted)}"

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Return the headers without secrets; the scheme of credentials stays ("Bearer REDACTED")."""
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
        """Return the JSON value of a body with and without its secrets."""
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


@lru_cache(maxsize=32)
def redaction_of(secrets: tuple[str, ...]) -> Redaction:
    """Return the redaction of these secrets, compiled once; those under four characters are ignored."""
    return Redaction(secret for secret in secrets if len(secret) >= SHORTEST)


def fields(encoded: str) -> dict[str, list[str]]:
    """Parse a query or a form into its names and values."""
    values: dict[str, list[str]] = {}
    for name, value in parse_qsl(encoded, keep_blank_values=True):
        values.setdefault(name, []).append(value)
    return values


_UNPARSED = object()


def _parse(body: bytes) -> Any:
    """Parse a body as JSON; `_UNPARSED` if it is not JSON or could not be written again."""
    try:
        value = json.loads(body, object_pairs_hook=_unique)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        return _UNPARSED
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(members := dict(pairs)) < len(pairs):
        raise ValueError("duplicate member names: only the last value would be seen")
    return members


def _redact_named(match: re.Match[str]) -> str:
    if not is_secret(match["name"]):
        return match[0]
    quote = match["value"][0] if match["value"][0] in "\"'" else ""
    return f"{match['head']}{quote}{REDACTED}{quote}"


def _in_headers(secret: str) -> str:
    """Return the secret as http.client reads it in a header, and as it appears in binary data."""
    return secret.encode().decode("latin-1")


def _written(text: str) -> str:
    """Return a pattern for a text in every way in which URLs, JSON, XML and HTML write it."""
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
    # The longest first: a lone backslash must not match half of an escaped one.
    return ways + [re.escape(way) for way in sorted(exact, key=len, reverse=True)]


def _encoded(secret: str) -> str:
    """Return a pattern for base64 text that contains a secret anywhere, such as that of `user:secret`."""
    data = secret.encode()
    cores: set[str] = set()
    for before in range(3):
        whole = base64.b64encode(bytes(before) + data).decode().rstrip("=")
        # The outermost characters also hold bits of their neighbours.
        core = whole[(0, 2, 3)[before] : (before + len(data)) * 8 // 6]
        cores |= {core, core.replace("+", "-").replace("/", "_")}
    found = "|".join(_written(core) for core in sorted(cores))
    # The rest of the word goes too: it differs from user to user.
    word = r"(?:[\w+-]|%2[bBfF])*"
    # Search a word from its start only: from each of its letters it would take quadratic time.
    start = r"(?:(?<![\w+%-])|(?<=%[\da-fA-F]{2})(?<!%2[bBfF]))"
    return rf"(?:{start}{word})?(?:{found}){word}(?:=|%3[dD]){{0,2}}"

"""Keep secrets out of what people read: errors, logs, traces, records.

There is one list of names (`is_secret`), one text that stands for a secret (`REDACTED`), and one `Redaction`.
It finds declared secrets in any mixture of encodings and inside longer base64 text, and values whose names
say that they are secret; `scanning` says how. Errors pass through `cleaning`.

A recorded request and response are dicts, in the form that `polycloud.testing.exchange` describes.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote_plus, urlsplit

import msgspec

from polycloud.http.messages import CONNECTION_HEADERS
from polycloud.tracing.scanning import SCHEME, Span, named_values, occurrences, views, whole_words, words
from polycloud.utils.values import with_rest

__all__ = ["REDACTED", "Redaction", "fields", "is_secret", "redaction_of", "secret_fields"]

REDACTED = "REDACTED"
"""The text that replaces a secret."""

SHORTEST = 4
"""Shorter secrets are left alone: a key of one letter would take that letter out of every message."""

LONGEST_WORD = 7
"""Secrets of letters only, of at most that many, are replaced where they are whole words: else a password
"admin" would take the beginning out of "administrator".
"""

LONGEST_ESCAPE = 32
"""The most characters in which a text writes one, in layers, as in `&amp;#x00000068;`."""

FORM = "application/x-www-form-urlencoded"

# The one list of names, without case and punctuation: rootPass, root_pass and Root-Pass are the same.
LISTED_NAMES = re.compile(
    r"(?:.*(?:password|passwd|passphrase|passcode|passwordhash|pwd|secret|token|jwt|bearer|otp|credential|authorization"
    r"|cookie|signature|assertion|apikey|authkey|accesskey|accesskeyid|secretkey|sessionkey|sessionid|userkey|clientkey"
    r"|privatekey|privkey|sslkey|customerkey|privatepem|hostkeypem|subscriptionkey|accountkey|sharedkey|masterkey"
    r"|signingkey|encryptionkey|presharedkey|tempurlkey|tempurlsig|keymaterial|connectionstring|kubeconfig"
    r"|userdata|rootpw|adminpw|dbpw)s?"
    r"|(?:root|admin|user|db)?pass|x?auth|sig|psk|pat|(?:new|old)?pw)"
    r"(?:data|value|base64|b64|encoded|encrypted|plain)?[0-9]*"
)
# The word pass, as in db_pass, X-Pass and adminPass, but not in bypass
LISTED_WORD = re.compile(r"(?:\A|[^A-Za-z])(?i:pass)[0-9]*\Z|[a-z0-9]Pass[0-9]*\Z")
# These tokens lead to the next page or make a call idempotent; a replay needs them.
HARMLESS_NAMES = re.compile(
    r".*(?:next|page|paging|pagination|continuation|marker|client|sync|idempotency)token"
)
LONGEST_NAME = 200
"""Characters of a name that are looked at: what is longer is no name, or ends in what says its kind."""

# These describe the connection, or are no longer true of the stored body.
_UNRECORDED_HEADERS = CONNECTION_HEADERS | {"content-encoding", "date", "server", "cookie", "set-cookie"}

_CREDENTIAL_HEADERS = {"authorization", "proxy-authorization"}
# The member that holds the secret in {"token": {"id": ..., "expires": ...}}
_VALUE_NAMES = {"id", "key", "value", "data"}

# Most texts have neither, and are not searched further
_ENCODED = re.compile(r"[%\\&+]")
_NAMING = re.compile(r"[=:<]|-----")
_CREDENTIALS = re.compile(rf"(?P<scheme>{SCHEME})?.+", re.DOTALL)
SHORTEST_LINE = 12
MOST_LINES = 1000
BASE64 = re.compile(r"[A-Za-z0-9+/_-]{8,}={0,2}")


def secret_fields(url: str, headers: Mapping[str, str], body: object = None) -> list[str]:
    """Return the values in a request's query, headers and body whose names say that they are secret."""
    found = [value for name, value in parse_qsl(urlsplit(url).query) if is_secret(name, field=True)]
    found += [value for name, value in headers.items() if is_secret(name, field=True)]
    if isinstance(body, bytes) and body:
        text = body.decode(errors="replace")
        is_form = any(FORM in value for value in headers.values())
        found += _secrets_in_form(text) if is_form else _secrets_in(text)
    return list(dict.fromkeys(form for value in found for form in (value, *_contained(value))))


def _contained(value: str) -> Iterator[str]:
    """Yield what a secret value holds: credentials after their scheme, a password in base64."""
    word = value.rpartition(" ")[2]
    yield word
    # Where a provider repeats a script, it may be cut or on one line
    yield from (
        line.strip() for line in value.splitlines()[:MOST_LINES] if len(line.strip()) >= SHORTEST_LINE
    )
    if BASE64.fullmatch(word):
        try:
            decoded = base64.b64decode(word + "==", altchars="-_" if {"-", "_"} & {*word} else None).decode()
        except (binascii.Error, ValueError):
            return
        if decoded.isprintable() or "\n" in decoded:
            yield decoded
            yield from _contained(decoded)
            yield decoded.partition(":")[2]


def _secrets_in_form(text: str) -> Iterator[str]:
    for name, value in parse_qsl(text):
        if is_secret(name, field=True):
            yield value
        elif value[:1] in {"{", "["}:
            yield from _secrets_in(value)


def _secrets_in(text: str) -> Iterator[str]:
    """Yield the secrets in JSON, at any depth, and what other text names as secret."""
    try:
        values = [(False, msgspec.json.decode(text))]
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        yield from (text[start:end] for start, end in named_values(text, is_secret))
        return
    while values:
        secret, value = values.pop()
        if isinstance(value, dict):
            named = _named_by_a_member(value)
            values += [
                (is_secret(name) or (secret and name in _VALUE_NAMES) or name in named, inner)
                for name, inner in value.items()
            ]
        elif isinstance(value, list):
            values += [(secret, inner) for inner in value]
        elif secret and value is not None and not isinstance(value, bool):
            yield str(value)
        elif isinstance(value, str) and value[:1] in {"{", "["} and value != text:
            yield from _secrets_in(value)


def _named_by_a_member(value: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the members that another one names as secret: {"key": "DB_PASSWORD", "value": ...}."""
    named = (value.get(member) for member in ("name", "key", "Name", "Key"))
    return ("value", "Value") if any(isinstance(name, str) and is_secret(name) for name in named) else ()


def is_secret(name: str, *, field: bool = False) -> bool:
    """Return whether a value of this name is secret.

    `field`: it is a query parameter, form field or header, where `key` alone is an API key; in a JSON body it
    often names half of a tag.
    """
    return _is_listed(name[-LONGEST_NAME:]) or (field and name.lower() == "key")


@lru_cache(maxsize=1024)
def _is_listed(name: str) -> bool:
    letters = re.sub(r"[^a-z0-9]", "", name.lower())
    listed = LISTED_NAMES.fullmatch(letters) or LISTED_WORD.search(name)
    return bool(listed) and not HARMLESS_NAMES.fullmatch(letters)


class Redaction:
    """Replaces secrets by `REDACTED`.

    Args:
        secrets: The texts to replace, each of at least four characters.

    Raises:
        ValueError: A secret is shorter.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        known = set(secrets)
        if any(len(secret) < SHORTEST for secret in known):
            raise ValueError(f"a secret must have at least {SHORTEST} characters")
        self._forms = {form for secret in known for form in _forms(secret)}
        self._cores = {core for secret in known for text in _written(secret) for core in _cores(text)}
        self._needles = (*self._forms, *self._cores)
        self._longest = max(map(len, known), default=0)

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
            return self._bytes(body)

    def known(self, text: str) -> str:
        """Return the text without the declared secrets."""
        return self._without(text, named=False) if self._forms else text

    def text(self, text: str) -> str:
        """Return the text without the declared secrets and without values that it names as secret itself."""
        return self._without(text, named=True)

    def beginning(self, text: str, length: int, *, named: bool = False) -> str:
        """Return the first `length` characters of the text without secrets, and how many more there were.

        `named`: also without values that it names as secret itself. No more is read than is needed, and
        nothing is left of a secret that the cut halves.
        """
        if len(text) <= length:
            return self._without(text, named=named)
        spare = LONGEST_ESCAPE * self._longest
        shown = self._without(text[: length + spare], named=named)
        shown = (
            shown[: max(0, min(length, len(shown) - spare))] if len(text) > length + spare else shown[:length]
        )
        return with_rest(shown, len(text) - length)

    def _without(self, text: str, *, named: bool, anywhere: bool = False) -> str:
        """Return the text without secrets; `anywhere`: short ones also within longer words."""
        if not (_ENCODED.search(text) or any(needle in text for needle in self._needles)) and (
            not named or not _NAMING.search(text)
        ):
            return text
        spans: list[Span] = []
        for view in views(text):
            folded = view._replace(text=view.text.replace("+", " "))
            for form in self._forms:
                search = whole_words if _is_short_word(form) and not anywhere else occurrences
                spans += search(folded, form)
            for core in self._cores:
                spans += words(view, core)
            if named:
                spans += [view.span(*span) for span in named_values(view.text, is_secret)]
        return _replaced(text, spans) if spans else text

    def json(self, value: Any, *, secret: bool = False) -> Any:
        """Return a JSON value without secrets; `secret`: it is the value of a secret name."""
        if isinstance(value, dict):
            named = _named_by_a_member(value)
            return {
                self.known(name): self._member(name, member, secret or name in named)
                if name not in named
                else self.json(member, secret=True)
                for name, member in value.items()
            }
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
            return {"base64": self._bytes(body)}

    def _bytes(self, data: bytes) -> bytes:
        # In binary formats a letter before a text may be its length
        return self._without(data.decode("latin-1"), named=True, anywhere=True).encode("latin-1")


@lru_cache(maxsize=32)
def redaction_of(secrets: tuple[str, ...]) -> Redaction:
    """Return the redaction of these secrets, made once; those under four characters are ignored."""
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


def _replaced(text: str, spans: Iterable[Span]) -> str:
    """Return the text with `REDACTED` in the place of each span; overlapping ones are one."""
    pieces, at, last = [], 0, (-1, -1)
    for start, end in sorted(spans):
        if start < last[1] or (start, end) == last:
            at = max(at, end)
        else:
            pieces += [text[at:start], REDACTED]
            at = end
        last = (start, max(end, last[1]))
    return "".join([*pieces, text[at:]])


def _forms(secret: str) -> Iterator[str]:
    """Yield what is looked for in the views of a text; where it has a plus sign, that may be a space."""
    # As HTTP clients read it in a header, and as it appears in binary data
    in_headers = secret.encode(errors="surrogatepass").decode("latin-1")
    for written in (secret, in_headers):
        # A secret that looks like an escape itself is decoded in the views, too
        yield from (view.text.replace("+", " ") for view in views(written) if len(view.text) >= SHORTEST)


def _is_short_word(form: str) -> bool:
    return len(form) <= LONGEST_WORD and form.isascii() and form.isalpha()


def _written(secret: str) -> set[str]:
    """Return a secret as base64 text may contain it: as it is, or escaped for JSON, a URL or XML."""
    in_json = {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    return {
        secret,
        *in_json,
        quote(secret, errors="surrogatepass"),
        quote_plus(secret, errors="surrogatepass"),
        html.escape(secret),
        html.escape(secret, quote=False),
    }


def _cores(secret: str) -> Iterator[str]:
    """Yield the parts of base64 text that a secret determines, such as in that of `user:secret`."""
    data = secret.encode(errors="surrogatepass")
    for before in range(3):
        whole = base64.b64encode(bytes(before) + data).decode().rstrip("=")
        # The outermost characters also hold bits of their neighbours.
        core = whole[(0, 2, 3)[before] : (before + len(data)) * 8 // 6]
        yield core
        yield core.replace("+", "-").replace("/", "_")

"""Keeping secrets out of what people read: errors, representations, logs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit

import msgspec

__all__ = ["is_secret", "redact", "secret_fields"]

SHORTEST = 4
"""Shorter texts are left alone: a key of one letter would take every such letter out of every message."""
PLACEHOLDER = "[secret]"
FORM = "application/x-www-form-urlencoded"
SECRET_NAME = re.compile(r"auth|token|key|secret|passw|signature|credential", re.IGNORECASE)

# names as they are without case and punctuation: rootPass, root_pass and Root-Pass are one
TELLING = (
    r".*(password|passwd|passphrase|pwd|secret|token|apikey|authkey|subscriptionkey|accesskey|accesskeyid|secretkey"
    r"|privatekey|keymaterial|signature|credential|authorization|cookie|jwt)s?|(root|admin|user)?pass"
)
# the word pass, as in db_pass, X-Pass and adminPass, but not in bypass
TELLING_WORD = r"(?:\A|[^A-Za-z])(?i:pass)\Z|[a-z0-9]Pass\Z"
# these tokens lead to the next page or make a call idempotent, and a replay needs them
HARMLESS = r".*(next|page|paging|pagination|continuation|marker|client|sync|idempotency)token"


def redact(text: str, secrets: Iterable[str]) -> str:
    """`text` without the secrets, plain or as URLs, JSON and Basic authentication write them."""
    for secret in secrets:
        if len(secret) >= SHORTEST:
            for form in _forms(secret):
                text = text.replace(form, PLACEHOLDER)
    return text


def _forms(secret: str) -> Iterable[str]:
    import base64
    import json

    raw = secret.encode(errors="surrogatepass")
    yield secret
    yield quote(raw, safe="")
    yield quote(raw)
    yield quote_plus(raw)
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield base64.b64encode(raw).decode()


def secret_fields(url: str, headers: Mapping[str, str], body: object) -> list[str]:
    """The values in a request's query, headers and body whose names say that they are secret."""
    fields = [*parse_qsl(urlsplit(url).query), *headers.items()]
    values = [value for name, value in fields if SECRET_NAME.search(name)]
    # "Basic dXNlcjpwdw==": the second word alone is as secret as both
    told = [part for value in values for part in (value, value.rpartition(" ")[2])]
    inside: Iterable[tuple[str, str]] = ()
    if isinstance(body, bytes):
        is_form = any(FORM in value for value in headers.values())
        inside = parse_qsl(body.decode(errors="replace")) if is_form else _json_fields(body)
    return [*told, *(value for name, value in inside if is_secret(name))]


def _json_fields(body: bytes) -> Iterator[tuple[str, str]]:
    """The fields that are texts, at whatever depth, with their names."""
    try:
        values = [msgspec.json.decode(body)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    while values:
        value = values.pop()
        pairs = value.items() if isinstance(value, dict) else ()
        yield from ((name, text) for name, text in pairs if isinstance(text, str))
        values += value if isinstance(value, list) else (inner for _, inner in pairs)


def is_secret(name: str) -> bool:
    """Whether a field of this name in a body holds a secret."""
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    tells = re.fullmatch(TELLING, plain) or re.search(TELLING_WORD, name)
    return bool(tells) and not re.fullmatch(HARMLESS, plain)

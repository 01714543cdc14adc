"""Keeping secrets out of what people read: errors, representations, logs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit

__all__ = ["redact", "secret_fields"]

SHORTEST = 4
"""Shorter texts are left alone: a key of one letter would take every such letter out of every message."""
PLACEHOLDER = "[secret]"
SECRET_NAME = re.compile(r"auth|token|key|secret|passw|signature|credential", re.IGNORECASE)


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


def secret_fields(url: str, headers: Mapping[str, str]) -> list[str]:
    """The values in a request's query and headers whose names say that they are secret."""
    fields = [*parse_qsl(urlsplit(url).query), *headers.items()]
    values = [value for name, value in fields if SECRET_NAME.search(name)]
    # "Basic dXNlcjpwdw==": the second word alone is as secret as both
    return [part for value in values for part in (value, value.rpartition(" ")[2])]

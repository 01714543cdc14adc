"""Signatures of Azure Storage: by an account's key (Shared Key), of requests and of parts of URLs (SAS).

Source: Microsoft's "Authorize with Shared Key", for the Blob service.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from msgspec.structs import replace

from polycloud.errors import InvalidCredsError
from polycloud.http.messages import Request

SIGNED = (
    *("content-encoding", "content-language", "content-length", "content-md5", "content-type", "date"),
    *("if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range"),
)
"""The headers that are part of each signature, in its order."""
OWN = "x-ms-"


def decoded_key(key: str) -> bytes:
    """Return the bytes of an account's key. Raises `InvalidCredsError` if it is not base64."""
    try:
        decoded = base64.b64decode(key, validate=True)
    except ValueError:
        decoded = b""
    if not decoded:
        raise InvalidCredsError(
            "the key of an Azure storage account must be base64, as the portal shows it, or a SAS token "
            "such as 'sv=...&sig=...'"
        )
    return decoded


def sas_fields(text: str) -> dict[str, str] | None:
    """Return the fields of a SAS token, with or without its "?"; None for other text.

    A plus sign stands for itself, also if the token was not percent-encoded.
    """
    pairs = [part.partition("=") for part in text.strip().removeprefix("?").split("&")]
    fields = {name: unquote(value) for name, _, value in pairs if name}
    return fields if "sig" in fields and len(fields) > 1 else None


def signature(key: bytes, text: str) -> str:
    """Return the signature of a text, in base64."""
    return base64.b64encode(hmac.digest(key, text.encode(), hashlib.sha256)).decode()


def signed(request: Request, account: str, key: bytes, now: datetime) -> Request:
    """Return the request with its date and its signature by the account's key."""
    dated = replace(request, headers={**request.headers, "x-ms-date": _date(now.replace(microsecond=0))})
    text = signature(key, string_to_sign(dated, account))
    return replace(dated, headers={**dated.headers, "Authorization": f"SharedKey {account}:{text}"})


@lru_cache(maxsize=4)  # the requests of one second share a date
def _date(now: datetime) -> str:
    return format_datetime(now.astimezone(UTC), usegmt=True)


def string_to_sign(request: Request, account: str) -> str:
    """Return the text of a request that is signed."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    length = headers.get("content-length") or _length(request.body)
    headers["content-length"] = "" if length == "0" else length
    lines = [request.method, *(headers.get(name, "") for name in SIGNED)]
    lines += [f"{name}:{headers[name].strip()}" for name in _own_headers(headers)]
    return "\n".join([*lines, _resource(request.url, account)])


def _length(body: Any) -> str:
    return str(len(body)) if isinstance(body, bytes) else ""


def _own_headers(headers: Mapping[str, str]) -> list[str]:
    """Return the names of Azure's own headers, in the order of the service.

    It compares as a dictionary does: hyphens do not count, and an underscore, which names of metadata may
    have, comes before digits.
    """
    own = (name for name in headers if name.startswith(OWN))
    return sorted(own, key=lambda name: (name.replace("-", "").replace("_", "!"), name))


def _resource(url: str, account: str) -> str:
    """Return the path of a URL as it is sent, and its query decoded, as they are signed."""
    parts = urlsplit(url)
    values: dict[str, list[str]] = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        values.setdefault(name.lower(), []).append(value)
    fields = (f"\n{name}:{','.join(sorted(values[name]))}" for name in sorted(values))
    return f"/{account}{parts.path or '/'}{''.join(fields)}"

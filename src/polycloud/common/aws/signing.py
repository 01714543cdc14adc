"""Signature version 4 of requests."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from msgspec.structs import replace

from polycloud.common.aws.credentials import AWSCredentials
from polycloud.http.messages import Request

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"


def signed(
    request: Request, credentials: AWSCredentials, *, region: str, service: str, now: datetime
) -> Request:
    """Return the request with its signature for the time `now`.

    A body other than bytes is left out of the signature. The query is sent in the form that is signed, since
    a plus sign can be read in two ways. The path is signed as it is sent for S3, and quoted once more for the
    other services.
    """
    parts = urlsplit(request.url)
    time = f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    scope = f"{time[:8]}/{region}/{service}/aws4_request"
    query, digest = _canonical_query(parts.query), _digest(request.body)
    headers = {name: text for name, text in request.headers.items() if name.lower() != "authorization"}
    headers["X-Amz-Date"] = time
    if credentials.token:
        headers["X-Amz-Security-Token"] = credentials.token
    if service == "s3":
        headers["X-Amz-Content-Sha256"] = digest
    path = parts.path or "/"
    fields = _signed_headers(headers, parts.netloc)
    names = ";".join(fields)
    canonical = "\n".join(
        (
            request.method,
            path if service == "s3" else quote(path, safe="/~"),
            query,
            *(f"{name}:{text}" for name, text in fields.items()),
            "",
            names,
            digest,
        )
    )
    text = "\n".join((ALGORITHM, time, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = signing_key(credentials.secret_key, time[:8], region, service)
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    headers["Authorization"] = (
        f"{ALGORITHM} Credential={credentials.access_key}/{scope}, SignedHeaders={names}, "
        f"Signature={signature}"
    )
    return replace(request, url=parts._replace(query=query).geturl(), headers=headers)


def _signed_headers(headers: Mapping[str, str], host: str) -> dict[str, str]:
    fields = {
        name.lower(): " ".join(text.split())
        for name, text in headers.items()
        if name.lower() == "content-type" or name.lower().startswith("x-amz-")
    }
    return dict(sorted({**fields, "host": host}.items()))


def _canonical_query(text: str) -> str:
    """Return a query as it is signed: names and values quoted in one way, in the order of their bytes."""
    pairs = parse_qsl(text, keep_blank_values=True)
    quoted = sorted((quote(name, safe="~"), quote(value, safe="~")) for name, value in pairs)
    return "&".join(f"{name}={value}" for name, value in quoted)


def _digest(body: Any) -> str:
    if body is None or isinstance(body, bytes):
        return hashlib.sha256(body or b"").hexdigest()
    return UNSIGNED_PAYLOAD


@lru_cache(maxsize=64)  # the requests of one day share a key
def signing_key(secret_key: str, date: str, region: str, service: str) -> bytes:
    """Return the key that signs the requests of one day (`YYYYMMDD`) to one service of a region."""
    key = f"AWS4{secret_key}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key

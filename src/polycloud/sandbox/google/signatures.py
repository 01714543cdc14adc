"""The service account: its key, the tokens for its assertions, and its signed URLs (V4).

Written from "Using OAuth 2.0 for Server to Server Applications", and from "Signatures" and "Canonical
requests" of Cloud Storage's documentation.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, quote

from polycloud.sandbox.google.words import json_reply, refusal
from polycloud.sandbox.objects.http import Refusal, Reply, Request

_BITS = 2048
_ENDPOINT = "https://oauth2.googleapis.com/token"
"""The audience that Google's own libraries name, whatever the address of the token endpoint."""
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LONGEST_ASSERTION, _SKEW = 3600, 300
_LONGEST_URL = 604800
_SCOPES = "https://www.googleapis.com/auth/"
_WRITERS = {"cloud-platform", "devstorage.full_control", "devstorage.read_write"}
_READERS = {*_WRITERS, "devstorage.read_only", "cloud-platform.read-only"}
_XML = "application/xml; charset=UTF-8"


@dataclass(eq=False)
class ServiceAccount:
    """The account of a program.

    Attributes:
        project: the project's id.
        lifetime: seconds until a token expires.
        tokens: when each token expires, and its scopes.
    """

    project: str
    lifetime: float
    tokens: dict[str, tuple[float, set[str]]] = field(default_factory=dict)

    @property
    def email(self) -> str:
        """The account's name."""
        return f"sandbox@{self.project}.iam.gserviceaccount.com"

    @cached_property
    def _private(self) -> Any:
        from cryptography.hazmat.primitives.asymmetric import rsa

        return rsa.generate_private_key(65537, _BITS)

    def key(self, token_uri: str) -> str:
        """Return the account's key as the JSON text that Google gives."""
        from cryptography.hazmat.primitives import serialization as form

        pem = self._private.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
        return json.dumps(
            {
                "type": "service_account",
                "project_id": self.project,
                "private_key_id": hashlib.sha1(pem, usedforsecurity=False).hexdigest(),
                "private_key": pem.decode(),
                "client_email": self.email,
                "client_id": "100000000000000000001",
                "token_uri": token_uri,
                "universe_domain": "googleapis.com",
            }
        )

    def _has_signed(self, message: bytes, signature: bytes) -> bool:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA256

        try:
            self._private.public_key().verify(signature, message, PKCS1v15(), SHA256())
        except InvalidSignature:
            return False
        return True

    # Tokens

    def issue(self, request: Request, now: float) -> Reply:
        """Return a token for a signed assertion."""
        form = dict(parse_qsl(request.body.decode()))
        if form.get("grant_type") != _GRANT:
            return _oauth("unsupported_grant_type", "Invalid grant_type: " + form.get("grant_type", ""))
        signed, _, signature = form.get("assertion", "").rpartition(".")
        try:
            header, claims = (dict(json.loads(_decoded(part))) for part in signed.split("."))
            is_right = self._has_signed(signed.encode(), _decoded(signature))
            begin, end = float(claims.get("iat", 0)), float(claims.get("exp", 0))
        except (TypeError, ValueError):
            return _oauth("invalid_request", "Bad Request")
        if header.get("alg") != "RS256" or not is_right:
            return _oauth("invalid_grant", "Invalid JWT Signature.")
        if claims.get("iss") != self.email:
            return _oauth("invalid_grant", "Invalid grant: account not found")
        if claims.get("aud") not in {_ENDPOINT, f"{request.root}{request.path}"}:
            return _oauth("invalid_grant", "Invalid JWT: audience must be the address of the token endpoint.")
        if not (begin - _SKEW <= now < end + _SKEW and end - begin <= _LONGEST_ASSERTION):
            text = "Token must be a short-lived token (60 minutes) and in a reasonable timeframe."
            return _oauth("invalid_grant", f"Invalid JWT: {text} Check your iat and exp values.")
        scopes = {one.removeprefix(_SCOPES) for one in str(claims.get("scope", "")).split()}
        if not scopes & _READERS:
            return _oauth("invalid_scope", "Invalid OAuth scope or ID token audience provided.")
        token = "ya29." + secrets.token_urlsafe(96)
        self.tokens[token] = now + self.lifetime, scopes
        return json_reply({"access_token": token, "expires_in": int(self.lifetime), "token_type": "Bearer"})

    def may(self, request: Request, now: float, *, is_read: bool) -> bool:
        """Return whether a request has a token for what it does, False if it has none. Raises `Refusal`."""
        header = request.headers.get("authorization")
        if header is None:
            return False
        scheme, _, token = header.partition(" ")
        until, scopes = self.tokens.get(token.strip(), (0.0, set()))
        if scheme.lower() != "bearer" or until <= now:
            where = {"locationType": "header", "location": "Authorization"}
            raise refusal(401, "authError", "Invalid Credentials", **where)
        if not scopes & (_READERS if is_read else _WRITERS):
            raise refusal(403, "insufficientPermissions", "Request had insufficient authentication scopes.")
        return True

    # Signed URLs

    def check_url(self, request: Request, now: float) -> None:
        """Check the signature in the query of a request. Raises `Refusal`."""
        query = {name.lower(): value for name, value in request.query.items()}
        email, _, scope = query.get("x-goog-credential", "").partition("/")
        date = query.get("x-goog-date", "")
        day, _, service = scope.partition("/")
        try:
            begin = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
            seconds, signature = int(query["x-goog-expires"]), binascii.unhexlify(query["x-goog-signature"])
        except (KeyError, ValueError):
            raise xml_refusal(400, "InvalidArgument", "Invalid argument.") from None
        if query.get("x-goog-algorithm") != "GOOG4-RSA-SHA256" or not 0 < seconds <= _LONGEST_URL:
            raise xml_refusal(400, "InvalidArgument", "Invalid argument.")
        if not service.endswith("/storage/goog4_request") or not date.startswith(day):
            raise xml_refusal(400, "InvalidArgument", "Invalid argument.")
        canonical = _canonical(request, query.get("x-goog-signedheaders", ""))
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        text = f"GOOG4-RSA-SHA256\n{date}\n{scope}\n{digest}"
        if email != self.email or not self._has_signed(text.encode(), signature):
            raise xml_refusal(403, "SignatureDoesNotMatch", "Access denied.")
        if not begin - _SKEW <= now < begin + seconds:
            raise xml_refusal(400, "ExpiredToken", "Invalid argument.")


def _canonical(request: Request, signed: str) -> str:
    """Return the canonical request that a signature is about."""
    pairs = sorted(
        (quote(name, safe="-_.~"), quote(value, safe="-_.~"))
        for name, value in request.query.pairs
        if name.lower() != "x-goog-signature"
    )
    headers = "".join(
        f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in signed.split(";")
    )
    payload = request.headers.get("x-goog-content-sha256", "UNSIGNED-PAYLOAD")
    if "x-goog-content-sha256" not in signed.split(";"):
        payload = "UNSIGNED-PAYLOAD"
    parts = [request.method, request.path, "&".join(f"{name}={value}" for name, value in pairs)]
    return "\n".join([*parts, headers, signed, payload])


def _decoded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _oauth(error: str, description: str) -> Reply:
    return json_reply({"error": error, "error_description": description}, 400)


def xml_refusal(status: int, code: str, message: str) -> Refusal:
    """Return an error of the XML API."""
    head = "<?xml version='1.0' encoding='UTF-8'?>"
    body = f"{head}<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return Refusal(Reply(status, {"content-type": _XML}, body.encode()))

"""Accounts of Google for tests: keys, and a server that exchanges them for tokens as Google does.

The assertions are verified by PyJWT, which nobody here wrote.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import rsa

from support.web import Answer, Seen, serve

EMAIL = "tester@project-7.iam.gserviceaccount.com"
SCOPE = "https://www.googleapis.com/auth/devstorage.full_control"


@cache
def private_key(name: str = "right") -> str:
    """Return an RSA key in PEM, as in Google's JSON keys; each name has another one."""
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    return pem.decode()


@cache
def public_key() -> Any:
    """Return the public half of the right key."""
    loaded: Any = form.load_pem_private_key(private_key().encode(), None)
    return loaded.public_key()


@dataclass
class Tokens:
    """A running token server: `granted` are its tokens, `seen` the requests; `clock` is ahead of ours."""

    url: str = ""
    granted: list[str] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    clock: float = 0.0
    lifetime: int = 3600

    def key(self, pem: str | None = None, **fields: Any) -> str:
        """Return the JSON of a service account's key, whose tokens come from here."""
        return json.dumps(
            {
                "type": "service_account",
                "project_id": "project-7",
                "private_key_id": "k1",
                "private_key": pem or private_key(),
                "client_email": EMAIL,
                "token_uri": f"{self.url}/token",
                **fields,
            }
        )

    def respond(self, seen: Seen) -> Answer:
        """Grant a token for a valid assertion."""
        grant = {name: values[0] for name, values in parse_qs(seen.body.decode()).items()}
        now = time.time() + self.clock
        date = {"Date": time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(now))}
        try:
            if grant["grant_type"] != "urn:ietf:params:oauth:grant-type:jwt-bearer":
                raise jwt.InvalidTokenError("Invalid grant_type")
            claims = jwt.decode(
                grant["assertion"],
                public_key(),
                algorithms=["RS256"],
                audience=f"{self.url}/token",
                issuer=EMAIL,
                options={"require": ["iss", "aud", "iat", "exp"], "verify_iat": False, "verify_exp": False},
            )
            if not (now - 300 <= claims["iat"] <= now + 300 and now < claims["exp"] <= now + 3900):
                raise jwt.InvalidTokenError("Invalid JWT: Token must be a short-lived token")
            if claims["scope"] != SCOPE:
                raise jwt.InvalidTokenError("Invalid scope")
        except jwt.InvalidTokenError as error:
            return Answer(400, {"error": "invalid_grant", "error_description": str(error)}, date)
        self.granted.append(f"token-{len(self.granted)}-{id(self)}")
        body = {"access_token": self.granted[-1], "expires_in": self.lifetime, "token_type": "Bearer"}
        return Answer(200, body, date)


@contextmanager
def tokens() -> Iterator[Tokens]:
    """Run a token server until the block ends."""
    state = Tokens()
    with serve(state.respond) as web:
        state.url, state.seen = web.url, web.seen
        yield state

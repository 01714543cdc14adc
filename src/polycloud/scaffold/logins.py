"""How a driver authenticates, as text of the generated files."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from polycloud.scaffold.api import Api, Auth
from polycloud.scaffold.source import literal

__all__ = ["Login", "login"]


@dataclass(frozen=True, slots=True)
class Login:
    """The pieces of one kind of authentication.

    Attributes:
        names: The names of the credentials, as in a profile.
        description: One sentence for users.
        imports: What the connection's module imports.
        bases: The base classes of the connection.
        methods: The methods of the connection.
        check: The statements by which the fake cloud refuses wrong credentials.
        fake_imports: What these statements import.
        fake_constants: The constants that they use.
    """

    names: tuple[str, ...]
    description: str
    imports: tuple[str, ...]
    bases: str
    methods: str
    check: str
    fake_imports: tuple[str, ...] = ()
    fake_constants: str = ""


WRONG = 'return 401, {"message": "wrong credentials"}'
COMMON = "polycloud.common.base"
BASIC = """credentials = f"{self.user_id}:{self.key}".encode()"""
BASIC_OF_FAKE = """basic = base64.b64encode(":".join(self.credentials).encode()).decode()"""


def login(api: Api) -> Login:
    """The authentication of `api`."""
    return KINDS[api.auth](api)


def _key(api: Api) -> Login:
    if api.parameter:
        return _key_in_query(api, api.parameter)
    name, scheme = api.header or "Authorization", "" if api.header else "Bearer "
    value = f'f"{scheme}{{self.key}}"' if scheme else "self.key"
    expected = f'f"{scheme}{{self.credentials[0]}}"' if scheme else "self.credentials[0]"
    return Login(
        names=("key",),
        description="A key authenticates every request.",
        imports=(f"from {COMMON} import ConnectionKey, {api.format.response}",),
        bases="ConnectionKey",
        methods=f'''
    def add_default_headers(self, headers: dict[str, str]) -> dict[str, str]:
        """Send the key with every request."""
        headers[{literal(name)}] = {value}
        return headers''',
        check=f"""
        if request.headers[{literal(name)}] != {expected}:
            {WRONG}""",
    )


def _key_in_query(api: Api, parameter: str) -> Login:
    return Login(
        names=("key",),
        description="A key authenticates every request.",
        imports=("from typing import Any", f"from {COMMON} import ConnectionKey, {api.format.response}"),
        bases="ConnectionKey",
        methods=f'''
    def add_default_params(self, params: dict[str, Any]) -> dict[str, Any]:
        """Send the key in the query of every request."""
        params[{literal(parameter)}] = self.key
        return params''',
        check=f"""
        if request.query.get({literal(parameter)}) != [*self.credentials]:
            {WRONG}""",
    )


def _user_and_key(api: Api) -> Login:
    return Login(
        names=("user", "password"),
        description="A user name and a password authenticate every request.",
        imports=("import base64", f"from {COMMON} import ConnectionUserAndKey, {api.format.response}"),
        bases="ConnectionUserAndKey",
        methods=f'''
    def add_default_headers(self, headers: dict[str, str]) -> dict[str, str]:
        """Send user name and password with every request (basic authentication)."""
        {BASIC}
        headers["Authorization"] = f"Basic {{base64.b64encode(credentials).decode()}}"
        return headers''',
        check=f"""
        {BASIC_OF_FAKE}
        if request.headers["Authorization"] != f"Basic {{basic}}":
            {WRONG}""",
        fake_imports=("import base64",),
    )


def _token(api: Api) -> Login:
    response = {"access_token": "fake-token", "expires_in": 3600}
    parts = ", ".join(map(literal, api.token_path.strip("/").split("/")))
    return Login(
        names=("user", "password"),
        description="A user name and a password give a token, which authenticates every request.",
        imports=(
            "import base64",
            "from datetime import UTC, datetime, timedelta",
            f"from {COMMON} import ConnectionUserAndKey, {api.format.response}",
            "from polycloud.common.tokens import Token, TokenConnection",
        ),
        bases="TokenConnection, ConnectionUserAndKey",
        methods=f'''
    def add_default_headers(self, headers: dict[str, str]) -> dict[str, str]:
        """Send the token with every request; those of `authenticate` are sent without it."""
        headers["Authorization"] = f"Bearer {{self.token}}"
        return headers

    def authenticate(self) -> Token:
        """Get a token for the user name and the password."""
        {BASIC}
        headers = {{"Authorization": f"Basic {{base64.b64encode(credentials).decode()}}"}}
        response = self.request({literal(api.token_path)}, headers=headers, method="POST", idempotent=True)
        token = response.decode(payloads.AccessToken)
        return Token(token.access_token, datetime.now(UTC) + timedelta(seconds=token.expires_in or 3600))''',
        check=f"""
        {BASIC_OF_FAKE}
        if (request.method, path) == ("POST", [{parts}]):
            if request.headers["Authorization"] != f"Basic {{basic}}":
                {WRONG}
            return 200, {json.dumps(response)}
        if request.headers["Authorization"] != "Bearer fake-token":
            {WRONG}""",
        fake_imports=("import base64",),
    )


def _signature(api: Api) -> Login:
    return Login(
        names=("user", "secret"),
        description="A secret signs every request.",
        imports=(
            "import hashlib",
            "import hmac",
            "from time import time",
            "from msgspec.structs import replace",
            f"from {COMMON} import ConnectionUserAndKey, {api.format.response}",
            "from polycloud.http.messages import Request",
        ),
        bases="ConnectionUserAndKey",
        methods='''
    def sign(self, request: Request) -> Request:
        """Sign each attempt: method, path with query, time and body. Follow the provider's documentation."""
        now, target = str(int(time())), "/" + request.url.split("/", 3)[3]
        body = request.body if isinstance(request.body, bytes) else b""
        text = "\\n".join([request.method, target, now, hashlib.sha256(body).hexdigest()])
        signature = hmac.new(self.key.encode(), text.encode(), hashlib.sha256).hexdigest()
        headers = {"X-User": self.user_id, "X-Time": now, "X-Signature": signature}
        return replace(request, headers={**request.headers, **headers})''',
        check=f"""
        user, secret = self.credentials
        sent_at, hashed = request.headers.get("X-Time", "0"), hashlib.sha256(request.body).hexdigest()
        signed = f"{{request.method}}\\n{{request.target}}\\n{{sent_at}}\\n{{hashed}}"
        expected = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).hexdigest()
        right = (request.headers["X-User"], request.headers["X-Signature"]) == (user, expected)
        if not right or abs(time() - int(sent_at)) > LATEST:
            {WRONG}""",
        fake_imports=("import hashlib", "import hmac", "from time import time"),
        fake_constants="\nLATEST = 300  # seconds after which a signature is refused",
    )


KINDS: dict[Auth, Callable[[Api], Login]] = {
    Auth.KEY: _key,
    Auth.USER_AND_KEY: _user_and_key,
    Auth.TOKEN: _token,
    Auth.SIGNATURE: _signature,
}

"""Cloudflare over HTTP."""

from __future__ import annotations

import math
import re
import secrets
import uuid
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar

from polycloud.sandbox.cloudflare import dialect, records, zones
from polycloud.sandbox.cloudflare.dialect import DeniedError, RefusedError
from polycloud.sandbox.cloudflare.settings import CloudflareSettings
from polycloud.sandbox.cloudflare.state import State
from polycloud.sandbox.rest.errors import ApiError, ForbiddenError, RateLimitError, UnauthorizedError
from polycloud.sandbox.rest.replies import Call, Listing, Reply, Routes
from polycloud.sandbox.rest.service import Admission, Limit, Service

if TYPE_CHECKING:
    from starlette.types import Scope

ROUTES: Routes = {**records.ROUTES, **zones.ROUTES}
"""Every path below /client/v4, with its methods and their handlers."""

_USUAL_LIMIT, _WINDOW = 1200, 300.0
_TOKEN = re.compile(r"[A-Za-z0-9_-]{40,}")
_KEY = re.compile(r"[0-9a-f]{37,45}|cfk_[A-Za-z0-9_-]{40,}")
_VERIFY = "/client/v4/user/tokens/verify"
_USUAL_PAGES = {"zones": 20, "accounts": 20, "records": 100}


class Cloudflare(Service):
    """The cloud: one user with one account."""

    no_machines: ClassVar[str | None] = "there are no servers, only DNS"
    settings_type = CloudflareSettings
    account_type = State
    body_type = dialect.Body
    routes = ROUTES
    versions = ("/client/v4",)

    def __init__(self, settings: CloudflareSettings, *more: Any) -> None:
        for package in ("dnspython", "idna"):
            module = {"dnspython": "dns"}.get(package, package)
            if find_spec(module) is None:
                text = f"the sandbox's Cloudflare needs {package}: pip install 'polycloud[dns]'"
                raise ImportError(text, name=module)
        super().__init__(settings, *more)

    def set_limits(self) -> None:
        """Make the rate limit of five minutes."""
        self._limit = Limit(self.settings.request_limit, _USUAL_LIMIT, _WINDOW, self.clock, slides=False)

    def _token(self, scope: Scope) -> str | None:
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        key, email = headers.get(b"x-auth-key"), headers.get(b"x-auth-email")
        if b"authorization" in headers:
            return self._of_token(headers[b"authorization"])
        if key is None and email is None:
            return None
        if not _KEY.fullmatch(key or ""):
            return "malformed key"
        settings = self.settings
        is_known = email == settings.email and secrets.compare_digest(key or "", settings.api_key)
        return "key" if is_known else "unknown key"

    def _of_token(self, header: str) -> str:
        scheme, _, given = header.partition(" ")
        if scheme.lower() != "bearer" or not _TOKEN.fullmatch(given.strip()):
            return "malformed token"
        for known, name in ((self.settings.token, "full"), (self.settings.read_only_token, "read-only")):
            if secrets.compare_digest(given.strip(), known):
                return name
        return "unknown token"

    def admit(self, scope: Scope, token: str | None) -> Admission:
        """Check the credentials and count the request."""
        error = _refused(token, scope["path"])
        if not error and self._limit.is_reached:
            error = RateLimitError(math.ceil(self._limit.left))
        if not error:
            self._limit.count()
            if token == "read-only" and scope["method"] not in {"GET", "HEAD"}:  # noqa: S105 - which token
                error = ForbiddenError()
        return Admission(error, {"cf-ray": f"{uuid.uuid4().hex[:16]}-AMS", **self._limit_headers()})

    def _limit_headers(self) -> dict[str, str]:
        limit = self._limit
        # Without a limit, clients must not see any of it used: they would slow down.
        left = max(limit.limit - limit.used, 0) if limit.refuses else limit.limit
        return {
            "ratelimit": f'"default";r={left};t={math.ceil(limit.left)}',
            "ratelimit-policy": f'"default";q={limit.limit};w={round(_WINDOW)}',
        }

    def page(self, state: State, call: Call, listing: Listing) -> Reply:
        """Return the page of a list that a request asks for."""
        settings = state.settings
        largest = settings.record_page if listing.name == "records" else settings.zone_page
        return dialect.page(call, listing, _USUAL_PAGES[listing.name], largest)

    def refusal(self, error: ApiError, scope: Scope) -> Reply:
        """Return the response to a refused request."""
        return dialect.refusal(error, scope["path"])

    def describe(self, state: State) -> list[dict[str, Any]]:
        """Return no servers."""
        return []


def _refused(token: str | None, path: str) -> ApiError | None:
    """Return why credentials are refused, or None."""
    headers = "Invalid request headers"
    if token is None:
        return RefusedError(9106, "Missing X-Auth-Key, X-Auth-Email or Authorization headers")
    if token == "malformed token":  # noqa: S105 - what is wrong
        return RefusedError(6003, headers, (6111, "Invalid format for Authorization header"))
    if token == "malformed key":  # noqa: S105
        return RefusedError(6003, headers, (6103, "Invalid format for X-Auth-Key header"))
    if token == "unknown key":  # noqa: S105
        return DeniedError(9103, "Unknown X-Auth-Key or X-Auth-Email")
    if token == "unknown token":  # noqa: S105
        return UnauthorizedError() if path == _VERIFY else DeniedError(9109, "Invalid access token")
    # The key of a user is no token.
    return RefusedError(6003, headers) if path == _VERIFY and token == "key" else None  # noqa: S105

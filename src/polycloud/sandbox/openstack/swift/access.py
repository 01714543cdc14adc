"""Who may do what in Swift: tokens, public containers, and temporary URLs."""

from __future__ import annotations

import hmac
import secrets
from datetime import UTC, datetime

from polycloud.sandbox.objects.http import Reply, Request
from polycloud.sandbox.openstack.swift.places import HTML, Place, Stores, refusal

_KEYS = [f"x-{noun}-meta-temp-url-key{number}" for noun in ("account", "container") for number in ("", "-2")]
DIGESTS = {40: "sha1", 64: "sha256", 128: "sha512"}
TEMPORARY = {
    "GET": ("GET",),
    "HEAD": ("HEAD", "GET", "PUT", "POST"),
    "PUT": ("PUT",),
    "POST": ("POST",),
    "DELETE": ("DELETE",),
}
"""The methods whose signature permits a method."""


def log_in(stores: Stores, region: str, request: Request) -> Reply:
    """Log in by v1: a project and a user with a colon between them, or a user alone."""
    names = request.headers.get("x-auth-user") or request.headers.get("x-storage-user") or ""
    key = request.headers.get("x-auth-key") or request.headers.get("x-storage-pass") or ""
    project_name, _, name = names.rpartition(":")
    for user in stores.identity.users.values():
        wanted = (user.password, getattr(stores.identity, "api_key", user.password))
        if user.name != name or not any(secrets.compare_digest(key.encode(), one.encode()) for one in wanted):
            continue
        for project in stores.identity.projects_of(user):
            if project.name == project_name or (not project_name and project == stores.identity.home(user)):
                token = stores.identity.issue(user, ("password",), "project", project)
                prefix = stores.identity.layout.regions[region]
                url = f"{request.root}{prefix}/v1/{stores.prefix}{project.id}"
                shown = {"x-storage-url": url, "x-auth-token": token.id, "x-storage-token": token.id}
                left = str(int(token.expires - stores.now))
                return Reply(200, {"content-type": HTML, **shown, "x-auth-token-expires": left})
    raise refusal(401, headers={"www-authenticate": f'Swift realm="{project_name or "unknown"}"'})


def permit(stores: Stores, region: str, request: Request, place: Place) -> None:
    """Raise `Refusal` unless a request may do what it asks for."""
    challenge = {"www-authenticate": f'Swift realm="{place.account_name}"'}
    if "temp_url_sig" in request.query:
        if _is_signed(stores, region, request, place):
            return
        raise refusal(401, "401 Unauthorized: Temp URL invalid\n", challenge)
    token = stores.identity.token(request.headers.get("x-auth-token"))
    if token and (place.account_name == f"{stores.prefix}{token.project_id}" or token.is_admin):
        return
    container = place.account.containers.get(place.container_name)
    rules = container.metadata.get("x-container-read", "") if container and request.is_read else ""
    if ".r:*" in rules.split(",") and (place.name or ".rlistings" in rules):
        return
    raise refusal(403 if token else 401, headers={} if token else challenge)


def _is_signed(stores: Stores, region: str, request: Request, place: Place) -> bool:
    """Return whether a temporary URL has a signature by one of the account's or container's keys."""
    query = request.query
    sig, expires, prefix = (query.get(f"temp_url_{name}", "") for name in ("sig", "expires", "prefix"))
    at = _seconds(expires)
    digest = DIGESTS.get(len(sig))
    if at is None or at <= stores.now or digest is None or not place.name:
        return False
    container = place.account.containers.get(place.container_name)
    metadata = {**place.account.metadata, **(container.metadata if container else {})}
    keys = [metadata[name] for name in _KEYS if name in metadata]
    path = f"/v1/{place.account_name}/{place.container_name}/{place.name}"
    if "temp_url_prefix" in query:
        if not place.name.startswith(prefix):
            return False
        path = f"prefix:{path.removesuffix(place.name)}{prefix}"
    paths = (path, path.replace("/v1/", f"{stores.identity.layout.regions[region]}/v1/", 1))
    return any(
        hmac.compare_digest(
            hmac.new(key.encode("latin-1"), f"{method}\n{at}\n{path}".encode(), digest).hexdigest().encode(),
            sig.encode(),
        )
        for key in keys
        for method in TEMPORARY.get(request.method, ())
        for path in paths
    )


def _seconds(expires: str) -> int | None:
    """Return the end of a temporary URL, which is seconds since 1970 or a date, or None."""
    if expires.isdecimal():
        return int(expires)
    try:
        return int(datetime.strptime(expires, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp())
    except ValueError:
        return None

"""Rackspace's identity service: an account with one user, who logs in by an API key or a password."""

from __future__ import annotations

import secrets
from typing import Any

from polycloud.sandbox.clouds import Clock
from polycloud.sandbox.openstack.identity import Identity, Token
from polycloud.sandbox.openstack.layout import Layout
from polycloud.sandbox.rest.bodies import Body
from polycloud.sandbox.rest.collection import Item
from polycloud.sandbox.rest.replies import Call, Json, Reply, Routes

ACCOUNT = "1100111"
_REFUSED = "Unable to authenticate user with credentials provided."
_DATE = "%Y-%m-%dT%H:%M:%S.000Z"


class RackspaceIdentity(Identity):
    """The account: its number is the name and the id of its only tenant."""

    def __init__(self, settings: Any, clock: Clock, layout: Layout) -> None:
        super().__init__(settings, clock, layout)
        rackspace = Item(id="0", name="rackspace")
        tenant = Item(id=ACCOUNT, name=ACCOUNT)
        user = Item(id="123456", name=settings.user, password=settings.password, project=tenant)
        self.projects = {item.id: item for item in (rackspace, tenant)}
        self.users = {user.id: user}
        self._grants = {(user.id, tenant.id): ("compute:default", "identity:user-admin")}
        self.api_key: str = settings.api_key


def _is_right(identity: RackspaceIdentity, user: Item, auth: Body) -> bool:
    given = auth.part("RAX-KSKEY:apiKeyCredentials")
    wanted, secret = identity.api_key, given.get("apiKey", str)
    if "passwordCredentials" in auth:
        given = auth.part("passwordCredentials")
        wanted, secret = user.password, given.get("password", str)
    is_known = given.get("username", str) == user.name
    return is_known and secrets.compare_digest(wanted.encode(), (secret or "").encode())


def _log_in(state: Any, call: Call) -> Reply:
    identity: RackspaceIdentity = state.identity
    user = next(iter(identity.users.values()))
    auth = call.body.part("auth")
    tenant = auth.get("tenantId", str) or auth.get("tenantName", str) or ACCOUNT
    if "token" in auth:
        parent = identity.token(auth.part("token").get("id", str))
        is_right = parent is not None
    else:
        is_right = _is_right(identity, user, auth)
    if not is_right or tenant != ACCOUNT:
        return Reply(401, {"unauthorized": {"code": 401, "message": _REFUSED}})
    token = identity.issue(user, ("APIKEY",), "project", identity.projects[ACCOUNT])
    return Reply(200, {"access": _show_access(state, token)})


def _validate(state: Any, call: Call) -> Reply:
    return Reply(200, {"access": _show_access(state, state.identity.need(call.path["token"]))})


def _show_access(state: Any, token: Token) -> Json:
    identity = state.identity
    user = {
        "id": token.user.id,
        "name": token.user.name,
        "RAX-AUTH:defaultRegion": "DFW",
        "roles": [
            {"id": str(number), "name": name, "description": ""} for number, name in enumerate(token.roles, 1)
        ],
    }
    shown = {
        "id": token.id,
        "expires": identity.date(token.expires, _DATE),
        "tenant": {"id": ACCOUNT, "name": ACCOUNT},
        "RAX-AUTH:authenticatedBy": list(token.methods),
    }
    return {"token": shown, "user": user, "serviceCatalog": catalog(state)}


def catalog(state: Any) -> list[Json]:
    """Return the catalogue: an endpoint per region, of DNS one for all."""
    shown = []
    for service in state.layout.services:
        regions = [""] if service.type == "rax:dns" else list(state.layout.regions)
        endpoints = []
        for region in regions:
            prefix = state.layout.regions.get(region, "")
            url = f"{state.root}{prefix}{service.path.format(ACCOUNT)}"
            tenant = service.path.rpartition("/")[2].format(ACCOUNT) if "{}" in service.path else ACCOUNT
            endpoint = {"publicURL": url, "tenantId": tenant, **({"region": region} if region else {})}
            if service.type == "object-store":
                endpoint["internalURL"] = url
            endpoints.append(endpoint)
        shown.append({"name": service.name, "type": service.type, "endpoints": endpoints})
    return shown


def _tenants(_: Any, __: Call) -> Reply:
    return Reply(200, {"tenants": [{"id": ACCOUNT, "name": ACCOUNT, "enabled": True}]})


ROUTES: Routes = {
    "/identity/v2.0/tokens": {"POST": _log_in},
    "/identity/v2.0/tokens/{token}": {"GET": _validate},
    "/identity/v2.0/tenants": {"GET": _tenants},
}
"""The paths of the identity service."""

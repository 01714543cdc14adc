"""Keystone's requests: tokens of v3 and v2, and what users may read about themselves."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from polycloud.sandbox.openstack import accounts, services
from polycloud.sandbox.openstack.dialect import DONE
from polycloud.sandbox.openstack.identity import DOMAIN, Token
from polycloud.sandbox.openstack.state import State
from polycloud.sandbox.rest.bodies import Body
from polycloud.sandbox.rest.collection import Item
from polycloud.sandbox.rest.errors import (
    InputError,
    MalformedError,
    NotFoundError,
    UnauthorizedError,
)
from polycloud.sandbox.rest.replies import Call, Json, Reply, Routes

_HINT = (
    "The server could not comply with the request since it is either malformed or otherwise incorrect. "
    "The client is assumed to be in error."
)


def _expected(name: str, where: str) -> InputError:
    return InputError(f"Expecting to find {name} in {where}. {_HINT}")


def _part(body: Body, name: str, where: str) -> Body:
    if body.get(name, dict) is None:
        raise _expected(name, where)
    return body.part(name)


# Tokens


@dataclass(frozen=True)
class _Login:
    """A user, proved by methods; an application credential or a token fixes more."""

    user: Item
    methods: tuple[str, ...]
    parent: Token | None = None
    credential: Item | None = None


def _issue(state: State, call: Call) -> Reply:
    try:
        auth = _part(call.body, "auth", "request body")
    except MalformedError:
        raise _expected("valid JSON", "request body") from None
    login = _login(state, _part(auth, "identity", "auth"))
    scope, target = _scope(state, auth, login)
    token = state.identity.issue(login.user, login.methods, scope, target, login.parent, login.credential)
    shown = {"token": _show_token(state, token, catalog="nocatalog" not in call.query)}
    return Reply(201, shown, {"X-Subject-Token": token.id})


def _login(state: State, identity: Body) -> _Login:
    methods = identity.each("methods", str)
    if not methods:
        raise _expected("methods", "identity")
    method = methods[0]
    part = _part(identity, method, "identity")
    if method == "password":
        return _Login(_user(state, _part(part, "user", "password")), ("password",))
    if method == "token":
        parent = state.identity.need(part.get("id", str) or "")
        return _Login(parent.user, tuple(dict.fromkeys((*parent.methods, "token"))), parent)
    if method == "application_credential":
        credential = _credential(state, part)
        return _Login(state.identity.users[credential.user_id], (method,), credential=credential)
    raise UnauthorizedError


def _user(state: State, given: Body) -> Item:
    """Return the user whose name or id and password are given. Raises UnauthorizedError."""
    user = _named_user(state, given)
    if not secrets.compare_digest(user.password.encode(), (given.get("password", str) or "").encode()):
        raise UnauthorizedError
    return user


def _named_user(state: State, given: Body) -> Item:
    key = given.get("id", str)
    if key is None:
        _need_domain(given.part("domain"))
    for user in state.identity.users.values():
        if user.id == key or (key is None and user.name == given.get("name", str)):
            return user
    raise UnauthorizedError


def _need_domain(given: Body) -> None:
    key, name = given.get("id", str), given.get("name", str)
    if key is None and name is None:
        raise _expected("domain", "user")
    if DOMAIN["id"] != (key or DOMAIN["id"]) or DOMAIN["name"] != (name or DOMAIN["name"]):
        raise UnauthorizedError


def _credential(state: State, given: Body) -> Item:
    key, name = given.get("id", str), given.get("name", str)
    user = _named_user(state, given.part("user")) if key is None else None
    for credential in state.identity.credentials.values():
        if credential.id == key or (user and (credential.name, credential.user_id) == (name, user.id)):
            if not secrets.compare_digest(credential.secret, given.get("secret", str) or ""):
                raise UnauthorizedError
            return credential
    raise NotFoundError(f"Could not find Application Credential: {key or name}.")


def _scope(state: State, auth: Body, login: _Login) -> tuple[str, Item | None]:
    """Return the kind of the scope, and the project."""
    if login.credential:
        return "project", state.identity.projects[login.credential.project_id]
    if auth.value("scope") == "unscoped":
        return "unscoped", None
    scope = auth.part("scope")
    if "system" in scope:
        return "system", None
    if "domain" in scope:
        _need_domain(scope.part("domain"))
        return "domain", None
    if "project" in scope:
        return "project", _project(state, scope.part("project"))
    project = login.user.project
    return ("project", project) if project else ("unscoped", None)


def _project(state: State, given: Body) -> Item:
    key = given.get("id", str)
    if key is None:
        _need_domain(given.part("domain"))
    for project in state.identity.projects.values():
        if project.id == key or (key is None and project.name == given.get("name", str)):
            return project
    raise UnauthorizedError


def _show_token(state: State, token: Token, *, catalog: bool) -> Json:
    user = {"domain": DOMAIN, "id": token.user.id, "name": token.user.name, "password_expires_at": None}
    shown: Json = {
        "methods": token.methods,
        "user": user,
        "audit_ids": token.audit,
        "expires_at": state.identity.stamp(token.expires),
        "issued_at": state.identity.stamp(token.issued),
    }
    if token.project:
        shown["project"] = {"domain": DOMAIN, "id": token.project.id, "name": token.project.name}
        shown["is_domain"] = False
    if token.credential:
        restricted = not token.credential.unrestricted
        credential = {"id": token.credential.id, "name": token.credential.name, "restricted": restricted}
        shown["application_credential"] = credential
    if token.scope == "domain":
        shown["domain"] = DOMAIN
    if token.scope == "system":
        shown["system"] = {"all": True}
    if token.scope != "unscoped":
        shown["roles"] = state.identity.show_roles(token.roles)
        if catalog:
            shown["catalog"] = services.catalog(state, token.project_id)
    return shown


def _subject(call: Call) -> str:
    return call.headers.get("x-subject-token", "")


def _validate(state: State, call: Call) -> Reply:
    token = state.identity.need(_subject(call))
    shown = {"token": _show_token(state, token, catalog="nocatalog" not in call.query)}
    return Reply(200, shown, {"X-Subject-Token": token.id})


def _revoke(state: State, call: Call) -> Reply:
    state.identity.revoke(_subject(call))
    return DONE


# Tokens of v2


def _issue_v2(state: State, call: Call) -> Reply:
    auth = _part(call.body, "auth", "request body")
    parent = None
    if "passwordCredentials" in auth:
        given = auth.part("passwordCredentials")
        user = next(
            (one for one in state.identity.users.values() if one.name == given.get("username", str)), None
        )
        if user is None or user.password != given.get("password", str):
            raise UnauthorizedError
    else:
        parent = state.identity.need(_part(auth, "token", "auth").get("id", str) or "")
        user = parent.user
    name, key = auth.get("tenantName", str), auth.get("tenantId", str)
    project = None
    if name is not None or key is not None:
        projects = state.identity.projects.values()
        project = next((one for one in projects if one.id == key or (key is None and one.name == name)), None)
        if project is None:
            raise UnauthorizedError
    token = state.identity.issue(user, ("password",), "project" if project else "unscoped", project, parent)
    return Reply(200, {"access": _show_access(state, token)})


def _validate_v2(state: State, call: Call) -> Reply:
    return Reply(200, {"access": _show_access(state, state.identity.need(call.path["token"]))})


def _show_access(state: State, token: Token) -> Json:
    shown: Json = {
        "id": token.id,
        "expires": state.stamp_of(token.expires),
        "issued_at": state.identity.stamp(token.issued),
        "audit_ids": token.audit,
    }
    if token.project:
        shown["tenant"] = _show_tenant(token.project)
    roles = [{"name": name} for name in token.roles]
    user = {"id": token.user.id, "name": token.user.name, "username": token.user.name, "roles": roles}
    return {
        "token": shown,
        "serviceCatalog": services.catalog_v2(state, token.project_id) if token.project else [],
        "user": {**user, "roles_links": []},
        "metadata": {"is_admin": 0, "roles": [state.identity.roles[name] for name in token.roles]},
    }


def _show_tenant(project: Item) -> Json:
    return {"id": project.id, "name": project.name, "description": "", "enabled": True}


def _tenants(state: State, _: Call) -> Reply:
    tenants = [_show_tenant(project) for project in state.identity.projects_of(state.caller.user)]
    return Reply(200, {"tenants": tenants, "tenants_links": []})


_V3: dict[str, dict[str, Any]] = {
    "/auth/tokens": {"POST": _issue, "GET": _validate, "DELETE": _revoke},
    **accounts.PATHS,
}

ROUTES: Routes = {
    **{f"/identity/v3{path}": verbs for path, verbs in _V3.items()},
    "/identity/v2.0/tokens": {"POST": _issue_v2},
    "/identity/v2.0/tokens/{token}": {"GET": _validate_v2},
    "/identity/v2.0/tenants": {"GET": _tenants},
}
"""Every path of Keystone, with its methods and their handlers."""

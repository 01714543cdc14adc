"""Keystone's requests: tokens of v3 and v2, and what users may read about themselves."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from polycloud.sandbox.openstack import services
from polycloud.sandbox.openstack.dialect import DONE
from polycloud.sandbox.openstack.identity import DOMAIN, Token, new_id
from polycloud.sandbox.openstack.state import State
from polycloud.sandbox.rest.bodies import Body
from polycloud.sandbox.rest.collection import Item, found, show
from polycloud.sandbox.rest.errors import (
    ConflictError,
    ForbiddenError,
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
            shown["catalog"] = services.catalog(state.root, token.project_id)
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
        "serviceCatalog": services.catalog_v2(state.root, token.project_id) if token.project else [],
        "user": {**user, "roles_links": []},
        "metadata": {"is_admin": 0, "roles": [state.identity.roles[name] for name in token.roles]},
    }


def _show_tenant(project: Item) -> Json:
    return {"id": project.id, "name": project.name, "description": "", "enabled": True}


def _tenants(state: State, _: Call) -> Reply:
    tenants = [_show_tenant(project) for project in state.identity.projects_of(state.caller.user)]
    return Reply(200, {"tenants": tenants, "tenants_links": []})


# What users read


def _collection(state: State, name: str, items: list[Json]) -> Reply:
    return Reply(200, {name: items, "links": {"next": None, "self": state.here, "previous": None}})


def _linked(state: State, path: str, item: Json) -> Json:
    return {**item, "links": {"self": f"{state.root}/identity/v3/{path}/{item['id']}"}}


def _show_project(state: State, project: Item) -> Json:
    fixed = {"description": "", "enabled": True, "parent_id": DOMAIN["id"], "is_domain": False}
    shown = {"id": project.id, "name": project.name, "domain_id": DOMAIN["id"], **fixed}
    return _linked(state, "projects", {**shown, "tags": [], "options": {}})


def _show_user(state: State, user: Item) -> Json:
    shown = {"id": user.id, "name": user.name, "domain_id": DOMAIN["id"], "enabled": True}
    if user.project:
        shown["default_project_id"] = user.project.id
    return _linked(state, "users", {**shown, "password_expires_at": None, "options": {}})


def _admin(state: State, rule: str) -> None:
    if not state.caller.is_admin:
        raise ForbiddenError(f"You are not authorized to perform the requested action: identity:{rule}.")


def _self_or_admin(state: State, call: Call, rule: str) -> Item:
    if call.path["user"] != state.caller.user.id:
        _admin(state, rule)
    return found(state.identity.users, call.path["user"])


def _my_projects(state: State, _: Call) -> Reply:
    projects = state.identity.projects_of(state.caller.user)
    return _collection(state, "projects", [_show_project(state, project) for project in projects])


def _user_projects(state: State, call: Call) -> Reply:
    projects = state.identity.projects_of(_self_or_admin(state, call, "list_user_projects"))
    return _collection(state, "projects", [_show_project(state, project) for project in projects])


def _projects(state: State, call: Call) -> Reply:
    _admin(state, "list_projects")
    wanted = call.query.get("name")
    projects = [one for one in state.identity.projects.values() if wanted in {None, one.name}]
    return _collection(state, "projects", [_show_project(state, project) for project in projects])


def _project_by_id(state: State, call: Call) -> Reply:
    project = state.identity.projects.get(call.path["project"])
    if project is None or (project.id != state.caller.project_id and not state.caller.is_admin):
        _admin(state, "get_project")
        raise NotFoundError(f"Could not find project: {call.path['project']}.")
    return Reply(200, {"project": _show_project(state, project)})


def _users(state: State, call: Call) -> Reply:
    _admin(state, "list_users")
    wanted = call.query.get("name")
    users = [user for user in state.identity.users.values() if wanted in {None, user.name}]
    return _collection(state, "users", [_show_user(state, user) for user in users])


def _user_by_id(state: State, call: Call) -> Reply:
    return Reply(200, {"user": _show_user(state, _self_or_admin(state, call, "get_user"))})


def _my_domains(state: State, _: Call) -> Reply:
    domains = [_show_domain(state)] if state.caller.user.name == "admin" else []
    return _collection(state, "domains", domains)


def _show_domain(state: State) -> Json:
    fixed = {"description": "The default domain", "enabled": True, "tags": [], "options": {}}
    return _linked(state, "domains", {**DOMAIN, **fixed})


def _domains(state: State, _: Call) -> Reply:
    _admin(state, "list_domains")
    return _collection(state, "domains", [_show_domain(state)])


def _my_system(state: State, _: Call) -> Reply:
    system = [{"all": True}] if state.caller.user.name == "admin" else []
    return Reply(200, {"system": system, "links": {"self": state.here}})


def _my_catalog(state: State, _: Call) -> Reply:
    links = {"next": None, "self": state.here, "previous": None}
    return Reply(200, {"catalog": services.catalog(state.root, state.caller.project_id), "links": links})


def _regions(state: State, _: Call) -> Reply:
    regions = [
        _linked(state, "regions", {"id": name, "description": "", "parent_region_id": None})
        for name in services.REGIONS
    ]
    return _collection(state, "regions", regions)


def _services(state: State, _: Call) -> Reply:
    _admin(state, "list_services")
    shown = [
        _linked(state, "services", {"name": one.name, "id": one.id, "type": one.type, "enabled": True})
        for one in services.SERVICES
    ]
    return _collection(state, "services", shown)


def _endpoints(state: State, _: Call) -> Reply:
    _admin(state, "list_endpoints")
    endpoints = [
        _linked(state, "endpoints", {**endpoint, "service_id": service["id"], "enabled": True})
        for service in services.catalog(state.root, "$(project_id)s")
        for endpoint in service["endpoints"]
    ]
    return _collection(state, "endpoints", endpoints)


# Application credentials

_credential_fields = show("id name description user_id project_id expires_at unrestricted", system=None)


def _show_credential(state: State, credential: Item) -> Json:
    roles = [
        {**role, "domain_id": None, "description": None, "options": {"immutable": True}}
        for role in state.identity.show_roles(credential.roles)
    ]
    return _linked(state, "application_credentials", {**_credential_fields(credential), "roles": roles})


def _list_credentials(state: State, call: Call) -> Reply:
    user = _self_or_admin(state, call, "list_application_credentials")
    mine = [one for one in state.identity.credentials.values() if one.user_id == user.id]
    shown = [_show_credential(state, one) for one in mine]
    return _collection(state, "application_credentials", shown)


def _create_credential(state: State, call: Call) -> Reply:
    user, given = (
        _self_or_admin(state, call, "create_application_credential"),
        call.body.part("application_credential"),
    )
    name = given.need("name", str)
    if any((one.user_id, one.name) == (user.id, name) for one in state.identity.credentials.values()):
        raise ConflictError(
            "Conflict occurred attempting to store application_credential - Duplicate entry found with name "
            f"{name}."
        )
    if "application_credential" in state.caller.methods or not state.caller.project:
        raise ForbiddenError(
            "You are not authorized to perform the requested action: identity:create_application_credential."
        )
    credential = Item(
        id=new_id(),
        name=name,
        description=given.get("description", str),
        user_id=user.id,
        project_id=state.caller.project.id,
        expires_at=given.get("expires_at", str),
        unrestricted=given.get("unrestricted", bool),
        roles=state.caller.roles,
        secret=given.get("secret", str) or secrets.token_urlsafe(64),
    )
    state.identity.credentials[credential.id] = credential
    shown = {**_show_credential(state, credential), "secret": credential.secret}
    return Reply(201, {"application_credential": shown})


def _one_credential(state: State, call: Call, rule: str) -> Item:
    _self_or_admin(state, call, rule)
    key = call.path["credential"]
    if key not in state.identity.credentials:
        raise NotFoundError(f"Could not find Application Credential: {key}.")
    return state.identity.credentials[key]


def _get_credential(state: State, call: Call) -> Reply:
    credential = _one_credential(state, call, "get_application_credential")
    return Reply(200, {"application_credential": _show_credential(state, credential)})


def _delete_credential(state: State, call: Call) -> Reply:
    del state.identity.credentials[_one_credential(state, call, "delete_application_credential").id]
    return DONE


_V3: dict[str, dict[str, Any]] = {
    "/auth/tokens": {"POST": _issue, "GET": _validate, "DELETE": _revoke},
    "/auth/projects": {"GET": _my_projects},
    "/auth/domains": {"GET": _my_domains},
    "/auth/system": {"GET": _my_system},
    "/auth/catalog": {"GET": _my_catalog},
    "/projects": {"GET": _projects},
    "/projects/{project}": {"GET": _project_by_id},
    "/users": {"GET": _users},
    "/users/{user}": {"GET": _user_by_id},
    "/users/{user}/projects": {"GET": _user_projects},
    "/users/{user}/application_credentials": {"GET": _list_credentials, "POST": _create_credential},
    "/users/{user}/application_credentials/{credential}": {
        "GET": _get_credential,
        "DELETE": _delete_credential,
    },
    "/domains": {"GET": _domains},
    "/regions": {"GET": _regions},
    "/services": {"GET": _services},
    "/endpoints": {"GET": _endpoints},
}

ROUTES: Routes = {
    **{f"/identity/v3{path}": verbs for path, verbs in _V3.items()},
    "/identity/v2.0/tokens": {"POST": _issue_v2},
    "/identity/v2.0/tenants": {"GET": _tenants},
}
"""Every path of Keystone, with its methods and their handlers."""

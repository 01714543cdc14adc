"""Keystone's requests about users, projects and application credentials."""

from __future__ import annotations

import secrets
from typing import Any

from polycloud.sandbox.openstack import services
from polycloud.sandbox.openstack.dialect import DONE
from polycloud.sandbox.openstack.identity import DOMAIN, new_id
from polycloud.sandbox.openstack.state import State
from polycloud.sandbox.rest.collection import Item, found, show
from polycloud.sandbox.rest.errors import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    UnauthorizedError,
)
from polycloud.sandbox.rest.replies import Call, Json, Reply


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
    return Reply(200, {"catalog": services.catalog(state, state.caller.project_id), "links": links})


def _regions(state: State, _: Call) -> Reply:
    regions = [
        _linked(state, "regions", {"id": name, "description": "", "parent_region_id": None})
        for name in state.layout.regions
    ]
    return _collection(state, "regions", regions)


def _services(state: State, _: Call) -> Reply:
    _admin(state, "list_services")
    shown = [
        _linked(state, "services", {"name": one.name, "id": one.id, "type": one.type, "enabled": True})
        for one in state.layout.services
    ]
    return _collection(state, "services", shown)


def _endpoints(state: State, _: Call) -> Reply:
    _admin(state, "list_endpoints")
    endpoints = [
        _linked(state, "endpoints", {**endpoint, "service_id": service["id"], "enabled": True})
        for service in services.catalog(state, "$(project_id)s")
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


def _change_password(state: State, call: Call) -> Reply:
    """Change a password, which revokes all tokens of the user."""
    user, given = found(state.identity.users, call.path["user"]), call.body.part("user")
    if given.need("original_password", str) != user.password:
        raise UnauthorizedError
    user.password = given.need("password", str)
    state.identity.revoke_all(user)
    return DONE


PATHS: dict[str, dict[str, Any]] = {
    "/auth/projects": {"GET": _my_projects},
    "/auth/domains": {"GET": _my_domains},
    "/auth/system": {"GET": _my_system},
    "/auth/catalog": {"GET": _my_catalog},
    "/projects": {"GET": _projects},
    "/projects/{project}": {"GET": _project_by_id},
    "/users": {"GET": _users},
    "/users/{user}": {"GET": _user_by_id},
    "/users/{user}/password": {"POST": _change_password},
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
"""The paths below /identity/v3 but for those of tokens, with their methods and handlers."""

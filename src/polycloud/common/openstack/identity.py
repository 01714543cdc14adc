"""Keystone: how a `Login` is exchanged for an `Access`, a token with its catalogue.

The requests go through the connection that needs the token, to the host of the authentication URL. A login
that is refused is asked about once more, without its scope: so the error can say whether the user or the
project is wrong, which Keystone keeps to itself. A token without a project has no catalogue: if the user has
one project only, that is taken.

Times: a token lasts as many seconds as lie between the `Date` of the response and `expires_at`, since our
own clock may be wrong.

Source: OpenStack's Identity API reference, versions 3 and 2.0.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import msgspec
from msgspec.structs import replace

from polycloud.common.openstack.catalog import Endpoint, ServicePayload, endpoints_2, endpoints_3
from polycloud.common.openstack.login import APPLICATION_CREDENTIALS, METHODS, Login, token_2, token_3
from polycloud.common.openstack.response import OpenStackResponse
from polycloud.common.tokens import EARLY, Token
from polycloud.errors import (
    InvalidArgumentError,
    InvalidCredsError,
    MalformedResponseError,
    NotFoundError,
    ProviderHTTPError,
)
from polycloud.utils.headers import http_date

SHOWN_PROJECTS = 20


class Requests(Protocol):
    """What a login needs of a connection: requests to Keystone, which carry no token of their own."""

    @property
    def request(self) -> Callable[..., Any]:
        """Like `Connection.request`."""


class Access(Token, frozen=True):
    """A token, and where it leads; `endpoints` is None for a token that was given without an identity URL."""

    endpoints: tuple[Endpoint, ...] | None = None
    project_id: str | None = None
    project: str | None = None
    user_id: str | None = None


class NamePayload(msgspec.Struct):
    """A project, a tenant or a user."""

    id: str | None = None
    name: str | None = None


class TokenPayload3(msgspec.Struct):
    """The token in a response of version 3; its value is in a header."""

    expires_at: datetime | None = None
    catalog: list[ServicePayload] | None = None
    project: NamePayload | None = None
    user: NamePayload | None = None


class Response3(msgspec.Struct):
    """A response to a login of version 3."""

    token: TokenPayload3


class TokenPayload2(msgspec.Struct):
    """The token in a response of version 2."""

    id: str
    expires: datetime | None = None
    tenant: NamePayload | None = None


class AccessPayload2(msgspec.Struct):
    """What a response of version 2 contains."""

    token: TokenPayload2
    catalog: list[ServicePayload] | None = msgspec.field(name="serviceCatalog", default=None)
    user: NamePayload | None = None


class Response2(msgspec.Struct):
    """A response to a login of version 2."""

    access: AccessPayload2


class Projects(msgspec.Struct):
    """The projects of a user, as version 3 or 2 lists them."""

    projects: list[NamePayload] | None = None
    tenants: list[NamePayload] | None = None


class VersionDocument(msgspec.Struct):
    """The document of a version of Keystone."""

    version: dict[str, Any] | None = None


def log_in(connection: Requests, login: Login, old: Token | None = None) -> Access:
    """Return a token of the login's scope, in place of `old`, which has expired or was refused.

    A token that was given is used as it is, unless another scope is asked for.

    Raises:
        InvalidCredsError: Keystone refuses; the error says whether the user or the scope is wrong.
        InvalidArgumentError: The token has no project, and the user several.
        PolycloudError: Another error of a request.
    """
    version = METHODS[login.method].version
    try:
        access = _access(connection, login, old)
    except InvalidCredsError as error:
        raise _explained(connection, login, error) from error
    except NotFoundError as error:
        if str(error.message).startswith("Could not find") or _has_version(connection, version):
            # It is Keystone that does not know it: an application credential, or a trust
            raise InvalidCredsError(f"{login.who()} is refused: {error.message}") from error
        other = "3.x_password" if version == "v2.0" else "2.0_password"
        raise InvalidArgumentError(
            f"there is no Keystone {version} below the authentication URL ({error}); "
            f"check ex_force_auth_url, or pass ex_force_auth_version={other!r}"
        ) from error
    if access.endpoints or login.scope == "unscoped" or login.method in APPLICATION_CREDENTIALS:
        return access
    return _of_only_project(connection, login, access)


def _has_version(connection: Requests, version: str) -> bool:
    """Return whether there is a Keystone of this version below the authentication URL."""
    try:
        document = connection.request(f"/{version}").decode(VersionDocument)
    except (MalformedResponseError, ProviderHTTPError):
        return False
    return document.version is not None


def _access(connection: Requests, login: Login, old: Token | None) -> Access:
    """Return the token that was given, as far as it can be used, or a new one."""
    renewable = login.password is not None or login.credential_secret is not None
    if login.token is None or (old is not None if renewable else login.where()):
        return _request_token(connection, login)
    try:
        return _given_token(connection, login)
    except (InvalidCredsError, NotFoundError) as error:
        if renewable:
            return _request_token(connection, login)
        raise InvalidCredsError(f"the token is refused: {error.value}") from error


def _request_token(connection: Requests, login: Login) -> Access:
    method = METHODS[login.method]
    path = "/v3/auth/tokens" if method.version == "v3" else "/v2.0/tokens"
    response = connection.request(path, method="POST", json=method.body(login), idempotent=True)
    return access_of(response, method.version)


def _given_token(connection: Requests, login: Login) -> Access:
    """Return the token that was given, with the catalogue that Keystone has for it."""
    token: Any = login.token
    headers = {"X-Auth-Token": token, "X-Subject-Token": token}
    version = METHODS[login.method].version
    path = "/v3/auth/tokens" if version == "v3" else f"/v2.0/tokens/{token}"
    response = connection.request(path, headers=headers)
    return access_of(response, version)


def access_of(response: OpenStackResponse, version: str) -> Access:
    """Return what a response to a login says."""
    if version == "v3":
        value = response.headers.get("x-subject-token")
        if not value:
            raise response.malformed("the response to the login has no X-Subject-Token")
        token = response.decode(Response3).token
        project, user, endpoints = token.project, token.user, endpoints_3(token.catalog or ())
        expires = token.expires_at
    else:
        payload = response.decode(Response2).access
        value, expires, project = payload.token.id, payload.token.expires, payload.token.tenant
        user, endpoints = payload.user, endpoints_2(payload.catalog or ())
    end, early = _end(response, expires)
    return Access(
        value,
        end,
        early,
        endpoints,
        project.id if project else None,
        project.name if project else None,
        user.id if user else None,
    )


def _end(response: OpenStackResponse, expires: datetime | None) -> tuple[datetime | None, float]:
    """Return when a token ends by our clock, and how many seconds before that it is renewed."""
    if expires is None:
        return None, EARLY
    expires = expires if expires.tzinfo else expires.replace(tzinfo=UTC)
    now = datetime.now(UTC)
    left = expires - (http_date(response.headers.get("date", "")) or now)
    early = min(EARLY, max(left.total_seconds(), 0.0) / 4)
    return now + max(left, timedelta()), early


def _projects(connection: Requests, version: str, token: str) -> list[NamePayload]:
    path = "/v3/auth/projects" if version == "v3" else "/v2.0/tenants"
    listed = connection.request(path, headers={"X-Auth-Token": token}).decode(Projects)
    return listed.projects or listed.tenants or []


def _of_only_project(connection: Requests, login: Login, access: Access) -> Access:
    """Return a token for the only project of the user, whose token has none."""
    version = METHODS[login.method].version
    projects = _projects(connection, version, access.value)
    if len(projects) != 1:
        names = _listed(projects) or "none"
        raise InvalidArgumentError(
            f"the token of {login.who()} has no project, so it has no catalogue: pass ex_tenant_name= "
            f"(in clouds.yaml: project_name); the projects are: {names}"
        )
    only = replace(login, token=access.value, project=None, project_id=projects[0].id, scope="project")
    exchange = token_3 if version == "v3" else token_2
    path = "/v3/auth/tokens" if version == "v3" else "/v2.0/tokens"
    response = connection.request(path, method="POST", json=exchange(only), idempotent=True)
    return access_of(response, version)


def _explained(connection: Requests, login: Login, error: InvalidCredsError) -> InvalidCredsError:
    """Return the error of a refused login with what can be found out about it."""
    wrong = InvalidCredsError(f"{login.who()} is refused: {error.value}")
    if login.token is not None and login.password is None:
        return InvalidCredsError(
            "the token is refused: it has expired or is not of this cloud; pass a new ex_force_auth_token= "
            "or credentials, by which it is renewed"
        )
    if login.method in APPLICATION_CREDENTIALS or not login.where():
        return wrong
    try:
        unscoped = _request_token(connection, replace(login, scope="unscoped"))
    except InvalidCredsError:
        return wrong
    projects = _projects(connection, METHODS[login.method].version, unscoped.value)
    names = [one.name or "" for one in projects]
    near = difflib.get_close_matches(login.project or "", names, 1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return InvalidCredsError(
        f"{login.who()} may log in, but not for {login.where()}: it does not exist, or the user has no role "
        f"there; {hint}the user's projects are: {_listed(projects) or 'none'}"
    )


def _listed(projects: Sequence[NamePayload]) -> str:
    names = sorted(str(one.name) for one in projects)
    more = ", ..." if len(names) > SHOWN_PROJECTS else ""
    return ", ".join(names[:SHOWN_PROJECTS]) + more

"""Who logs in to an OpenStack cloud, how, and with which scope; and the bodies of Keystone's requests.

`METHODS` is the table of the ways to log in, by Libcloud's names ("3.x_password"). A provider with a way of
its own adds a row: the version of Keystone's API, and what makes the request's body of a `Login`.

Source: OpenStack's Identity API reference, versions 3 and 2.0.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from polycloud.common.arguments import drop_none
from polycloud.errors import InvalidArgumentError, InvalidCredsError, UnsupportedOperationError
from polycloud.utils.values import shown

DEFAULT_DOMAIN = "Default"
SCOPES = ("project", "domain", "system", "unscoped")


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """A user, or a token or an application credential in their place, and the scope to ask for.

    Projects, domains and users are given by name or by id. A project and a user are of the domain "Default"
    if none is given.
    """

    method: str = "3.x_password"
    user: str | None = None
    user_id: str | None = None
    user_domain: str | None = None
    user_domain_id: str | None = None
    password: str | None = None
    token: str | None = None
    credential_id: str | None = None
    credential_name: str | None = None
    credential_secret: str | None = None
    scope: str = "project"
    project: str | None = None
    project_id: str | None = None
    project_domain: str | None = None
    project_domain_id: str | None = None
    domain: str | None = None
    domain_id: str | None = None
    trust_id: str | None = None

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if not isinstance(value, str | None) or value == "":
                kind = shown(value) if name in {"method", "scope"} or value == "" else type(value).__name__
                raise InvalidCredsError(f"{name} of an OpenStack login must be a non-empty str, got {kind}")
        if self.scope not in SCOPES:
            raise InvalidArgumentError(
                f"ex_token_scope must be one of {', '.join(SCOPES)}, got {self.scope!r}"
            )

    def __repr__(self) -> str:
        return f"<Login of {self.who()} by {self.method}>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("method", self.method), ("who", self.who())]

    def secrets(self) -> tuple[str, ...]:
        """Return what no error, log or repr may show."""
        return tuple(filter(None, (self.password, self.token, self.credential_secret)))

    def who(self) -> str:
        """Return the user for messages, with its domain."""
        if self.method in APPLICATION_CREDENTIALS:
            return f"the application credential {self.credential_id or self.credential_name!r}"
        if self.password is None and self.token is not None:
            return "the owner of the token"
        if self.user_id is not None:
            return f"the user with the id {self.user_id!r}"
        if self.method == "1.0":
            return f"the user {self.user!r}"
        domain = self.user_domain_id or self.user_domain or DEFAULT_DOMAIN
        return f"the user {self.user!r} of the domain {domain!r}"

    def where(self) -> str:
        """Return the scope for messages; empty if none was asked for."""
        if self.scope == "project" and (self.project or self.project_id):
            if self.project is None:
                return f"the project with the id {self.project_id!r}"
            domain = self.project_domain_id or self.project_domain or DEFAULT_DOMAIN
            return f"the project {self.project!r} of the domain {domain!r}"
        if self.scope == "domain":
            return f"the domain {self.domain_id or self.domain or DEFAULT_DOMAIN!r}"
        return "the system" if self.scope == "system" else ""


class Method(NamedTuple):
    """A way to log in: the version of Keystone's API ("v3"), and the body of the request for a token."""

    version: str
    body: Callable[[Login], dict[str, Any]]


def _named(name: str | None, id_: str | None) -> dict[str, str]:
    """Return how a body refers to a domain."""
    return {"id": id_} if id_ is not None else {"name": name or DEFAULT_DOMAIN}


def _user(login: Login) -> dict[str, Any]:
    if login.user_id is not None:
        return {"id": login.user_id}
    if login.user is None:
        raise InvalidCredsError("OpenStack needs a user name and a password")
    return {"name": login.user, "domain": _named(login.user_domain, login.user_domain_id)}


def scope_of(login: Login) -> Any:
    """Return the scope of a request to version 3; None to leave it to Keystone."""
    if login.scope == "system":
        return {"system": {"all": True}}
    if login.scope == "domain":
        return {"domain": _named(login.domain, login.domain_id)}
    if login.scope == "unscoped":
        return "unscoped"
    if login.trust_id is not None:
        return {"OS-TRUST:trust": {"id": login.trust_id}}
    if login.project_id is not None:
        return {"project": {"id": login.project_id}}
    if login.project is None:
        return None
    domain = _named(login.project_domain, login.project_domain_id)
    return {"project": {"name": login.project, "domain": domain}}


def _version_3(identity: dict[str, Any], login: Login) -> dict[str, Any]:
    return {"auth": drop_none({"identity": identity, "scope": scope_of(login)})}


def _password_3(login: Login) -> dict[str, Any]:
    if login.password is None:
        raise InvalidCredsError(f"OpenStack needs the password of {login.who()}")
    user = {**_user(login), "password": login.password}
    return _version_3({"methods": ["password"], "password": {"user": user}}, login)


def token_3(login: Login) -> dict[str, Any]:
    """Return the body that exchanges the token of `login` for one of another scope."""
    if login.token is None:
        raise InvalidCredsError("OpenStack needs a token: pass ex_force_auth_token=")
    return _version_3({"methods": ["token"], "token": {"id": login.token}}, login)


def _credential_3(login: Login) -> dict[str, Any]:
    if login.credential_secret is None or not (login.credential_id or login.credential_name):
        raise InvalidCredsError("OpenStack needs an application credential's id (or name) and its secret")
    credential: dict[str, Any] = {"secret": login.credential_secret, "id": login.credential_id}
    if login.credential_id is None:
        credential |= {"name": login.credential_name, "user": _user(login)}
    identity = {"methods": ["application_credential"], "application_credential": drop_none(credential)}
    return {"auth": {"identity": identity}}  # its scope is fixed


def _version_2(login: Login, credentials: dict[str, Any]) -> dict[str, Any]:
    tenant = {"tenantName": login.project, "tenantId": login.project_id}
    return {"auth": drop_none({**credentials, **(tenant if login.scope == "project" else {})})}


def _password_2(login: Login) -> dict[str, Any]:
    if login.user is None or login.password is None:
        raise InvalidCredsError("OpenStack needs a user name and a password")
    credentials = {"username": login.user, "password": login.password}
    return _version_2(login, {"passwordCredentials": credentials})


def token_2(login: Login) -> dict[str, Any]:
    """Return the body that exchanges the token of `login` for one of another tenant."""
    if login.token is None:
        raise InvalidCredsError("OpenStack needs a token: pass ex_force_auth_token=")
    return _version_2(login, {"token": {"id": login.token}})


def _api_key_2(login: Login) -> dict[str, Any]:
    if login.user is None or login.password is None:
        raise InvalidCredsError("a user name and an API key are needed")
    credentials = {"username": login.user, "apiKey": login.password}
    return {"auth": {"RAX-KSKEY:apiKeyCredentials": credentials}}


def _no_body(_: Login) -> dict[str, Any]:
    raise AssertionError("the login of version 1 is a GET: see `version1`")


METHODS: Mapping[str, Method] = {
    "1.0": Method("v1.0", _no_body),
    "2.0_apikey": Method("v2.0", _api_key_2),
    "2.0_password": Method("v2.0", _password_2),
    "2.0_token": Method("v2.0", token_2),
    "3.x_appcred": Method("v3", _credential_3),
    "3.x_password": Method("v3", _password_3),
    "3.x_token": Method("v3", token_3),
}
"""The ways to log in, by the name that `ex_force_auth_version` gives them."""

APPLICATION_CREDENTIALS = frozenset({"3.x_appcred"})
ALIASES = {
    "1": "1.0",
    "2": "2.0_password",
    "2.0": "2.0_password",
    "3": "3.x_password",
    "3.0": "3.x_password",
    "3.x": "3.x_password",
}
UNSUPPORTED = {
    "1.1": "there are only '1.0', '2.0_password' and '3.x_password'",
    "2.0_voms": "VOMS proxies are not supported",
    "3.x_oidc_access_token": "OpenID Connect is not supported; get a token with `openstack token issue` and "
    "pass it as ex_force_auth_token",
}


def method_named(name: str) -> str:
    """Return the key of `METHODS` for a name of `ex_force_auth_version`.

    Raises `UnsupportedOperationError` for a way that is not offered, and `InvalidArgumentError` for another
    name.
    """
    if not isinstance(name, str):
        raise InvalidArgumentError(
            f"ex_force_auth_version must be a str such as '3.x_password', got {shown(name)}"
        )
    name = ALIASES.get(name, name)
    if name in METHODS:
        return name
    why = UNSUPPORTED.get(name) or (UNSUPPORTED["3.x_oidc_access_token"] if "oidc" in name else None)
    if why:
        raise UnsupportedOperationError(f"ex_force_auth_version={name!r}: {why}")
    near = difflib.get_close_matches(name, METHODS, 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise InvalidArgumentError(
        f"ex_force_auth_version must be one of {', '.join(METHODS)}, got {name!r}{hint}"
    )

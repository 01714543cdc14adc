"""`OpenStackBaseDriver`, the base of the drivers of all services of an OpenStack cloud."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from msgspec.structs import replace

from polycloud.common.arguments import require_bool
from polycloud.common.credentials import Credential
from polycloud.common.driver import BaseDriver
from polycloud.common.openstack import version1
from polycloud.common.openstack.account import Account, numbers_of
from polycloud.common.openstack.clouds import CloudSettings, find_cloud
from polycloud.common.openstack.connection import OpenStackBaseConnection
from polycloud.common.openstack.login import METHODS, Login, method_named
from polycloud.common.openstack.publicclouds import PublicCloud
from polycloud.common.options import split_url
from polycloud.errors import InvalidArgumentError, InvalidCredsError, UnsupportedOperationError
from polycloud.utils.values import shown

VERSIONS = ("/v3", "/v2.0", "/v2")


class OpenStackBaseDriver(BaseDriver):
    """The base of OpenStack's drivers.

    `Driver("user", "password", ex_force_auth_url="https://keystone.example.com", ex_tenant_name="web")`, or
    `Driver(cloud="prod")` for a cloud of clouds.yaml; without any of these the account is that of the `OS_*`
    variables, of `OS_CLOUD`, or the only one of clouds.yaml.

    Args:
        key: The user's name, or the id of an application credential.
        secret: Its password, or the secret.
        cloud: The name of a cloud in clouds.yaml, instead of key and secret.
        region: Same as `ex_force_service_region`.
        ex_force_auth_url: Keystone's address, with or without a version; same as `url`. That of a login of
            version 1 is complete, or has no path, which means /auth/v1.0.
        ex_force_auth_version: How to log in: "3.x_password" (the default), "3.x_appcred", "3.x_token",
            "2.0_password", and "1.0" for the storage alone. The default below an address that ends with /v2.0
            or /v1.0 is of that version.
        ex_force_auth_token: A token to use as it is; renewed with key and secret, if they are given.
        ex_token_scope: "project" (the default), "domain", "system" or "unscoped".
        ex_tenant_name: The project; not needed for a user who has only one.
        ex_tenant_domain_id: The id of the project's domain.
        ex_domain_name: The domain of the user and of the project, "Default" by default.
        ex_force_service_type: The type of the driver's service in the catalogue.
        ex_force_service_name: Its name in the catalogue.
        ex_force_service_region: The region; the first one of the catalogue by default.
        ex_force_base_url: The address of the driver's service, instead of that in the catalogue.
        ex_force_microversion: The microversion of all requests to the driver's service.
        ex_interface: The interface of the catalogue: "public" (the default), "internal" or "admin".
        **options: See `ConnectionOptions`; `host` and `port` are those of Keystone.

    Raises:
        InvalidCredsError: There is no account, or a part of the credentials is missing.
        InvalidArgumentError: An argument is invalid.
    """

    connectionCls = OpenStackBaseConnection
    connection: OpenStackBaseConnection
    name = "OpenStack"
    website = "https://www.openstack.org"
    api_name = "openstack"
    finds_credentials = True
    credentials = (Credential("username", ("OS_USERNAME",)), Credential("password", ("OS_PASSWORD",)))
    api_versions: ClassVar[tuple[str, ...]] = ()
    """The versions that `api_version` may name; an empty tuple for any."""
    default_method: ClassVar[str] = "3.x_password"
    further_connections: ClassVar[Mapping[str, type[OpenStackBaseConnection]]] = {}
    """Attributes that are connections to other services of the account, and their classes."""
    public_cloud: ClassVar[PublicCloud | None] = None
    """The public cloud whose identity service is used if no other one is given."""

    def __init__(
        self,
        key: str | None = None,
        secret: str | None = None,
        secure: bool = True,
        host: str | None = None,
        port: int | None = None,
        api_version: str | None = None,
        region: str | None = None,
        *,
        cloud: str | None = None,
        ex_force_auth_url: str | None = None,
        ex_force_auth_version: str | None = None,
        ex_force_auth_token: str | None = None,
        ex_token_scope: str | None = None,
        ex_tenant_name: str | None = None,
        ex_tenant_domain_id: str | None = None,
        ex_domain_name: str | None = None,
        ex_force_service_type: str | None = None,
        ex_force_service_name: str | None = None,
        ex_force_service_region: str | None = None,
        ex_force_base_url: str | None = None,
        ex_force_microversion: str | None = None,
        ex_interface: str | None = None,
        **options: Any,
    ) -> None:
        self._account: Account | None = None
        require_bool("secure", secure)
        options = self._recognized(options)
        _require_filled(
            ex_tenant_name=ex_tenant_name,
            ex_tenant_domain_id=ex_tenant_domain_id,
            ex_domain_name=ex_domain_name,
            ex_force_auth_token=ex_force_auth_token,
        )
        self._require_version(api_version)
        region = ex_force_service_region or region
        if self.public_cloud is not None and not (ex_force_auth_url or host or options.get("url") or cloud):
            ex_force_auth_url = self._public_url(region)
        given = key or ex_force_auth_token
        if cloud is not None and given:
            raise InvalidArgumentError("pass cloud= or a user (or a token), not both")
        found = None if given else find_cloud(cloud, region)
        login = (
            found.login
            if found
            else _login(
                key,
                secret,
                ex_force_auth_token,
                method=ex_force_auth_version or self._method_of(ex_force_auth_url or options.get("url")),
                scope=ex_token_scope or "project",
                domain=ex_domain_name,
            )
        )
        changes = dict(_changes(ex_tenant_name, ex_tenant_domain_id, ex_domain_name))
        if found and ex_force_auth_version:
            changes["method"] = method_named(ex_force_auth_version)
        if found and ex_token_scope:
            changes["scope"] = ex_token_scope
        login = _with_token(replace(login, **changes))
        url = self._identity_url(found, ex_force_auth_url, host, port, secure, options.pop("url", None))
        if url is not None:
            url = address_of_login(url, login.method)
        if url is None and not (ex_force_base_url and ex_force_auth_token):
            raise InvalidCredsError(
                f"{self.name} needs the address of Keystone: pass ex_force_auth_url=, "
                "or cloud= for one of clouds.yaml"
            )
        type_ = ex_force_service_type or self.connectionCls.service_types[0]
        urls = {**(found.urls if found else {}), **({type_: ex_force_base_url} if ex_force_base_url else {})}
        if ex_force_microversion is not None:
            numbers_of(ex_force_microversion)
        self._account = Account(
            login=login,
            identity_url=url,
            region=(found.region if found else None) or region,
            interface=(ex_interface or (found.interface if found else "public")).removesuffix("URL"),
            urls=urls,
            service_type=ex_force_service_type,
            service_name=ex_force_service_name,
            microversion=ex_force_microversion or (found.microversion if found else None),
        )
        if found:
            key, secret = login.user or login.credential_id, login.password or login.credential_secret
            defaults = {"ca_cert": found.ca_cert, "client_cert": found.client_cert, "timeout": found.timeout}
            options = {**{name: value for name, value in defaults.items() if value}, **options}
        options["url"] = url or ex_force_base_url
        region = self._account.region
        super().__init__(key, secret, True, None, None, api_version, region, **options)  # type: ignore[arg-type]
        for name, kind in self.further_connections.items():
            connection = kind(account=self._account, leader=self.connection, **options)
            connection.driver = self
            setattr(self, name, connection)

    def _ex_connection_class_kwargs(self) -> dict[str, Any]:
        return {"account": self._account}

    def _require_version(self, api_version: str | None) -> None:
        if api_version is None or not self.api_versions:
            return
        if api_version not in self.api_versions:
            given = api_version if isinstance(api_version, str) else shown(api_version)
            raise UnsupportedOperationError(
                f"{self.name} has no API {given}; there are {', '.join(self.api_versions)}", self
            )

    def _method_of(self, url: str | None) -> str:
        """Return the way to log in that the end of an identity URL suggests."""
        if isinstance(url, str) and url.rstrip("/").endswith(("/v1.0", "/v1")):
            return "1.0"
        if isinstance(url, str) and url.rstrip("/").endswith(("/v2.0", "/v2")):
            return self.default_method if METHODS[self.default_method].version == "v2.0" else "2.0_password"
        return self.default_method

    def _public_url(self, region: str | None) -> str:
        assert self.public_cloud is not None
        url = self.public_cloud.auth_url
        if "{region}" in url and not region:
            raise InvalidArgumentError(f"{self.name} needs a region: {', '.join(self.public_cloud.regions)}")
        return url.replace("{region}", region or "")

    def _identity_url(
        self,
        found: CloudSettings | None,
        auth_url: str | None,
        host: str | None,
        port: int | None,
        secure: bool,
        url: str | None,
    ) -> str | None:
        """Return the address of the identity service as it is given; None if it is unknown."""
        if auth_url and url:
            raise InvalidArgumentError("pass ex_force_auth_url= or url=, not both")
        given = auth_url or url or (found.auth_url if found and not host else None)
        if given is None and host:
            name = f"[{host}]" if ":" in host else host
            given = f"{'https' if secure else 'http'}://{name}" + (f":{port}" if port else "")
        if given is None:
            return None
        if not isinstance(given, str):
            raise InvalidArgumentError(f"ex_force_auth_url must be a str, got {shown(given)}")
        return given


def address_of_login(url: str, method: str) -> str:
    """Return the root of Keystone, without a version; or the complete address of a login of version 1."""
    root = url.rstrip("/")
    if method == "1.0":
        return f"{root}/" if split_url(root).path else f"{root}{version1.PATH}/"
    for version in VERSIONS:
        root = root.removesuffix(f"{version}/auth/tokens").removesuffix(version)
    return f"{root}/"


def _require_filled(**arguments: str | None) -> None:
    for name, value in arguments.items():
        if value == "":
            raise InvalidArgumentError(f"{name} must not be empty: leave it out, or pass a value")


def _with_token(login: Login) -> Login:
    """Return the login, which has a token if it is one by a token."""
    if login.method.endswith("_token") and login.token is None:
        raise InvalidCredsError(f"{login.method!r} logs in by a token: pass ex_force_auth_token=")
    return login


def _login(
    key: str | None,
    secret: str | None,
    token: str | None,
    *,
    method: str,
    scope: str,
    domain: str | None,
) -> Login:
    method = method_named(method)
    if token is not None and not secret:
        by_token = {"v1.0": "1.0", "v2.0": "2.0_token", "v3": "3.x_token"}
        return Login(method=by_token[METHODS[method].version], token=token, scope=scope)
    if not secret or not key:
        raise InvalidCredsError("OpenStack needs a user name and a password, as str")
    if method == "3.x_appcred":
        return Login(method=method, credential_id=key, credential_secret=secret, token=token)
    scoped = {"domain": domain} if scope == "domain" else {}
    return Login(method=method, user=key, password=secret, token=token, scope=scope, **scoped)


def _changes(tenant: str | None, tenant_domain_id: str | None, domain: str | None) -> Mapping[str, Any]:
    """Return the fields of a `Login` that arguments replace."""
    changes: dict[str, Any] = {}
    if tenant is not None:
        changes |= {"project": tenant, "project_id": None}
    if domain is not None:
        changes |= {
            "user_domain": domain,
            "user_domain_id": None,
            "project_domain": domain,
            "project_domain_id": None,
        }
    if tenant_domain_id is not None:
        changes |= {"project_domain": None, "project_domain_id": tenant_domain_id}
    return changes

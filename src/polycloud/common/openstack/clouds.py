"""Accounts as OpenStack's own tools keep them: clouds.yaml, secure.yaml, clouds-public.yaml and `OS_*`.

The rules are those of openstacksdk. Each of the three files is the first one found in: the current folder,
~/.config/openstack, /etc/xdg/openstack, /etc/openstack; as .yaml, .yml or .json. `OS_CLIENT_CONFIG_FILE` and
`OS_CLIENT_SECURE_FILE` are looked at before these. `OS_*` variables are a cloud too, called `envvars` or as
`OS_CLOUD_NAME` says. The cloud is the one that is asked for, else that of `OS_CLOUD`, else that of the
variables, else the only one of the file.

YAML needs PyYAML (extra `openstack`): OpenStack's users write their accounts in it, anchors included.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from polycloud.common.openstack.login import DEFAULT_DOMAIN, Login
from polycloud.common.openstack.publicclouds import PUBLIC_CLOUDS
from polycloud.errors import InvalidArgumentError, InvalidCredsError, UnsupportedOperationError

Table = dict[str, Any]
SUFFIXES = (".yaml", ".yml", ".json")
SELECTORS = frozenset(
    {"OS_CLOUD", "OS_REGION_NAME", "OS_CLIENT_CONFIG_FILE", "OS_CLIENT_SECURE_FILE", "OS_CLOUD_NAME"}
)
"""Variables that select a cloud and do not describe one."""
FOREIGN = ("OS_TEST", "OS_STD", "OS_LOG")
"""How the names of variables of OpenStack's test tools begin."""
LONGEST_FILE = 1_000_000
LINE = re.compile(r"line (\d+), column")
AUTH_KEYS = {
    "application_credential_id": "credential_id",
    "application_credential_name": "credential_name",
    "application_credential_secret": "credential_secret",
    "auth_token": "token",
    "domain_id": "domain_id",
    "domain_name": "domain",
    "password": "password",
    "project_domain_id": "project_domain_id",
    "project_domain_name": "project_domain",
    "project_id": "project_id",
    "project_name": "project",
    "tenant_id": "project_id",
    "tenant_name": "project",
    "token": "token",
    "trust_id": "trust_id",
    "user_domain_id": "user_domain_id",
    "user_domain_name": "user_domain",
    "user_id": "user_id",
    "user_name": "user",
    "username": "user",
}
"""The keys of `auth` in clouds.yaml, and the fields of `Login` that they are; a later one counts."""
OTHER_AUTH_KEYS = ("auth_url", "default_domain_id", "default_domain_name", "system_scope")
AUTH_TYPES = {
    "v1password": "1.0",
    "password": "3.x_password",
    "token": "3.x_token",
    "v2password": "2.0_password",
    "v2token": "2.0_token",
    "v3applicationcredential": "3.x_appcred",
    "v3password": "3.x_password",
    "v3token": "3.x_token",
}
FALSE = frozenset({"false", "no", "0", "off"})


class CloudSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A cloud as the files or the environment describe it."""

    name: str
    auth_url: str
    login: Login
    region: str | None = None
    interface: str = "public"
    urls: dict[str, str] = {}
    ca_cert: str | None = None
    client_cert: str | tuple[str, str] | None = None
    timeout: float | None = None
    microversion: str | None = None


def find_cloud(name: str | None = None, region: str | None = None) -> CloudSettings:
    """Return a cloud of the files or of the environment; see the module for which one without a name.

    Raises `InvalidArgumentError` for a file that cannot be read, a cloud or a region that they do not name;
    and `InvalidCredsError` if there is no cloud at all.
    """
    clouds, files = _clouds()
    variables = _of_environment()
    own = os.environ.get("OS_CLOUD_NAME") or "envvars"
    if variables is not None:
        clouds[own] = variables
    chosen = name or os.environ.get("OS_CLOUD") or (own if variables is not None else None)
    if chosen is None and len(clouds) == 1:
        chosen = next(iter(clouds))
    if chosen is None:
        raise InvalidCredsError(_no_choice(clouds))
    if chosen not in clouds:
        near = difflib.get_close_matches(chosen, clouds, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        known = ", ".join(clouds) or "none"
        where = " and ".join(map(str, files)) or "no clouds.yaml was found"
        raise InvalidArgumentError(f"no cloud is called {chosen!r}; {hint}there are: {known} ({where})")
    return _settings(chosen, clouds[chosen], region or os.environ.get("OS_REGION_NAME"))


def _no_choice(clouds: Mapping[str, Any]) -> str:
    if clouds:
        return f"which cloud? Pass cloud= or set OS_CLOUD; there are: {', '.join(clouds)}"
    return (
        "OpenStack needs an account: pass a user, a password and ex_force_auth_url=, pass cloud= for one of "
        "clouds.yaml, or set OS_AUTH_URL, OS_USERNAME, OS_PASSWORD and OS_PROJECT_NAME"
    )


# Files


def _clouds() -> tuple[dict[str, Table], list[Path]]:
    """Return the clouds of clouds.yaml with their secrets of secure.yaml, and the files."""
    clouds, file = _first("clouds", "OS_CLIENT_CONFIG_FILE")
    secrets, secret_file = _first("secure", "OS_CLIENT_SECURE_FILE")
    merged = _merged(_table(clouds, "clouds", file), _table(secrets, "clouds", secret_file))
    tables = {str(name): dict(table) for name, table in merged.items() if isinstance(table, dict)}
    return tables, [one for one in (file, secret_file) if one is not None]


def _first(name: str, variable: str | None = None) -> tuple[Table, Path | None]:
    """Return the content of the first file of that name, and its path."""
    for path in _candidates(name, os.environ.get(variable) if variable else None):
        try:
            if not path.is_file():
                continue
            content = path.read_bytes()
        except PermissionError:  # as openstacksdk does
            continue
        except OSError as error:
            raise InvalidArgumentError(f"{path} cannot be read: {error.strerror or error}") from None
        return _parsed(path, content), path
    return {}, None


def _candidates(name: str, first: str | None) -> Iterator[Path]:
    if first:
        yield Path(first).expanduser()
    home = Path(os.environ.get("SNAP_REAL_HOME") or Path("~").expanduser())
    configs = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    sites = (os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")
    folders = (Path.cwd(), configs / "openstack", home / ".config" / "openstack")
    for folder in dict.fromkeys(
        (*folders, *(Path(site) / "openstack" for site in sites), Path("/etc/openstack"))
    ):
        for suffix in SUFFIXES:
            yield folder / f"{name}{suffix}"


def _parsed(path: Path, content: bytes) -> Table:
    if len(content) > LONGEST_FILE:
        raise InvalidArgumentError(f"{path} is longer than {LONGEST_FILE:,} bytes")
    try:
        value = msgspec.json.decode(content) if path.suffix == ".json" else msgspec.yaml.decode(content)
    except ImportError:
        raise InvalidArgumentError(
            f"reading {path} needs: pip install 'polycloud[openstack]', or write it as .json"
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError) as error:
        problem = str(error).partition("\n")[0]  # further lines quote the file
        lines = LINE.findall(str(error))
        place = f" (line {lines[-1]})" if lines else ""
        raise InvalidArgumentError(f"{path} cannot be read{place}: {problem}") from None
    if not isinstance(value, dict):
        raise InvalidArgumentError(f"{path} must be a mapping with the key 'clouds'")
    return value


def _table(content: Table, key: str, path: Path | None) -> Table:
    table = content.get(key) or {}
    if not isinstance(table, dict):
        raise InvalidArgumentError(f"{path}: {key} must be a mapping")
    return table


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> Table:
    """Return two tables as one, deeply; `over` counts."""
    both = {
        name
        for name in under
        if name in over and isinstance(under[name], dict) and isinstance(over[name], dict)
    }
    return {
        **under,
        **{name: _merged(under[name], over[name]) if name in both else over[name] for name in over},
    }


def _of_environment() -> Table | None:
    """Return the cloud of the `OS_*` variables, or None if they only select one."""
    names = [name for name in os.environ if name.startswith("OS_") and not name.startswith(FOREIGN)]
    if not set(names) - SELECTORS:
        return None
    return {name[3:].lower(): os.environ[name] for name in names if os.environ[name]}


# What they mean


def _settings(name: str, table: Table, region: str | None) -> CloudSettings:
    profile = table.get("profile") or table.get("cloud")
    if profile:
        table = _merged(_vendor(str(profile), name), table)
    region, values = _region(name, table, region)
    table = _merged(table, values)
    auth = _auth(table)
    url = auth.get("auth_url")
    if not isinstance(url, str) or not url:
        raise InvalidCredsError(
            f"the cloud {name!r} has no auth_url; write it under its auth, or set OS_AUTH_URL"
        )
    url = url.replace("{region_name}", region or "").replace("{region}", region or "")
    verify = str(table.get("verify", True)).lower() not in FALSE and str(
        table.get("insecure", False)
    ).lower() in (
        *FALSE,
        "none",
    )
    if not verify and url.startswith("https:"):
        raise UnsupportedOperationError(
            f"the cloud {name!r} switches off the verification of certificates, which polycloud always does; "
            "name the certificate of its authority with cacert instead"
        )
    version = str(table.get("compute_default_microversion") or "") or None
    return CloudSettings(
        name=name,
        auth_url=url,
        login=_login(name, table, auth),
        region=region,
        interface=_interface(table),
        urls=_urls(table),
        ca_cert=_text(table.get("cacert")),
        client_cert=_client_cert(table),
        timeout=_seconds(table.get("api_timeout")),
        microversion=version,
    )


def _vendor(profile: str, name: str) -> Table:
    """Return what a vendor profile says: that of clouds-public.yaml, or one of ours."""
    content, path = _first("clouds-public")
    public = _table(content, "public-clouds", path)
    if isinstance(found := public.get(profile), dict):
        return found
    if profile in PUBLIC_CLOUDS:
        cloud = PUBLIC_CLOUDS[profile]
        return {
            "auth": {"auth_url": cloud.auth_url},
            **({"regions": list(cloud.regions)} if cloud.regions else {}),
        }
    known = sorted({*public, *PUBLIC_CLOUDS})
    near = difflib.get_close_matches(profile, known, 1)
    # What is near no name may be a secret in the wrong place
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
    named = _named("profile", profile, known)
    raise InvalidArgumentError(f"the cloud {name!r} names {named}, which does not exist; {hint}")


def _named(what: str, value: str, known: Iterable[str]) -> str:
    """Return words for a value, which is in them if it is near a known one: else it may be a secret."""
    return f"the {what} {value!r}" if difflib.get_close_matches(value, known, 1) else f"another {what}"


def _region(name: str, table: Table, wanted: str | None) -> tuple[str | None, Table]:
    """Return the region, by default the first one of the cloud, and what the cloud says of it."""
    regions = table.get("regions") or table.get("region_name") or []
    listed = regions.split(",") if isinstance(regions, str) else regions if isinstance(regions, list) else []
    known: dict[str, Table] = {}
    for one in listed:
        entry = one if isinstance(one, dict) else {"name": one}
        values: Any = entry.get("values") or {}
        known[str(entry.get("name")).strip()] = dict(values)
    if not known:
        return wanted, {}
    own = table.get("region_name")
    chosen = wanted or (own if isinstance(own, str) and own in known else next(iter(known)))
    if chosen not in known and "regions" in table:
        near = difflib.get_close_matches(chosen, known, 1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InvalidArgumentError(
            f"the cloud {name!r} has no region {chosen!r}, only: {', '.join(known)}{hint}"
        )
    return chosen, known.get(chosen, {})


def _auth(table: Table) -> Table:
    """Return the keys of `auth`; those outside of it, as from variables, count more."""
    inner = table.get("auth") or {}
    if not isinstance(inner, dict):
        raise InvalidArgumentError("auth in clouds.yaml must be a mapping")
    both = {**inner, **{key: value for key, value in table.items() if key != "auth"}}
    names = (*AUTH_KEYS, *OTHER_AUTH_KEYS)
    return {
        key: both[other]
        for key in names
        for other in (key.replace("_", "-"), key)
        if both.get(other) is not None
    }


def _login(name: str, table: Table, auth: Table) -> Login:
    fields = {field: str(auth[key]) for key, field in AUTH_KEYS.items() if key in auth}
    method = _method(name, table, fields)
    if method == "3.x_appcred":
        wanted = {
            "credential_id",
            "credential_name",
            "credential_secret",
            "user",
            "user_id",
            "user_domain",
            "user_domain_id",
        }
        return Login(method=method, scope="project", **{key: fields[key] for key in fields.keys() & wanted})
    scoped = bool(fields.keys() & {"project", "project_id"})
    domain_name, domain_id = fields.pop("domain", None), fields.pop("domain_id", None)
    defaults = {"domain": auth.get("default_domain_name"), "domain_id": auth.get("default_domain_id")}
    scope = "project"
    if auth.get("system_scope"):
        scope = "system"
    elif not scoped and (domain_name or domain_id):
        scope = "domain"
    for owner in ("user", "project"):
        name_key, id_key = f"{owner}_domain", f"{owner}_domain_id"
        if not fields.keys() & {name_key, id_key}:
            one = (domain_name if scoped else None) or defaults["domain"]
            other = (domain_id if scoped else None) or defaults["domain_id"]
            fields |= {id_key: str(other)} if other else {name_key: str(one or DEFAULT_DOMAIN)}
        elif id_key in fields:
            fields.pop(name_key, None)
    if method.endswith("token"):
        fields.pop("password", None)
    else:
        fields.pop("token", None)
    return Login(
        method=method,
        scope=scope,
        domain=None if scope != "domain" or domain_id else domain_name,
        domain_id=domain_id if scope == "domain" else None,
        **fields,
    )


def _method(name: str, table: Table, fields: Mapping[str, str]) -> str:
    """Return the way to log in, by the name that `METHODS` gives it."""
    kind = str(table.get("auth_type") or table.get("auth_plugin") or "password")
    if kind == "password" and "token" in fields and "password" not in fields:
        kind = "token"
    if kind not in AUTH_TYPES:
        raise UnsupportedOperationError(
            f"the cloud {name!r} has {_named('auth_type', kind, AUTH_TYPES)}; supported are: "
            + ", ".join(AUTH_TYPES)
        )
    old = str(table.get("identity_api_version", "")).startswith("2")
    return AUTH_TYPES[f"v2{kind}" if old and f"v2{kind}" in AUTH_TYPES else kind]


def _interface(table: Table) -> str:
    text = table.get("interface") or table.get("endpoint_type") or "public"
    return str(text).removesuffix("URL")


def _urls(table: Table) -> dict[str, str]:
    """Return the addresses of `SERVICE_endpoint_override`, by the type of the service."""
    end = "_endpoint_override"
    return {
        key[: -len(end)].replace("_", "-"): str(url)
        for key, url in table.items()
        if key.endswith(end) and url
    }


def _client_cert(table: Table) -> str | tuple[str, str] | None:
    cert, key = _text(table.get("cert")), _text(table.get("key"))
    return (cert, key) if cert and key else cert


def _text(path: Any) -> str | None:
    return str(Path(str(path)).expanduser()) if path else None


def _seconds(value: Any) -> float | None:
    try:
        return float(value) if value else None
    except (TypeError, ValueError):
        raise InvalidArgumentError("api_timeout in clouds.yaml must be a number of seconds") from None

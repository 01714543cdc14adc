"""Azure's clouds: where their storage is, and where to log in."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from polycloud.errors import InvalidArgumentError
from polycloud.utils.values import shown


class Environment(msgspec.Struct, frozen=True):
    """A cloud of Azure: the end of its storage hosts' names, and the address of its logins."""

    storage: str
    authority: str


GLOBAL = Environment("core.windows.net", "https://login.microsoftonline.com")
ENVIRONMENTS: Mapping[str, Environment] = {
    "default": GLOBAL,
    "AzureCloud": GLOBAL,
    "AzureChinaCloud": Environment("core.chinacloudapi.cn", "https://login.chinacloudapi.cn"),
    "AzureUSGovernment": Environment("core.usgovcloudapi.net", "https://login.microsoftonline.us"),
}
"""The clouds by the names of Azure's own tools; "default" is the global one."""


def environment_of(name: object) -> Environment:
    """Return the cloud of this name. Raises `InvalidArgumentError` that lists the names."""
    if isinstance(name, str) and name in ENVIRONMENTS:
        return ENVIRONMENTS[name]
    known = ", ".join(ENVIRONMENTS)
    raise InvalidArgumentError(f"cloud_environment must be one of {known}, got {shown(name)}")


def account_host(account: str, host: str) -> str:
    """Return the host of an account, if `host` is what Azure's clouds have after its name; else `host`."""
    ends = {f"blob.{one.storage}" for one in ENVIRONMENTS.values()}
    return f"{account}.{host}" if host.removeprefix("privatelink.") in ends else host

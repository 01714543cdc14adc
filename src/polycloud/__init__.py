"""One Python API for every cloud: servers, object storage, load balancers and DNS."""

from __future__ import annotations

from typing import Any

from polycloud.common.types import Type

__all__ = ["DriverType", "__version__", "connect", "get_driver"]

__version__ = "0.1.0"


class DriverType(Type):
    """The services that there are drivers for."""

    COMPUTE = "compute"


def get_driver(type: str, provider: str) -> Any:
    """The driver class of a provider for one service: `get_driver(DriverType.COMPUTE, "nephoscale")`.

    Raises `UnknownProviderError` where there is none, and `InvalidArgumentError` for an unknown service.
    """
    from importlib import import_module

    from polycloud.errors import InvalidArgumentError

    if type not in list(DriverType):
        raise InvalidArgumentError(f"no service is called {type!r}; there are: {', '.join(DriverType)}")
    return import_module(f"polycloud.{type}.providers").get_driver(provider)


def connect(
    provider: str | None = None,
    *credentials: Any,
    service: str = "compute",
    profile: str | None = None,
    **options: Any,
) -> Any:
    """A driver, made: `connect("nephoscale", "user", "password")`, or `connect(profile="prod")`.

    Without credentials they are taken from the variables in which the provider's users usually keep them
    (`DIGITALOCEAN_TOKEN`); without a provider the account comes from `polycloud.config`.

    Args:
        provider: The provider's name.
        *credentials: What its driver takes first: a key, or a user and a password.
        service: The service, such as "compute".
        profile: The name of an account of the configuration.
        **options: Those of the driver, such as `host` or `timeout`; see
            `polycloud.common.base.ConnectionOptions`.

    Raises:
        UnknownProviderError: There is no such provider.
        ConfigError: There is no such profile, or credentials are missing.
    """
    from importlib import import_module

    config = import_module("polycloud.config")
    return config.connect(provider, *credentials, service=service, profile=profile, **options)

"""One Python API for many clouds: servers, object storage and DNS.

    driver = polycloud.connect("digitalocean", token)        # or polycloud.connect(profile="prod")
    nodes = driver.list_nodes()

What a program needs is here: `connect`, `get_driver` and `DriverType`; `call_options` and `RetryPolicy`,
which limit calls; `add_hook`, which sees every request; `install_as_libcloud`, for programs that import
Libcloud; and the errors. The rest is imported when it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polycloud.common.providers import DriverType, get_driver
    from polycloud.concurrency.calls import call_options
    from polycloud.config import connect
    from polycloud.errors import (
        AmbiguousCreateError,
        ConflictError,
        ConnectError,
        InsecureConnectionError,
        InvalidArgumentError,
        InvalidCredsError,
        LoginError,
        MalformedResponseError,
        NotFoundError,
        OperationTimeoutError,
        PolycloudError,
        ProviderError,
        ProviderHTTPError,
        QuotaExceededError,
        RateLimitReachedError,
        ReadTimeoutError,
        ServerError,
        TLSError,
        TransportError,
        UnknownProviderError,
        UnsupportedOperationError,
    )
    from polycloud.http.retry import RetryPolicy
    from polycloud.libcloud import install_as_libcloud
    from polycloud.tracing.hooks import add_hook
    from polycloud.version import __version__

__all__ = [
    "AmbiguousCreateError",
    "ConflictError",
    "ConnectError",
    "DriverType",
    "InsecureConnectionError",
    "InvalidArgumentError",
    "InvalidCredsError",
    "LoginError",
    "MalformedResponseError",
    "NotFoundError",
    "OperationTimeoutError",
    "PolycloudError",
    "ProviderError",
    "ProviderHTTPError",
    "QuotaExceededError",
    "RateLimitReachedError",
    "ReadTimeoutError",
    "RetryPolicy",
    "ServerError",
    "TLSError",
    "TransportError",
    "UnknownProviderError",
    "UnsupportedOperationError",
    "__version__",
    "add_hook",
    "call_options",
    "connect",
    "get_driver",
    "install_as_libcloud",
]

_HOMES = {
    "DriverType": "polycloud.common.providers",
    "RetryPolicy": "polycloud.http.retry",
    "__version__": "polycloud.version",
    "add_hook": "polycloud.tracing.hooks",
    "call_options": "polycloud.concurrency.calls",
    "connect": "polycloud.config",
    "get_driver": "polycloud.common.providers",
    "install_as_libcloud": "polycloud.libcloud",
}
"""Where the names are that are not errors."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        import sys

        message = f"module 'polycloud' has no attribute {name!r}"
        raise AttributeError(message, name=name, obj=sys.modules[__name__])
    from importlib import import_module

    value = globals()[name] = getattr(import_module(_HOMES.get(name, "polycloud.errors")), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

"""`BaseDriver`, the base of the drivers of every service, and the credentials that it needs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from polycloud.common.connection import Connection, ConnectionKey, ConnectionOptions, ConnectionUserAndKey
from polycloud.common.credentials import Credential
from polycloud.common.options import refuse
from polycloud.errors import InvalidArgumentError, InvalidCredsError, PolycloudError

__all__ = ["BaseDriver", "credentials_from_environment", "credentials_of"]


class BaseDriver:
    """The base of every service's drivers: takes credentials and makes `connection`.

    `name` is the provider's display name, `type` its constant, `api_name` its name in the user agent and the
    pricing data, `website` its address, `credentials` the names that profiles give to its first arguments and
    the variables that hold them, `finds_credentials` whether it searches for them itself (variables, files,
    metadata service) if it is given none. Immutable after construction; safe to share between threads.
    """

    connectionCls: ClassVar[type[Connection]] = ConnectionKey
    name: ClassVar[str] = ""
    type: ClassVar[Any] = None
    api_name: ClassVar[str] = ""
    website: ClassVar[str] = ""
    credentials: ClassVar[tuple[Credential, ...]] = ()
    finds_credentials: ClassVar[bool] = False

    def __init__(
        self,
        key: str,
        secret: str | None = None,
        secure: bool = True,
        host: str | None = None,
        port: int | None = None,
        api_version: str | None = None,
        region: str | None = None,
        **options: Any,
    ) -> None:
        credentials = self._credentials(key, secret)
        options = self._recognized(options)
        self.key = key
        self.secret = secret
        self.region = region
        self.api_version = api_version
        options = {
            "secure": secure,
            "host": host,
            "port": port,
            **self._ex_connection_class_kwargs(),
            **options,
        }
        self.connection = self.connectionCls(*credentials, **options)
        self.connection.driver = self

    def _ex_connection_class_kwargs(self) -> dict[str, Any]:
        """Return further keyword arguments for `connectionCls`."""
        return {}

    def _credentials(self, key: str, secret: str | None) -> tuple[Any, ...]:
        if not issubclass(self.connectionCls, ConnectionKey):
            return ()
        both = issubclass(self.connectionCls, ConnectionUserAndKey)
        if secret is not None and not both:
            raise InvalidArgumentError(
                f"{self.name or type(self).__name__} takes a key but not a secret; leave secret= out"
            )
        given = (key, secret) if both else (key,)
        if not all(isinstance(part, str) and part for part in given):
            needed = "a user name and a secret" if both else "a key"
            raise InvalidCredsError(f"{self.name or type(self).__name__} needs {needed}, as str", driver=self)
        return given

    def _recognized(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options that the driver has; others are refused."""
        general = ConnectionOptions.__annotations__.keys()
        unknown = options.keys() - general - self._ex_connection_class_kwargs().keys()
        for name in sorted(unknown):
            import difflib

            known = sorted(general | _arguments_of(type(self)))
            near = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(known)}"
            refuse(f"{type(self).__name__} has no option {name!r}{hint}")
        return {name: option for name, option in options.items() if name not in unknown}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a pickled driver; a dummy that Libcloud pickled is made anew, with the same credentials."""
        if hasattr(state.get("connection"), "transport_options"):
            self.__dict__.update(state)
        else:
            credentials = [state[name] for name in ("creds", "key") if name in state]
            self.__init__(*credentials)  # type: ignore[misc]

    def clean_error(self, error: PolycloudError) -> None:
        """Remove from an error what no error may show: the driver's secrets, and those that it sent."""
        from polycloud.tracing.cleaning import clean

        clean(error, self.connection.secrets_of())

    def close(self) -> None:
        """Close the driver's connections; a later call opens new ones."""
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.connection!r}>"


def _arguments_of(kind: type[BaseDriver]) -> set[str]:
    """Return the names of what the constructor takes by name."""
    import inspect

    constructors = (vars(one)["__init__"] for one in kind.__mro__ if "__init__" in vars(one))
    parameters = (one for each in constructors for one in inspect.signature(each).parameters.values())
    return {one.name for one in parameters if one.kind in {one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY}} - {
        "self"
    }


def credentials_of(kind: type[BaseDriver]) -> tuple[Credential, ...]:
    """Return the credentials of a driver class, each also as `POLYCLOUD_PROVIDER_NAME` in the environment."""
    both = issubclass(kind.connectionCls, ConnectionUserAndKey)
    default = (Credential("key"), Credential("secret")) if both else (Credential("key"),)
    prefix = f"POLYCLOUD_{kind.api_name or kind.__name__}".upper().replace("-", "_")
    return tuple(
        Credential(one.name, (f"{prefix}_{one.name.upper()}", *one.variables))
        for one in kind.credentials or default
    )


def credentials_from_environment(kind: type[BaseDriver]) -> tuple[str, ...] | None:
    """Return the credentials in the environment's variables; None unless all of them are set.

    An empty tuple for a driver that finds its credentials itself.
    """
    if kind.finds_credentials:
        return ()
    found = [
        next((os.environ[name] for name in one.variables if os.environ.get(name)), None)
        for one in credentials_of(kind)
    ]
    values = tuple(value for value in found if value is not None)
    return values if len(values) == len(found) else None

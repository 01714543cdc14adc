"""What a class of Libcloud is: its service, its constructor's arguments, the operations that it overrides."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from types import FunctionType
from typing import Any

from polycloud.common.credentials import Credential

BASES = {
    ("libcloud.compute.base", "NodeDriver"): "compute",
    ("libcloud.storage.base", "StorageDriver"): "storage",
    ("libcloud.dns.base", "DNSDriver"): "dns",
    ("libcloud.loadbalancer.base", "Driver"): "loadbalancer",
}
"""The base classes of Libcloud, and their services."""
KEYS = frozenset({"key", "secret", "creds", "api_key", "api_secret", "key_file"})
"""Arguments of constructors that are secret, beside those whose names say it."""
SELF = 1


@cache
def base_of(kind: Any) -> tuple[type, str] | None:
    """Return Libcloud's base class of a driver, and its service; None for another class."""
    for one in kind.__mro__:
        service = BASES.get((one.__module__, one.__name__))
        if service is not None:
            return one, service
    return None


def variants(kind: Any) -> list[Any]:
    """Return the classes whose instances a class makes: some choose one of their subclasses by version."""
    if kind.__new__ is object.__new__:
        return [kind]
    found = [kind]
    for one in found:
        found += [each for each in one.__subclasses__() if each not in found]
    return found


def table_of(kind: Any, name: str) -> dict[Any, Any]:
    """Return what a table of a class and of its variants has."""
    tables = [dict(getattr(one, name, None) or {}) for one in variants(kind)]
    return {key: value for table in tables for key, value in table.items()}


def overrides(kind: Any, name: str) -> bool:
    """Return whether a class has a method of its own of this name, which does more than refuse."""
    method, base = getattr(kind, name, None), base_of(kind)
    if not callable(method) or refuses(method):
        return False
    return base is None or method is not getattr(base[0], name, None)


def offered(kind: Any, name: str) -> bool:
    """Return whether one of the class's variants overrides a method."""
    return any(overrides(one, name) for one in variants(kind))


def refuses(method: Any) -> bool:
    """Return whether a method does nothing but raise `NotImplementedError`."""
    code = getattr(method, "__code__", None)
    return code is not None and code.co_names == ("NotImplementedError",)


def extensions(kind: Any) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield the `ex_` methods of a class and its variants."""
    seen = set()
    for one in variants(kind):
        for name in dir(one):
            method = inspect.getattr_static(one, name)
            if name.startswith("ex_") and name not in seen and isinstance(method, FunctionType):
                seen.add(name)
                yield name, method


def constructor(kind: Any) -> Any:
    """Return the function that takes the arguments of the class."""
    return kind.__init__ if kind.__new__ is object.__new__ else kind.__new__


@cache
def parameters(kind: Any) -> Mapping[str, inspect.Parameter]:
    """Return the arguments that the class takes by name."""
    found: dict[str, inspect.Parameter] = {}
    for function in {constructor(kind), kind.__init__}:
        for one in list(inspect.signature(function).parameters.values())[SELF:]:
            if one.kind not in {one.VAR_POSITIONAL, one.VAR_KEYWORD}:
                found.setdefault(one.name, one)
    return found


def bound(kind: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of the constructor by name. Raises `TypeError` if it does not take them."""
    signature = inspect.signature(constructor(kind))
    found: dict[str, Any] = {}
    for name, value in list(signature.bind(None, *args, **kwargs).arguments.items())[SELF:]:
        if signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
            found |= value
        elif signature.parameters[name].kind is inspect.Parameter.VAR_POSITIONAL:
            found |= {("key", "secret")[at] if at < 2 else f"{name}{at}": one for at, one in enumerate(value)}  # noqa: PLR2004
        else:
            found[name] = value
    return found


def secrets_in(given: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the texts among the arguments of a constructor that no error may show."""
    from polycloud.tracing.redaction import is_secret

    texts = ((name, value) for name, value in given.items() if isinstance(value, str) and value)
    return tuple(
        value
        for name, value in texts
        if name in KEYS or is_secret(name, field=True) or ("://" in value and "@" in value)
    )


def credentials(kind: Any) -> tuple[Credential, ...]:
    """Return the credentials that the class needs: its arguments without default, and a secret to a key."""
    named = parameters(kind)
    names = [name for name, one in named.items() if one.default is one.empty]
    both = import_module("libcloud.common.base").ConnectionUserAndKey
    needs_both = all(issubclass(one.connectionCls, both) for one in variants(kind))
    if not names:
        names = ["key"] if "key" in named or not named else list(named)[:1]
    if needs_both and names[-1] != "secret" and "secret" not in names and ("secret" in named or not named):
        names.append("secret")
    return tuple(map(Credential, names))

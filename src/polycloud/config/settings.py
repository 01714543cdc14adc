"""What the settings of a profile may be: the options of every driver, and their types."""

from __future__ import annotations

from typing import Any

from polycloud.config.errors import ConfigError

LARGEST_NUMBER = 2**63
"""Integers of TOML have 64 bits."""
NUMBER = (int, float)
OPTIONS: dict[str, tuple[type, ...]] = {
    "allow_insecure": (bool,),
    "api_version": (str,),
    "backoff": NUMBER,
    "body_limit": (int,),
    "value_limit": (int,),
    "ca_cert": (str,),
    "client_cert": (str, list),
    "deadline": NUMBER,
    "host": (str,),
    "pool_size": (int,),
    "port": (int,),
    "proxy_url": (str,),
    "region": (str,),
    "retry_delay": NUMBER,
    "secure": (bool,),
    "timeout": (*NUMBER, list),
    "url": (str,),
    "user_agent_append": (str, list),
}
"""The options of every driver, and their types; a driver checks its own options itself."""
PAIRS: dict[str, tuple[type, ...]] = {"client_cert": (str,), "timeout": NUMBER}
"""Options whose lists are pairs, and the types of their members."""
TYPES = {
    str: "a string",
    bool: "true or false",
    int: "an integer",
    float: "a number",
    list: "a list",
    dict: "a table",
}


def check(value: Any, types: tuple[type, ...] | None) -> None:
    """Raise `ConfigError` for a value of another type, without the value: it may be a secret."""
    if isinstance(value, int) and abs(value) >= LARGEST_NUMBER:
        raise ConfigError("it must be an integer of 64 bits")
    if types is None:
        return
    # True is an int
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        names = " or ".join(TYPES[one] for one in types if one is not int or float not in types)
        raise ConfigError(f"it must be {names}, got {kind_of(value)}")
    if value == "":
        raise ConfigError("it must not be empty")


def listed(name: str, value: list[Any]) -> Any:
    """Return the list of an option; a tuple for a pair, which TOML cannot express."""
    if name not in OPTIONS:
        return value
    for one in value:
        check(one, PAIRS.get(name, (str,)))
    if name in PAIRS and len(value) != len(("one", "other")):
        raise ConfigError(f"it must be a pair, got a list of {len(value)}")
    return tuple(value)


def kind_of(value: Any) -> str:
    """Return what a value of a file is, in TOML's words."""
    return TYPES.get(type(value), f"a {type(value).__name__}")

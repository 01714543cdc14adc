"""Write the public names of apache-libcloud as JSON: the data of `polycloud check-program`.

In an environment of its own (pip install apache-libcloud==3.9.1 fasteners; the driver of local files needs
the latter):

    python bench/libcloudnames.py > src/polycloud/data/libcloud-names.json

It imports Libcloud and inspects it; it reads no source. A name is written with what is needed to compare it:

    drivers   service -> provider's constant -> [module, class]
    modules   module -> name -> "=HOME" (a class, or a function of another module), the parameters of a
              function, null (anything else); null for a module that only a provider's driver needs which
              polycloud does not have
    classes   home -> [homes of its bases, member -> its parameters, or null]; a home is "module:class"

Parameters are one text: `name size *, image **kwargs`. Names of other packages are left out, except those of
`libcloud.utils.py3`, which is there for them.
"""

from __future__ import annotations

import inspect
import json
import os
import pkgutil
import sys
import typing
import warnings
from enum import Enum
from importlib import import_module
from importlib.metadata import version
from types import ModuleType
from typing import Any

SERVICES = ("backup", "compute", "container", "dns", "loadbalancer", "storage")
OURS = {
    "compute.drivers": ("digitalocean", "dummy", "ec2", "linode", "openstack", "ovh", "rackspace"),
    "dns.drivers": ("cloudflare", "digitalocean", "dummy", "linode", "powerdns", "rackspace", "route53"),
    "loadbalancer.drivers": ("alb", "elb", "rackspace"),
    "storage.drivers": (
        "azure_blobs",
        "backblaze_b2",
        "cloudfiles",
        "digitalocean_spaces",
        "dummy",
        "google_storage",
        "local",
        "minio",
        "ovh",
        "rgw",
        "s3",
        "scaleway",
    ),
    "common": (
        *("aws", "azure", "base", "digitalocean", "exceptions", "google", "linode"),
        *("openstack", "openstack_identity", "providers", "rackspace", "types", "xmlrpc"),
    ),
}
"""The modules of these packages whose names are written; of others, only that they exist."""
LEFT_OUT = ("backup", "container")
"""The services of which polycloud has nothing."""
ROOT = "libcloud"
MARKS: dict[Any, str] = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}


def main() -> None:
    """Print the names of the installed Libcloud."""
    warnings.simplefilter("ignore")
    classes: dict[str, Any] = {}
    modules: dict[str, Any] = {}
    for name in sorted(_modules()):
        short = _short(name)
        module = _imported(name)
        is_written = module is not None and _is_written(short)
        modules[short] = _names(module, classes) if module is not None and is_written else None
    data = {
        "source": f"apache-libcloud {version('apache-libcloud')}, inspected by bench/libcloudnames.py",
        "drivers": {service: _drivers(service) for service in SERVICES},
        "modules": modules,
        "classes": dict(sorted(classes.items())),
    }
    json.dump(data, sys.stdout, separators=(",", ":"))
    print()  # noqa: T201


def _modules() -> list[str]:
    os.environ.pop("SSL_CERT_FILE", None)  # which one of its names is made from
    import libcloud  # type: ignore[import-not-found,import-untyped,unused-ignore] # in its own environment

    found = pkgutil.walk_packages(libcloud.__path__, f"{ROOT}.", onerror=lambda _: None)
    names = [one.name for one in found if ".test" not in one.name]
    return ["libcloud", *names]


def _imported(name: str) -> ModuleType | None:
    try:
        return import_module(name)
    except ImportError:  # a package that only this provider needs
        return None


def _short(name: str) -> str:
    return name.removeprefix(ROOT).removeprefix(".")


def _is_written(short: str) -> bool:
    package, _, name = short.rpartition(".")
    if short.split(".", maxsplit=1)[0] in LEFT_OUT or short.startswith("compute.constants"):
        return False
    return package not in OURS or name in OURS[package]


def _names(module: ModuleType, classes: dict[str, Any]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for name, value in sorted(vars(module).items()):
        if name.startswith("_") and name != "__version__":
            continue
        home = getattr(value, "__module__", None) or type(value).__module__
        if inspect.isclass(value) and home.startswith(ROOT):
            found[name] = f"={_home(value, classes)}"
        elif inspect.isroutine(value) and home.startswith(ROOT) and home != module.__name__:
            found[name] = f"={_short(home)}:{value.__name__}"
        elif not _is_foreign(name, value, home) or module.__name__ == "libcloud.utils.py3":
            found[name] = _parameters(value) if inspect.isroutine(value) else None
    return found


def _is_foreign(name: str, value: Any, home: str) -> bool:
    """Return whether a value is a module, or what another package defines."""
    is_defined = inspect.isclass(value) or inspect.isroutine(value)
    is_of_typing = value is getattr(typing, name, None)
    return is_of_typing or isinstance(value, ModuleType) or (is_defined and not home.startswith(ROOT))


def _home(kind: type, classes: dict[str, Any]) -> str:
    """Return where a class is defined, and add it and its bases to `classes`."""
    short = _short(kind.__module__)
    home = f"{short}:{kind.__name__}"
    if home not in classes:
        classes[home] = []  # of recursion there is an end
        bases = [_home(base, classes) for base in kind.__bases__ if base.__module__.startswith(ROOT)]
        classes[home] = [bases, _members(kind)]
    return home


def _members(kind: type) -> dict[str, str | None]:
    return {
        name: _parameters(getattr(kind, name)) if callable(getattr(kind, name)) else None
        for name in sorted(vars(kind))
        if name == "__init__" or not name.startswith("_")
    }


def _parameters(function: Any) -> str | None:
    if inspect.isclass(function) and issubclass(function, Enum):
        return None  # what an enumeration is called with depends on the version of Python
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    texts: list[str] = []
    for one in parameters:
        if one.kind is one.KEYWORD_ONLY and not any(text.startswith("*") for text in texts):
            texts.append("*")
        texts.append(MARKS.get(one.kind, "") + one.name)
    return " ".join(texts[1:] if texts[:1] == ["self"] else texts)


def _drivers(service: str) -> dict[str, list[str]]:
    registry = import_module(f"libcloud.{service}.providers").DRIVERS
    return {
        str(getattr(constant, "value", constant)): [_short(module), name]
        for constant, (module, name) in sorted(registry.items())
    }


if __name__ == "__main__":
    main()

"""The names of a new driver: of its provider, its package and its classes."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass

from polycloud.compute import providers
from polycloud.errors import InvalidArgumentError

__all__ = ["Names", "checked"]


@dataclass(frozen=True, slots=True)
class Names:
    """The names that are derived from the provider's name."""

    provider: str

    @property
    def package(self) -> str:
        """The import package."""
        return f"polycloud_{self.provider}"

    @property
    def distribution(self) -> str:
        """The distribution package, and its folder."""
        return self.package.replace("_", "-")

    @property
    def prefix(self) -> str:
        """The prefix of class names."""
        return "".join(word.capitalize() for word in self.provider.split("_"))

    @property
    def title(self) -> str:
        """The provider's name in text."""
        return " ".join(word.capitalize() for word in self.provider.split("_"))

    @property
    def constant(self) -> str:
        """The Python expression for the driver's `type`."""
        known = next((one.name for one in providers.Provider if one.value == self.provider), None)
        return f"Provider.{known}" if known else f'"{self.provider}"'


def checked(name: str) -> Names:
    """The names derived from `name`. Raises `InvalidArgumentError` if it is invalid or taken."""
    if not re.fullmatch("[a-z][a-z0-9]*(_[a-z0-9]+)*", name) or keyword.iskeyword(name):
        near = re.sub("[^a-z0-9]+", "_", name.lower()).strip("_0123456789")
        hint = f"; try {near}" if near and not keyword.iskeyword(near) else ""
        raise InvalidArgumentError(
            f"{name!r} cannot name a provider: it becomes a Python name, of a-z, 0-9 and single _{hint}"
        )
    names = Names(name)
    _require_free(names)
    return names


def _require_free(names: Names) -> None:
    """Refuse a provider that has a driver, unless it is the one that is being rewritten."""
    if names.provider not in providers.names():
        return
    try:
        module = providers.get_driver(names.provider).__module__
    except Exception:  # noqa: BLE001 - a driver that is half written may raise anything
        module = f"{names.package}."
    if not module.startswith(f"{names.package}."):
        raise InvalidArgumentError(f"{names.provider!r} already has a driver: {module}")

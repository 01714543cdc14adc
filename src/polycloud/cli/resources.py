"""How the commands describe a kind of resource, for every service: a noun and its columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

__all__ = ["Column", "Noun"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a list: its name, and the function that returns its value for a resource.

    Tables have a `hidden` one only if `--columns` names it, and a `rare` one also if a row has a value.
    """

    name: str
    get: Callable[[Any], Any]
    hidden: bool = False
    rare: bool = False

    @classmethod
    def of(cls, attribute: str) -> Column:
        """The attribute of that name."""
        return cls(attribute, attrgetter(attribute))

    @classmethod
    def of_time(cls, attribute: str) -> Column:
        """The attribute of that name, a datetime, in ISO format."""

        def get(item: Any) -> str | None:
            time = getattr(item, attribute)
            return None if time is None else time.isoformat()

        return cls(attribute, get)

    @classmethod
    def of_extra(cls, key: str, *, rare: bool = False) -> Column:
        """What the provider sends under that key, rare or hidden."""
        return cls(key, lambda item: item.extra.get(key), hidden=not rare, rare=rare)


@dataclass(frozen=True, slots=True)
class Noun:
    """A kind of resource, as commands and messages name it.

    Attributes:
        service: The service that has it, such as "compute".
        one: Its singular.
        many: Its plural, which is its command's name as well.
        operation: The driver's operation that lists it.
        columns: What lists show, the most important first.
        id: Returns the id of a resource.
        name: Returns its name.
        alias: Returns a second name, which providers have for programs; None if there is none.
        by_id: The driver's operation that returns one by its id, which is asked before the list; or empty.
        by_name: The driver's operation that returns those of a name, which is asked before; or empty.
        details: The list's argument that is False for a list of names and ids at less cost, with an operation
            `by_id` for the rest, at the drivers that have such an argument; or empty.
        is_gone: Whether a resource is destroyed though it is still listed: its name may be another's by now.
        spelled: Returns a name that a user typed in the spelling that resources have.
        group: The command that its own command belongs to, unless that is a command of `polycloud` itself.
        lister: The command that lists it, if that is another one than `polycloud [GROUP] MANY list`.
    """

    service: str
    one: str
    many: str
    operation: str
    columns: Sequence[Column]
    id: Callable[[Any], str] = attrgetter("id")
    name: Callable[[Any], str | None] = attrgetter("name")
    alias: Callable[[Any], str | None] = lambda _: None
    by_id: str = ""
    by_name: str = ""
    details: str = ""
    is_gone: Callable[[Any], bool] = lambda _: False
    spelled: Callable[[str], str] = str
    group: str = ""
    lister: str = ""

    @property
    def list_command(self) -> str:
        """The command that lists it, as a user types it."""
        return self.lister or f"polycloud {self.group} {self.many} list".replace("  ", " ")

    def fetch(self, driver: Any, *args: Any) -> list[Any]:
        """All resources of the account."""
        found: list[Any] = getattr(driver, self.operation)(*args)
        return found

    def fetch_names(self, driver: Any, *args: Any) -> list[Any]:
        """All resources, without details that would cost a request for each."""
        lister = getattr(driver, self.operation)
        found: list[Any] = lister(*args, **{self.details: False}) if self.is_bare(driver) else lister(*args)
        return found

    def is_bare(self, driver: Any) -> bool:
        """Whether what `fetch_names` returns lacks details."""
        if not self.details:
            return False
        from inspect import signature

        return self.details in signature(getattr(driver, self.operation)).parameters

    def probe(self, driver: Any) -> None:
        """Send the smallest request that lists such resources."""
        operation = self.operation.replace("list_", "iterate_", 1)
        next(iter(getattr(driver, operation, getattr(driver, self.operation))()), None)

    def names(self, item: Any) -> list[str]:
        """The names by which a user may refer to a resource, beside its id."""
        return [name for name in (self.name(item), self.alias(item)) if name]

    def title(self, item: Any) -> str:
        """The resource in messages: "node web (id 5)"."""
        id_, label = self.id(item), self.label(item)
        return f"{self.one} {id_}" if label == id_ else f"{self.one} {label} (id {id_})".replace("  ", " ")

    def label(self, item: Any) -> str:
        """The most distinctive name."""
        return self.alias(item) or self.name(item) or ""

    def count(self, items: Sequence[Any]) -> str:
        """How many: "no node", "1 node", "2 nodes"."""
        return f"{len(items) or 'no'} {self.many if len(items) > 1 else self.one}"

    def record(self, item: Any) -> dict[str, Any]:
        """The values of the columns by name."""
        return {column.name: column.get(item) for column in self.columns}

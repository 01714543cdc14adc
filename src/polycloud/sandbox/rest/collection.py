"""Collections from tables of fields.

Most of an API is collections: a list of items under a path, each item an object with an id, and the same five
operations on all of them. A `Table` states what is particular to one collection: its path, where the account
keeps its items, the fields with their types and checks, how an item is rendered, and hooks for rules that
involve other resources. It makes the routes. Items without behaviour of their own are `Item`s, whose
attributes are the fields of their table; state machines have classes of their own, and use a table for what
is list-like about them.

A provider subclasses `Table` for its envelopes and for what it adds to each new item.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from importlib.resources import files
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from polycloud.sandbox.rest.bodies import Body, Check, together
from polycloud.sandbox.rest.errors import ApiError, NotFoundError
from polycloud.sandbox.rest.replies import Call, Handler, Json, Listing, Reply, View

K = TypeVar("K")
T = TypeVar("T")

ItemHandler = Callable[[Any, Any, Call], Reply | Listing | None]
"""Takes the account's state, the item that the path names, and the request; None means `Table.deleted()`."""

Finder = Callable[[Any, Call], Any]
"""Returns what a path names, from the account's state and the request."""


class Item:
    """A resource whose attributes are its fields."""

    def __init__(self, **fields: Any) -> None:
        vars(self).update(fields)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

        def __setattr__(self, name: str, value: Any) -> None: ...


def show(names: str, **more: Any) -> View:
    """Return a view: the named attributes of an item, and `more`, values or functions of the item."""
    plain = names.split()
    computed = {name: value for name, value in more.items() if callable(value)}
    constant = {name: value for name, value in more.items() if name not in computed}

    def view(item: Any) -> Json:
        shown = {name: getattr(item, name) for name in plain}
        return shown | constant | {name: value(item) for name, value in computed.items()}

    return view


@cache
def rendered(item: Item) -> msgspec.Raw:
    """Render an item of a catalog, which never changes: all its fields, encoded once."""
    return msgspec.Raw(msgspec.json.encode(vars(item)))


def load_catalog(package: str) -> tuple[dict[str, dict[Any, Item]], dict[str, Json]]:
    """Return what a provider's `catalog.json` has: items by collection and id, and documents by name."""
    catalog = json.loads(files(package).joinpath("catalog.json").read_text(encoding="utf-8"))
    documents = catalog.pop("documents")
    items = {
        name: {row.get("slug") or row["id"]: Item(**row) for row in rows} for name, rows in catalog.items()
    }
    return items, documents


def found(items: Mapping[K, T], id: K) -> T:
    """Return the item of that id. Raises NotFoundError if there is none."""
    if id not in items:
        raise NotFoundError
    return items[id]


def without(items: Iterable[T], *unwanted: T) -> tuple[T, ...]:
    """Return the items except those."""
    return tuple(item for item in items if item not in unwanted)


@dataclass(frozen=True, kw_only=True)
class Field:
    """A field of a request.

    Attributes:
        kind: its JSON type.
        each: the type of its items, if it is an array; an array is read as a tuple.
        needed: whether a create must have it; an update may leave it out.
        default: its value where a create leaves it out.
        convert: returns the value that is stored, before it is checked.
        check: refuses unsuitable values.
        unique: the error if another item of the collection has the same value.
        fixed: whether an update ignores it.
    """

    kind: type = str
    each: type | None = None
    needed: bool = False
    default: Any = None
    convert: Callable[[Any], Any] | None = None
    check: Check | None = None
    unique: Callable[[], ApiError] | None = None
    fixed: bool = False

    def read(self, body: Body, name: str) -> Any:
        """Return the field's value in a body, or its default."""
        if self.each:
            value: Any = tuple(body.each(name, self.each))
            if self.needed and not value:
                raise body.error(name, "{} is required")
        else:
            value = body.need(name, self.kind) if self.needed else body.get(name, self.kind)
        if value is None or (value == "" and self.default):
            return self.default
        if self.convert:
            value = self.convert(value)
        if self.check:
            self.check(body.path + name, value)
        return value

    def is_in(self, body: Body, name: str) -> bool:
        """Return whether an update sets it; an empty string does not where there is a default."""
        return name in body and not (self.default and body.is_empty(name))


@dataclass
class Change:
    """A create or update that is being checked.

    Attributes:
        state: the account.
        owner: what has the collection.
        item: the item to be updated, None for a create.
        body: the request's body.
        values: the fields to be set, which hooks may change.
    """

    state: Any
    owner: Any
    item: Any
    body: Body
    values: Json

    def get(self, name: str) -> Any:
        """Return a field's value after the change."""
        return self.values[name] if name in self.values else getattr(self.item, name, None)


def nothing(*_: Any) -> None:
    """Do nothing: a hook that is not used."""


@dataclass(kw_only=True, eq=False)
class Table(ABC):
    """A collection, whose names come from its path unless they are given.

    Attributes:
        path: below the path of its owner, such as "/volumes".
        many: its name: "volumes".
        one: the name of an item: "volume".
        key: the variable of an item's path, with a convertor if its id is not a text: "volume:int".
        items: the attribute of its owner that holds the items by id; the owner is the account, or an item.
        owner: the table of the owner; None for the account.
        view: renders an item.
        verbs: the methods of the collection and, after a slash, of an item.
        fields: what creates and updates read.
        id: the field that is an item's id.
        identity: gives a new item its other fields, from the account.
        item_type: makes an item from its fields.
        check: hook that checks a `Change`.
        changed: hook called after a change was made, with the account, the item and the `Change`.
        create: makes an item from the account, its owner and the request, instead of `fields`.
        remove: hook called before an item is deleted, with the account, the item and its owner.
        wanted: the items of a list, from the account, the owner and the request, instead of all of them.
        find: finds an item by the id in the path, in its owner.
        of: for a collection that has an owner, but whose items the account holds: whether an item, its second
            argument, is the owner's.
        is_gone: whether an item that is still shown takes no more requests.
        on_all: other methods of the collection; their handlers are given its owner.
        on_one: other methods of an item.
        parts: handlers of paths below an item's, by path and method.
        actions: handlers of POST for paths below an item's, by path.
        put: what PUT does: "changes" sets the fields that are present, as PATCH does; "needs" also requires
            those that a create needs; "replaces" sets all fields, absent ones to their defaults.
    """

    path: str
    many: str = ""
    one: str = ""
    key: str = ""
    items: str = ""
    owner: Table | None = None
    view: View = vars
    verbs: str = "GET POST/GET PUT DELETE"
    fields: Mapping[str, Field] = field(default_factory=dict)
    id: str = "id"
    identity: Callable[[Any], Json] = lambda _: {}
    item_type: Callable[..., Any] = Item
    check: Callable[[Change], object] = nothing
    changed: Callable[[Any, Any, Change], object] = nothing
    create: Callable[[Any, Any, Call], Any] | None = None
    remove: Callable[[Any, Any, Any], object] = nothing
    wanted: Callable[[Any, Any, Call], Iterable[Any]] | None = None
    find: Callable[[Any, Any], Any] | None = None
    of: Callable[[Any, Any], bool] | None = None
    is_gone: Callable[[Any], bool] = lambda _: False
    on_all: Mapping[str, ItemHandler] = field(default_factory=dict)
    on_one: Mapping[str, ItemHandler] = field(default_factory=dict)
    parts: Mapping[str, Mapping[str, ItemHandler]] = field(default_factory=dict)
    actions: Mapping[str, ItemHandler] = field(default_factory=dict)
    put: str = "changes"

    def __post_init__(self) -> None:
        self.many = self.many or self.path.rpartition("/")[2]
        self.one = self.one or self.many.removesuffix("s")
        self.key = self.key or self.one
        self.items = self.items or self.many

    # What a provider defines

    @abstractmethod
    def reply(self, item: Any, *, created: bool = False) -> Reply:
        """Return the response that shows one item."""

    @abstractmethod
    def listing(self, items: Iterable[Any]) -> Listing:
        """Return the list of items, to be paged."""

    @abstractmethod
    def deleted(self) -> Reply:
        """Return the response to a delete."""

    def prepare(self, change: Change) -> None:  # noqa: B027 - not every provider has such fields
        """Convert the fields that all the provider's collections treat alike, before `check` is called."""

    def make(self, state: Any, values: Json) -> Any:
        """Return a new item."""
        return self.item_type(**self.identity(state), **values)

    def note(self, state: Any, verb: str, item: Any, owner: Any) -> None:  # noqa: B027 - not every provider
        """Record a change that was made: "create", "update" or "delete"."""

    # Where items are

    @property
    def all_path(self) -> str:
        """The path of the collection."""
        return (self.owner.one_path if self.owner else "") + self.path

    @property
    def one_path(self) -> str:
        """The path of an item."""
        return f"{self.all_path}/{{{self.key}}}"

    def at(self, state: Any, call: Call, *, even_gone: bool = False) -> Any:
        """Return the item that a path names. Raises NotFoundError if there is none."""
        owner, key = self.owner_at(state, call), call.path[self.key.partition(":")[0]]
        item = self.find(owner, key) if self.find else found(self.held(state, owner), key)
        if item is None or (self.is_gone(item) and not even_gone):
            raise NotFoundError
        return item

    def owner_at(self, state: Any, call: Call) -> Any:
        """Return what has the collection that a path names."""
        return self.owner.at(state, call) if self.owner else state

    def held(self, state: Any, owner: Any) -> dict[Any, Any]:
        """Return the items by id, those of other owners too where the account holds them."""
        items: dict[Any, Any] = getattr(state if self.of else owner, self.items)
        return items

    # Operations

    def routes(self) -> dict[str, dict[str, Handler]]:
        """Return the handlers of the collection, its items and their parts."""
        all_verbs, _, one_verbs = self.verbs.partition("/")
        of_all: dict[str, Handler] = {"GET": self._list, "POST": self._create}
        of_one: dict[str, Handler] = {
            "GET": self._get,
            "PUT": self._put,
            "PATCH": self._patch,
            "DELETE": self._delete,
        }
        parts = {**self.parts, **{path: {"POST": action} for path, action in self.actions.items()}}
        routes: dict[str, dict[str, Handler]] = {
            self.all_path: {
                **{verb: of_all[verb] for verb in all_verbs.split()},
                **self._bound(self.on_all, self.owner_at),
            },
            **{f"{self.one_path}/{path}": self._bound(verbs, self.at) for path, verbs in parts.items()},
            self.one_path: {
                **{verb: of_one[verb] for verb in one_verbs.split()},
                **self._bound(self.on_one, self.at),
            },
        }
        return {path: verbs for path, verbs in routes.items() if verbs}

    def _bound(self, verbs: Mapping[str, ItemHandler], find: Finder) -> dict[str, Handler]:
        """Return handlers that first find what the path names."""

        def bound(handler: ItemHandler) -> Handler:
            return lambda state, call: handler(state, find(state, call), call) or self.deleted()

        return {verb: bound(handler) for verb, handler in verbs.items()}

    def _list(self, state: Any, call: Call) -> Listing:
        owner = self.owner_at(state, call)
        if self.wanted:
            return self.listing(self.wanted(state, owner, call))
        items = self.held(state, owner).values()
        return self.listing(item for item in items if not self.of or self.of(owner, item))

    def _get(self, state: Any, call: Call) -> Reply:
        return self.reply(self.at(state, call, even_gone=True))

    def _create(self, state: Any, call: Call) -> Reply:
        owner = self.owner_at(state, call)
        if self.create:
            made = self.create(state, owner, call)
            return made if isinstance(made, Reply) else self.reply(made, created=True)
        return self.reply(self.add(state, owner, call.body), created=True)

    def add(self, state: Any, owner: Any, body: Body) -> Any:
        """Make an item from a body and keep it."""
        change = self._change(state, owner, None, body)
        item = self.make(state, change.values)
        self.held(state, owner)[getattr(item, self.id)] = item
        self.changed(state, item, change)
        self.note(state, "create", item, owner)
        return item

    def _put(self, state: Any, call: Call) -> Reply:
        return self._update(state, call, self.put)

    def _patch(self, state: Any, call: Call) -> Reply:
        return self._update(state, call, "changes")

    def _update(self, state: Any, call: Call, how: str) -> Reply:
        item, owner = self.at(state, call), self.owner_at(state, call)
        change = self._change(state, owner, item, call.body, how)
        vars(item).update(change.values)
        self.changed(state, item, change)
        self.note(state, "update", item, owner)
        return self.reply(item)

    def _change(self, state: Any, owner: Any, item: Any, body: Body, how: str = "replaces") -> Change:
        change = Change(state, owner, item, body, {})
        together(
            *(
                partial(self._read, name, field, change)
                for name, field in self.fields.items()
                if item is None or not field.fixed
                if how == "replaces" or field.is_in(body, name) or (how == "needs" and field.needed)
            )
        )
        self.prepare(change)
        self.check(change)
        return change

    def read(self, name: str, state: Any, body: Body) -> Any:
        """Return one field that a new item would have. Raises ApiError if it is invalid."""
        change = Change(state, state, None, body, {})
        self._read(name, self.fields[name], change)
        return change.values[name]

    def _read(self, name: str, field: Field, change: Change) -> None:
        value = change.values[name] = field.read(change.body, name)
        others = self.held(change.state, change.owner).values() if field.unique else ()
        if field.unique and any(getattr(one, name) == value for one in others if one is not change.item):
            raise field.unique()

    def _delete(self, state: Any, call: Call) -> Reply:
        item, owner = self.at(state, call), self.owner_at(state, call)
        self.remove(state, item, owner)
        self.held(state, owner).pop(getattr(item, self.id), None)
        self.note(state, "delete", item, owner)
        return self.deleted()


def routes_of(*tables: Table) -> dict[str, dict[str, Handler]]:
    """Return the routes of all these tables."""
    return {path: verbs for table in tables for path, verbs in table.routes().items()}

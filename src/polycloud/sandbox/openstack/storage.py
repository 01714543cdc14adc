"""What volumes and snapshots of Cinder have in common."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from polycloud.sandbox.openstack.dialect import envelope, texts
from polycloud.sandbox.openstack.errors import OverLimitError
from polycloud.sandbox.openstack.orders import invalid
from polycloud.sandbox.openstack.state import State
from polycloud.sandbox.rest.collection import Item, ItemHandler
from polycloud.sandbox.rest.errors import NotFoundError
from polycloud.sandbox.rest.replies import Call, Json, Listing, Reply

GIGABYTES = 10000


def links(state: State, path: str, id: str) -> list[Json]:
    """Return the links of an item of Cinder."""
    return [
        {"rel": "self", "href": f"{state.base}/volume/v3/{path}/{id}"},
        {"rel": "bookmark", "href": f"{state.base}/volume/{path}/{id}"},
    ]


def mine(collection: str, state: State, _: object, call: Call) -> list[Item]:
    """Return the project's volumes or snapshots, the latest first; all if the administrator asks."""
    items: list[Item] = list(getattr(state, collection).values())
    everyone = call.query.get("all_tenants", "0").lower() in {"1", "true"} and state.caller.is_admin
    items = [item for item in items if everyone or item.project_id == state.project_id]
    for name in ("name", "status", "volume_id", "bootable"):
        if name in call.query:
            items = [
                item for item in items if str(getattr(item, name, None)).lower() == call.query[name].lower()
            ]
    # The latest is listed first.
    return items[::-1]


def listed(collection: str, view: Callable[[Item], Json], state: State, call: Call) -> Listing:
    """Return the list of these, to be paged."""
    return Listing(mine(collection, state, state, call), view, collection)


def check_quota(state: State, size: int) -> None:
    """Raise OverLimitError if a project may not have another volume of that size."""
    volumes = [one for one in state.volumes.values() if one.project_id == state.project_id]
    most = state.settings.volume_limit
    if len(volumes) >= most:
        raise OverLimitError(
            f"VolumeLimitExceeded: Maximum number of volumes allowed ({most}) exceeded for quota 'volumes'."
        )
    used = sum(volume.size for volume in volumes)
    if used + size > GIGABYTES:
        raise OverLimitError(
            f"VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes quota. "
            f"Requested {size}G, quota is {GIGABYTES}G and {used}G has been consumed."
        )


def settle(state: State, item: Item, status: str = "available") -> None:
    """End a change of a volume or a snapshot."""
    item.status, item.updated_at = status, state.precise()


def need_uuid(name: str, text: str) -> None:
    """Raise InputError unless a text is a UUID."""
    try:
        uuid.UUID(text)
    except ValueError:
        raise invalid(name, text, f"{text!r} is not valid under any of the given schemas") from None


def mine_or_missing(state: State, items: dict[str, Item], id: str, noun: str) -> Item:
    """Return the item of that id. Raises NotFoundError."""
    item = items.get(id)
    if item is None or not state.sees(item):
        raise NotFoundError(f"{noun} {id} could not be found.")
    return item


def _metadata(_: State, item: Item, __: Call) -> Reply:
    return Reply(200, {"metadata": item.metadata})


def _merge_metadata(state: State, item: Item, call: Call) -> Reply:
    item.metadata = {**item.metadata, **texts(call.body, "metadata")}
    return _metadata(state, item, call)


def _replace_metadata(state: State, item: Item, call: Call) -> Reply:
    item.metadata = texts(call.body, "metadata")
    return _metadata(state, item, call)


def _delete_metadata(_: State, item: Item, call: Call) -> Reply:
    if call.path["key"] not in item.metadata:
        raise NotFoundError(f"{'Volume'} {item.id} has no metadata with key {call.path['key']}.")
    item.metadata = {name: value for name, value in item.metadata.items() if name != call.path["key"]}
    return Reply(200)


METADATA_PARTS: dict[str, dict[str, ItemHandler]] = {
    "metadata": {"GET": _metadata, "POST": _merge_metadata, "PUT": _replace_metadata},
    "metadata/{key}": {"DELETE": _delete_metadata},
}


def find_type(state: State, reference: str) -> Item:
    """Return the type of that id or name. Raises NotFoundError."""
    for kind in state.volume_types.values():
        if reference in {kind.id, kind.name}:
            return kind
    raise NotFoundError(f"Volume type with name {reference} could not be found.")


def rename(one: str, view: Callable[[Item], Json], state: State, item: Item, call: Call) -> Reply:
    """Change the name, the description or the metadata of a volume or a snapshot."""
    given = envelope(call.body, one)
    for name in ("name", "description"):
        if given.names(name):
            setattr(item, name, given.get(name, str))
    if given.names("metadata"):
        item.metadata = texts(given, "metadata")
    item.updated_at = state.precise()
    return Reply(200, {one: view(item)})

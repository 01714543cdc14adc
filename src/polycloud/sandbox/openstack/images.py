"""Glance: images, their bytes, tags and members."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from functools import partial
from typing import Any

from polycloud.sandbox.openstack.dialect import DONE, Body, Table
from polycloud.sandbox.openstack.errors import MediaTypeError
from polycloud.sandbox.openstack.state import State
from polycloud.sandbox.rest.collection import Item, routes_of
from polycloud.sandbox.rest.errors import ConflictError, ForbiddenError, InputError, NotFoundError
from polycloud.sandbox.rest.replies import Call, Json, Listing, Reply, Routes

_VISIBILITIES = ("public", "private", "shared", "community", "all")
_PATCH_TYPES = (
    "application/openstack-images-v2.1-json-patch",
    "application/openstack-images-v2.0-json-patch",
)
_FIELDS = (
    "name", "disk_format", "container_format", "visibility", "size", "status", "protected", "min_ram",
    "min_disk", "os_hidden", "id", "created_at", "updated_at",
)  # fmt: skip
_SETTABLE = {
    "name",
    "disk_format",
    "container_format",
    "visibility",
    "protected",
    "min_ram",
    "min_disk",
    "os_hidden",
}
_READ_ONLY = {
    "status",
    "size",
    "checksum",
    "created_at",
    "updated_at",
    "self",
    "file",
    "schema",
    "owner",
    "id",
}
_KINDS = {"protected": bool, "os_hidden": bool, "min_ram": int, "min_disk": int}


def _show(image: Item) -> Json:
    shown = {name: getattr(image, name) for name in _FIELDS}
    is_filled = image.status not in {"queued", "saving"}
    digest = hashlib.sha512(image.data or image.id.encode()).hexdigest() if is_filled else None
    md5 = hashlib.md5(image.data or image.id.encode(), usedforsecurity=False).hexdigest()
    shown |= {
        **image.properties,
        "owner": image.project_id,
        "tags": list(image.tags),
        "virtual_size": image.size,
        "checksum": md5 if is_filled else None,
        "os_hash_algo": "sha512" if is_filled else None,
        "os_hash_value": digest,
        "self": f"/v2/images/{image.id}",
        "file": f"/v2/images/{image.id}/file",
        "schema": "/v2/schemas/image",
    }
    return shown | ({"stores": "sandbox"} if is_filled else {})


class _Images(Table):
    """Images, which stand in responses without a name around them."""

    def reply(self, item: Any, *, created: bool = False) -> Reply:
        """Return the response that shows one image."""
        if not created:
            return Reply(200, _show(item))
        state: State = item.state
        return Reply(201, _show(item), {"Location": f"{state.base}/image/v2/images/{item.id}"})

    def listing(self, items: Iterable[Any]) -> Listing:
        """Return the list of images, to be paged."""
        return Listing(list(items), _show, self.many)

    def at(self, state: Any, call: Call, *, even_gone: bool = False) -> Any:
        """Return the image that a path names. Raises NotFoundError if there is none, or it is another's."""
        image = state.images.get(call.path[self.key])
        if image is None or not _sees(state, image):
            raise self.unknown(state, call.path[self.key])
        return image


def _sees(state: State, image: Item) -> bool:
    accepted = any(member["member_id"] == state.project_id for member in image.members)
    return image.visibility in {"public", "community"} or accepted or state.sees(image)


def _wanted(state: State, _: object, call: Call) -> list[Item]:
    query = call.query
    visibility = query.get("visibility")
    if visibility is not None and visibility not in _VISIBILITIES:
        raise InputError(f"Invalid visibility value: {visibility}")
    images = [image for image in state.images.values() if _is_listed(state, image, visibility)]
    for name in ("name", "status", "owner", "disk_format", "container_format", "id"):
        if name in query:
            wanted = (
                query[name].removeprefix("in:").split(",") if query[name].startswith("in:") else [query[name]]
            )
            field = "project_id" if name == "owner" else name
            images = [image for image in images if getattr(image, field) in wanted]
    tags = set(query.every("tag"))
    images = [image for image in images if tags <= set(image.tags)]
    images = [image for image in images if image.os_hidden == (query.get("os_hidden", "").lower() == "true")]
    known = {
        "limit",
        "marker",
        "visibility",
        "sort_key",
        "sort_dir",
        "sort",
        "tag",
        "os_hidden",
        "member_status",
    }
    for name, value in query.items():
        if name not in known and name not in _FIELDS and name != "owner":
            images = [image for image in images if str(image.properties.get(name)) == value]
    order, direction = query.get("sort_key", "created_at"), query.get("sort_dir", "desc")
    if query.get("sort"):
        order, _, direction = query["sort"].partition(":")
    if order not in _FIELDS:
        raise InputError(f"Invalid sort key: {order}. It must be one of {', '.join(_FIELDS)}.")
    return sorted(
        images, key=lambda image: (str(getattr(image, order)), image.id), reverse=direction != "asc"
    )


def _is_listed(state: State, image: Item, visibility: str | None) -> bool:
    if visibility == "community":
        return bool(image.visibility == "community")
    shown = _sees(state, image) and (image.visibility != "community" or image.project_id == state.project_id)
    return shown and visibility in {None, "all", image.visibility}


# Changing


def _create(state: State, _: object, call: Call) -> Item:
    given = call.body
    names = given.fields
    for name in names & (_READ_ONLY - {"id", "owner"}):
        raise ForbiddenError(f"Attribute '{name}' is read-only.")
    key = given.get("id", str)
    if key is not None and key in state.images:
        raise ConflictError(f"Image ID {key} already exists!")
    values = {name: _checked(name, given.value(name)) for name in names & _SETTABLE}
    visibility = str(values.pop("visibility", "shared"))
    _check_visibility(state, visibility)
    properties = {name: given.get(name, str) for name in names - _SETTABLE - {"id", "owner", "tags"}}
    return state.add_image(
        name=values.pop("name", None),
        project_id=state.project_id,
        visibility=visibility,
        shared=visibility == "public",
        status="queued",
        tags=tuple(dict.fromkeys(given.each("tags", str))),
        properties=properties,
        **({"id": key} if key else {}),
        **{"container_format": None, "disk_format": None, **values},
    )


def _checked(name: str, value: Any) -> Any:
    kind = _KINDS.get(name, str)
    if value is not None and (not isinstance(value, kind) or (kind is int and isinstance(value, bool))):
        raise InputError(
            f"Provided object does not match schema 'image': {value!r} is not of type {kind.__name__!r}"
        )
    return value


def _check_visibility(state: State, visibility: str) -> None:
    if visibility not in _VISIBILITIES[:-1]:
        raise InputError(f"Invalid visibility value: {visibility}")
    if visibility == "public" and not state.caller.is_admin:
        raise ForbiddenError("You are not authorized to complete publicize_image action.")


def _check_owner(state: State, image: Item, words: str = "You do not own this image") -> None:
    if image.project_id != state.project_id and not state.caller.is_admin:
        raise ForbiddenError(words)


def _patch(state: State, image: Item, call: Call) -> Reply:
    if call.headers.get("content-type", "").split(";")[0] not in _PATCH_TYPES:
        raise MediaTypeError(
            f"The request media type {call.headers.get('content-type')} is not supported by this server."
        )
    _check_owner(state, image, f"You are not permitted to modify this image {image.id}.")
    assert isinstance(call.body, Body)
    try:
        changes = json.loads(call.body.raw)
    except ValueError:
        raise InputError("Malformed JSON in request body.") from None
    if not isinstance(changes, list):
        raise InputError("Request body must be a JSON array of operation objects.")
    for change in changes:
        _apply(state, image, change)
    image.updated_at = state.stamp()
    return Reply(200, _show(image))


def _apply(state: State, image: Item, change: Json) -> None:
    op, name = change.get("op"), str(change.get("path", "")).removeprefix("/").replace("~1", "/")
    if name in _READ_ONLY - {"owner"}:
        raise ForbiddenError(f"Attribute '{name}' is read-only.")
    if op not in {"add", "replace", "remove"}:
        raise InputError(f"Operations must be one of add, remove, replace. Got {op}.")
    value = change.get("value")
    if name == "tags":
        image.tags = tuple(value or ()) if op != "remove" else ()
    elif name in _SETTABLE:
        if op == "remove":
            raise ForbiddenError(f"Property {name} may not be removed.")
        if name == "visibility":
            _check_visibility(state, str(value))
            image.shared = value == "public"
        setattr(image, name, _checked(name, value))
    elif op != "add" and name not in image.properties:
        raise ConflictError(
            "There was a conflict when trying to complete your request.<br /><br />\n"
            f"Property {name} does not exist."
        )
    else:
        rest = {key: kept for key, kept in image.properties.items() if key != name}
        image.properties = rest if op == "remove" else {**image.properties, name: _checked(name, value)}


def _delete(state: State, image: Item, _: Call) -> None:
    _check_owner(state, image)
    if image.protected:
        raise ForbiddenError(f"Image {image.id} is protected and cannot be deleted.")
    del state.images[image.id]


def _upload(state: State, image: Item, call: Call) -> Reply:
    _check_owner(state, image)
    if image.status != "queued":
        raise ConflictError(f"Image status transition from {image.status} to saving is not allowed")
    if image.container_format is None or image.disk_format is None:
        raise InputError("Properties disk_format, container_format must be set prior to saving data.")
    assert isinstance(call.body, Body)
    image.data, image.size, image.status = call.body.raw, len(call.body.raw), "saving"

    def effect() -> None:
        image.status, image.updated_at = "active", state.stamp()

    state.begin("upload", 0.0, image, effect)
    return DONE


def _download(_: State, image: Item, __: Call) -> Reply:
    if image.status != "active":
        raise (
            ForbiddenError("The requested image is not active.")
            if image.status == "deactivated"
            else NotFoundError(f"Image {image.id} has no data")
        )
    return Reply(200, image.data, {"content-type": "application/octet-stream"})


def _set_status(then: str, state: State, image: Item, _: Call) -> None:
    _check_owner(state, image)
    if image.status not in {"active", "deactivated"}:
        raise ForbiddenError(f"Image status transition from {image.status} to {then} is not allowed")
    image.status, image.updated_at = then, state.stamp()


def _add_tag(state: State, image: Item, call: Call) -> None:
    _check_owner(state, image)
    image.tags = tuple(dict.fromkeys((*image.tags, call.path["tag"])))


def _delete_tag(state: State, image: Item, call: Call) -> None:
    _check_owner(state, image)
    if call.path["tag"] not in image.tags:
        raise NotFoundError(f"Tag {call.path['tag']} not found for image {image.id}")
    image.tags = tuple(tag for tag in image.tags if tag != call.path["tag"])


# Members


def _members(_: State, image: Item, __: Call) -> Reply:
    return Reply(200, {"members": list(image.members), "schema": "/v2/schemas/members"})


def _add_member(state: State, image: Item, call: Call) -> Reply:
    _check_owner(state, image)
    if image.visibility != "shared":
        raise ForbiddenError("Only shared images have members.")
    member = call.body.need("member", str)
    if any(one["member_id"] == member for one in image.members):
        raise ConflictError(f"Member {member} is duplicated for image {image.id}")
    dates = {"created_at": state.stamp(), "updated_at": state.stamp()}
    shown = {
        "member_id": member,
        "image_id": image.id,
        "status": "pending",
        "schema": "/v2/schemas/member",
        **dates,
    }
    image.members = (*image.members, shown)
    return Reply(200, shown)


def _member(image: Item, call: Call) -> Json:
    for member in image.members:
        if member["member_id"] == call.path["member"]:
            found: Json = member
            return found
    raise NotFoundError(f"{call.path['member']} not found in the member list of the image {image.id}.")


def _one_member(_: State, image: Item, call: Call) -> Reply:
    return Reply(200, _member(image, call))


def _update_member(_: State, image: Item, call: Call) -> Reply:
    member = _member(image, call)
    member["status"] = call.body.need("status", str)
    return Reply(200, member)


def _delete_member(state: State, image: Item, call: Call) -> None:
    _check_owner(state, image)
    member = _member(image, call)
    image.members = tuple(one for one in image.members if one is not member)


_IMAGES = _Images(
    path="/images",
    view=_show,
    wanted=_wanted,
    create=_create,
    verbs="GET POST/GET",
    missing="No image found with ID {id}",
    on_one={"PATCH": _patch, "DELETE": _delete},
    parts={
        "file": {"PUT": _upload, "GET": _download},
        "tags/{tag}": {"PUT": _add_tag, "DELETE": _delete_tag},
        "members": {"GET": _members, "POST": _add_member},
        "members/{member}": {"GET": _one_member, "PUT": _update_member, "DELETE": _delete_member},
        "actions/deactivate": {"POST": partial(_set_status, "deactivated")},
        "actions/reactivate": {"POST": partial(_set_status, "active")},
    },
)


ROUTES: Routes = {f"/image/v2{path}": verbs for path, verbs in routes_of(_IMAGES).items()}
"""Every path of Glance, with its methods and their handlers."""

"""Images, and the snapshots of droplets and volumes."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from polycloud.sandbox.digitalocean.dialect import Table
from polycloud.sandbox.digitalocean.orders import find_image
from polycloud.sandbox.digitalocean.resources import (
    REGIONS,
    Action,
    Image,
    show_image,
    show_snapshot,
)
from polycloud.sandbox.digitalocean.state import State
from polycloud.sandbox.digitalocean.tables import with_actions, with_tag
from polycloud.sandbox.rest.bodies import Body
from polycloud.sandbox.rest.collection import Field, Item, routes_of, without
from polycloud.sandbox.rest.errors import ForbiddenError, InputError
from polycloud.sandbox.rest.replies import Call, Routes
from polycloud.sandbox.rest.timeline import check_free


def _wanted(state: State, _: object, call: Call) -> Iterable[Image]:
    kind, tag = call.query.get("type"), call.query.get("tag_name")
    wanted = [
        image
        for image in state.images.values()
        if not kind or image.kind == kind
        if not image.public or call.query.get("private") != "true"
    ]
    return with_tag(state, wanted, tag) if tag else wanted


def _check_own(image: Image) -> None:
    if image.public:
        raise ForbiddenError


def _remove(state: State, image: Image, _: object = None) -> None:
    _check_own(image)
    check_free(image)
    droplet = state.droplets.get(image.origin or 0)
    if droplet:
        droplet.snapshot_ids = without(droplet.snapshot_ids, image.id)
        droplet.backup_ids = without(droplet.backup_ids, image.id)


# Actions


def _transfer(state: State, image: Image, body: Body) -> Action:
    _check_own(image)
    slug = body.need("region", str)
    region = REGIONS.get(slug)
    if region is None or "image_transfer" not in region.features:
        raise InputError("You specified an invalid region for image transfer.")
    if slug in image.regions:
        raise InputError("The image is already available in this region.")
    effect = partial(setattr, image, "regions", (*image.regions, slug))
    return state.begin("transfer", state.settings.copy, image, effect, region=region)


def _convert(state: State, image: Image, _: Body) -> Action:
    _check_own(image)
    if image.type != "backup":
        raise InputError("Only a backup can be converted to a snapshot.")

    def effect() -> None:
        image.type = "snapshot"
        droplet = state.droplets.get(image.origin or 0)
        if droplet:
            droplet.backup_ids = without(droplet.backup_ids, image.id)
            droplet.snapshot_ids = (*droplet.snapshot_ids, image.id)

    region = REGIONS[image.regions[0]]
    return state.begin("convert", state.settings.copy, image, effect, region=region)


_IMAGES = Table(
    path="/images",
    key="image:int",
    verbs="GET/GET PUT DELETE",
    view=show_image,
    wanted=_wanted,
    fields={"name": Field(needed=True)},
    check=lambda change: _check_own(change.item),
    remove=_remove,
    parts=with_actions("image", {"transfer": _transfer, "convert": _convert}),
)
_BY_SLUG = Table(
    path="/images",
    verbs="/GET",
    view=show_image,
    find=find_image,
)


# Snapshots


def _is_snapshot(image: Image) -> bool:
    return image.type == "snapshot" and not image.public


def _wanted_snapshots(state: State, _: object, call: Call) -> list[Image | Item]:
    kind = call.query.get("resource_type")
    images = [image for image in state.images.values() if _is_snapshot(image) and kind in {None, "droplet"}]
    return [*images, *(state.volume_snapshots.values() if kind in {None, "volume"} else ())]


def _find_snapshot(state: State, id: str) -> Image | Item | None:
    image = state.images.get(int(id)) if id.isdecimal() else None
    return image if image and _is_snapshot(image) else state.volume_snapshots.get(id)


def _remove_snapshot(state: State, snapshot: Image | Item, _: object) -> None:
    if isinstance(snapshot, Image):
        _remove(state, snapshot)
        del state.images[snapshot.id]


_SNAPSHOTS = Table(
    path="/snapshots",
    items="volume_snapshots",
    verbs="GET/GET DELETE",
    view=show_snapshot,
    wanted=_wanted_snapshots,
    find=_find_snapshot,
    remove=_remove_snapshot,
)

ROUTES: Routes = routes_of(_IMAGES, _BY_SLUG, _SNAPSHOTS)

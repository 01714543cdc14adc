"""Images, and the snapshots of droplets and volumes."""

from __future__ import annotations

from functools import partial

from polycloud.sandbox.digitalocean import catalog, views
from polycloud.sandbox.digitalocean.account import get_action, list_actions
from polycloud.sandbox.digitalocean.calls import DONE, Call, Listing, Reply, Routes
from polycloud.sandbox.digitalocean.errors import ForbiddenError, InputError, NotFoundError
from polycloud.sandbox.digitalocean.orders import find_image
from polycloud.sandbox.digitalocean.resources import Action, Image, VolumeSnapshot
from polycloud.sandbox.digitalocean.state import State, check_unlocked, found, without
from polycloud.sandbox.digitalocean.tags import with_tag


def _list(state: State, call: Call) -> Listing:
    images = list(state.images.values())
    kind, tag = call.query.get("type"), call.query.get("tag_name")
    if kind:
        images = [image for image in images if image.kind == kind]
    if call.query.get("private") == "true":
        images = [image for image in images if not image.public]
    if tag:
        images = with_tag(state, images, tag)
    return Listing("images", images, views.image)


def _get(state: State, call: Call) -> Reply:
    slug = call.path["image"]
    image = find_image(state, slug)
    if image is None:
        raise NotFoundError
    return Reply(200, {"image": views.image(image)})


def _get_numbered(state: State, call: Call) -> Reply:
    return Reply(200, {"image": views.image(found(state.images, call.path["image"]))})


def _own(state: State, call: Call) -> Image:
    """The account's own image of that id; others cannot be changed."""
    image = found(state.images, call.path["image"])
    if image.public:
        raise ForbiddenError
    return image


def _update(state: State, call: Call) -> Reply:
    image = _own(state, call)
    image.name = call.body.get("name", str) or image.name
    return Reply(200, {"image": views.image(image)})


def _delete(state: State, call: Call) -> Reply:
    _remove(state, _own(state, call))
    return DONE


def _remove(state: State, image: Image) -> None:
    check_unlocked([image])
    del state.images[image.id]
    droplet = state.droplets.get(image.origin or 0)
    if droplet:
        droplet.snapshot_ids = without(droplet.snapshot_ids, image.id)
        droplet.backup_ids = without(droplet.backup_ids, image.id)


# Actions


def _post_action(state: State, call: Call) -> Reply:
    image = _own(state, call)
    verb = call.body.need("type", str)
    if verb == "transfer":
        action = _transfer(state, image, call.body.need("region", str))
    elif verb == "convert":
        action = _convert(state, image)
    else:
        raise InputError(f"{verb} is not a valid image action.")
    return Reply(201, {"action": views.action(state, action)})


def _transfer(state: State, image: Image, slug: str) -> Action:
    region = catalog.REGIONS.get(slug)
    if region is None or "image_transfer" not in region.features:
        raise InputError("You specified an invalid region for image transfer.")
    if slug in image.regions:
        raise InputError("The image is already available in this region.")
    effect = partial(setattr, image, "regions", (*image.regions, slug))
    return state.begin("transfer", state.knobs.copy, image, region, effect)


def _convert(state: State, image: Image) -> Action:
    if image.type != "backup":
        raise InputError("Only a backup can be converted to a snapshot.")

    def effect() -> None:
        image.type = "snapshot"
        droplet = state.droplets.get(image.origin or 0)
        if droplet:
            droplet.backup_ids = without(droplet.backup_ids, image.id)
            droplet.snapshot_ids = (*droplet.snapshot_ids, image.id)

    return state.begin("convert", state.knobs.copy, image, catalog.REGIONS[image.regions[0]], effect)


def _list_actions(state: State, call: Call) -> Listing:
    return list_actions(state, found(state.images, call.path["image"]))


def _get_action(state: State, call: Call) -> Reply:
    return get_action(state, call.path["action"], found(state.images, call.path["image"]))


# Snapshots


def _list_snapshots(state: State, call: Call) -> Listing:
    wanted = call.query.get("resource_type")
    snapshots: list[Image | VolumeSnapshot] = []
    if wanted in {None, "droplet"}:
        snapshots += _droplet_snapshots(state).values()
    if wanted in {None, "volume"}:
        snapshots += state.volume_snapshots.values()
    return Listing("snapshots", snapshots, views.snapshot)


def _droplet_snapshots(state: State) -> dict[str, Image]:
    return {
        str(image.id): image
        for image in state.images.values()
        if image.type == "snapshot" and not image.public
    }


def _get_snapshot(state: State, call: Call) -> Reply:
    snapshots: dict[str, Image | VolumeSnapshot] = {**_droplet_snapshots(state), **state.volume_snapshots}
    snapshot = found(snapshots, call.path["snapshot"])
    return Reply(200, {"snapshot": views.snapshot(snapshot)})


def _delete_snapshot(state: State, call: Call) -> Reply:
    image = _droplet_snapshots(state).get(call.path["snapshot"])
    if image:
        _remove(state, image)
    elif state.volume_snapshots.pop(call.path["snapshot"], None) is None:
        raise NotFoundError
    return DONE


ROUTES: Routes = {
    "/images": {"GET": _list},
    "/images/{image:int}": {
        "GET": _get_numbered,
        "PUT": _update,
        "DELETE": _delete,
    },
    "/images/{image}": {"GET": _get},
    "/images/{image:int}/actions": {"GET": _list_actions, "POST": _post_action},
    "/images/{image:int}/actions/{action:int}": {"GET": _get_action},
    "/snapshots": {"GET": _list_snapshots},
    "/snapshots/{snapshot}": {"GET": _get_snapshot, "DELETE": _delete_snapshot},
}

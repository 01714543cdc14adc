"""Images: public ones, and those of disks."""

from __future__ import annotations

from functools import partial

from polycloud.sandbox.linode import catalog, views
from polycloud.sandbox.linode.calls import DONE, Call, Listing, Reply, Routes
from polycloud.sandbox.linode.errors import ForbiddenError, InputError
from polycloud.sandbox.linode.resources import Disk, Image, Linode
from polycloud.sandbox.linode.state import State, check_free, found

_FIELDS = frozenset({"deprecated", "is_public", "label", "size", "status", "tags", "type", "vendor"})


def _visible(state: State, call: Call) -> dict[str, Image]:
    """All images; without a token, the public ones."""
    return {name: image for name, image in state.images.items() if image.public or call.known}


def _list(state: State, call: Call) -> Listing:
    return Listing(list(_visible(state, call).values()), views.image, _FIELDS)


def _get(state: State, call: Call) -> Reply:
    return Reply(views.image(found(_visible(state, call), call.path["image"])))


def _own(state: State, call: Call) -> Image:
    """The account's own image of that id; others cannot be changed."""
    image = found(state.images, call.path["image"])
    if image.public:
        raise ForbiddenError
    return image


def _create(state: State, call: Call) -> Reply:
    body = call.body
    linode, disk = _disk(state, body.need("disk_id", int))
    check_free(linode)
    if disk.filesystem == "swap":
        raise InputError("disk_id is not valid", "disk_id")
    image = Image(
        id=f"private/{state.new_id()}",
        label=body.get("label", str) or disk.label,
        description=body.get("description", str),
        vendor=None,
        public=False,
        size=disk.least,
        created=state.stamp(),
        updated=state.stamp(),
        created_by=state.knobs.username,
        capabilities=("cloud-init",) if body.flag("cloud_init") else (),
        regions=(linode.region.id,),
        tags=state.use_tags(body.each("tags", str)),
        status="creating",
    )
    state.images[image.id] = image

    def finish() -> None:
        image.status, image.updated = "available", state.stamp()

    state.begin(
        "disk_imagize",
        state.knobs.copy,
        linode,
        finish,
        locks=[linode, image],
        undo=partial(state.images.pop, image.id),
        secondary=image,
        noun="disks",
    )
    return Reply(views.image(image))


def _disk(state: State, id: int) -> tuple[Linode, Disk]:
    for linode in state.linodes.values():
        if id in linode.disks:
            return linode, linode.disks[id]
    raise InputError("disk_id is not valid", "disk_id")


def _update(state: State, call: Call) -> Reply:
    image, body = _own(state, call), call.body
    label, description = body.get("label", str), body.get("description", str)
    if "tags" in body:
        image.tags = state.use_tags(body.each("tags", str))
    image.label, image.description = label or image.label, description or image.description
    image.updated = state.stamp()
    state.note("image_update", image)
    return Reply(views.image(image))


def _delete(state: State, call: Call) -> Reply:
    image = _own(state, call)
    check_free(image)
    del state.images[image.id]
    state.note("image_delete", image)
    return DONE


def _replicate(state: State, call: Call) -> Reply:
    image = _own(state, call)
    check_free(image)
    wanted = tuple(dict.fromkeys(call.body.each("regions", str)))
    if any("Object Storage" not in _capabilities(region) for region in set(wanted).difference(image.regions)):
        raise InputError("regions is not valid", "regions")
    if not set(wanted).intersection(image.regions):
        raise InputError("At least one region must have the image.", "regions")
    image.regions, image.updated = wanted, state.stamp()
    return Reply(views.image(image))


def _capabilities(region: str) -> tuple[str, ...]:
    return catalog.REGIONS[region].capabilities if region in catalog.REGIONS else ()


ROUTES: Routes = {
    "/images": {"GET": _list, "POST": _create},
    "/images/{image:path}/regions": {"POST": _replicate},
    "/images/{image:path}": {"GET": _get, "PUT": _update, "DELETE": _delete},
}

"""Images: public ones, and those of disks."""

from __future__ import annotations

from functools import partial

from polycloud.sandbox.linode.dialect import Table, dates
from polycloud.sandbox.linode.resources import REGIONS, Disk, Image, Linode, show_image
from polycloud.sandbox.linode.state import State
from polycloud.sandbox.rest.collection import Change, Field
from polycloud.sandbox.rest.errors import ForbiddenError, InputError, NotFoundError
from polycloud.sandbox.rest.replies import Call, Reply, Routes
from polycloud.sandbox.rest.timeline import check_free


def _visible(state: State, _: object, call: Call) -> list[Image]:
    """Return all images; without a token, the public ones."""
    return [image for image in state.images.values() if image.is_public or call.known]


def _get(_: State, image: Image, call: Call) -> Reply:
    if not (image.is_public or call.known):
        raise NotFoundError
    return Reply(200, show_image(image))


def _check_own(image: Image) -> None:
    if image.is_public:
        raise ForbiddenError


def _create(state: State, _: object, call: Call) -> Image:
    body = call.body
    linode, disk = _disk(state, body.need("disk_id", int))
    check_free(linode)
    if disk.filesystem == "swap":
        raise InputError("disk_id is not valid", "disk_id")
    image = Image(
        id=f"private/{state.new_number()}",
        label=body.get("label", str) or disk.label,
        description=body.get("description", str),
        size=disk.least,
        created_by=state.settings.username,
        capabilities=("cloud-init",) if body.flag("cloud_init") else (),
        regions=(linode.region.id,),
        tags=state.use_tags(body.each("tags", str)),
        status="creating",
        **dates(state),
    )
    state.images[image.id] = image

    def finish() -> None:
        image.status, image.updated = "available", state.stamp()

    state.begin(
        "disk_imagize",
        state.settings.copy,
        linode,
        finish,
        also_locks=(image,),
        undo=partial(state.images.pop, image.id),
        secondary=image,
        noun="disks",
    )
    return image


def _disk(state: State, id: int) -> tuple[Linode, Disk]:
    for linode in state.linodes.values():
        if id in linode.disks:
            return linode, linode.disks[id]
    raise InputError("disk_id is not valid", "disk_id")


def _check_update(change: Change) -> None:
    _check_own(change.item)


def _remove(_: State, image: Image, __: object) -> None:
    _check_own(image)
    check_free(image)


def _replicate(state: State, image: Image, call: Call) -> Reply:
    _check_own(image)
    check_free(image)
    wanted = tuple(dict.fromkeys(call.body.each("regions", str)))
    able = {name for name, region in REGIONS.items() if "Object Storage" in region.capabilities}
    if not able.union(image.regions).issuperset(wanted):
        raise InputError("regions is not valid", "regions")
    if not set(wanted).intersection(image.regions):
        raise InputError("At least one region must have the image.", "regions")
    image.regions, image.updated = wanted, state.stamp()
    return Reply(200, show_image(image))


_IMAGES = Table(
    path="/images",
    key="image:path",
    verbs="GET POST/PUT DELETE",
    filters="deprecated is_public label size status tags type vendor",
    view=show_image,
    wanted=_visible,
    create=_create,
    fields={"label": Field(needed=True), "description": Field(), "tags": Field(each=str)},
    check=_check_update,
    remove=_remove,
    on_one={"GET": _get},
    actions={"regions": _replicate},
    events="- image_update image_delete",
)

ROUTES: Routes = _IMAGES.routes()

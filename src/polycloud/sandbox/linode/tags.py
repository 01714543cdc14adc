"""Tags, and what has them."""

from __future__ import annotations

from polycloud.sandbox.linode import views
from polycloud.sandbox.linode.calls import DONE, Call, Listing, Reply, Routes
from polycloud.sandbox.linode.errors import InputError
from polycloud.sandbox.linode.inputs import check_length
from polycloud.sandbox.linode.resources import Image, Json, Linode, Volume
from polycloud.sandbox.linode.state import State, found

_SHORTEST, _LONGEST = 3, 50


def _list(state: State, _: Call) -> Listing:
    return Listing(list(state.tags), lambda label: {"label": label}, frozenset({"label"}))


def _create(state: State, call: Call) -> Reply:
    body = call.body
    label = body.need("label", str)
    check_length(label, _SHORTEST, _LONGEST, "label")
    if label in state.tags:
        raise InputError("Tag already exists.", "label")
    tagged: list[Linode | Volume] = [
        *_named(state.linodes, body.each("linodes", int), "linodes"),
        *_named(state.volumes, body.each("volumes", int), "volumes"),
    ]
    state.use_tags([label])
    for resource in tagged:
        resource.tags = (*resource.tags, label)
    return Reply({"label": label})


def _named(
    resources: dict[int, Linode] | dict[int, Volume], ids: list[int], field: str
) -> list[Linode | Volume]:
    if not resources.keys() >= set(ids):
        raise InputError(f"{field} is not valid", field)
    return [resources[number] for number in ids]


def _tagged(state: State, label: str) -> list[Linode | Volume | Image]:
    resources: tuple[Linode | Volume | Image, ...] = (
        *state.linodes.values(),
        *state.volumes.values(),
        *state.images.values(),
    )
    return [resource for resource in resources if label in resource.tags]


def _view(resource: Linode | Volume) -> Json:
    if isinstance(resource, Linode):
        return {"type": "linode", "data": views.linode(resource)}
    return {"type": "volume", "data": views.volume(resource)}


def _get(state: State, call: Call) -> Listing:
    found(state.tags, call.path["tag"])
    # An image can have a tag, but is not listed by it.
    tagged = [resource for resource in _tagged(state, call.path["tag"]) if not isinstance(resource, Image)]
    return Listing(tagged, _view)


def _delete(state: State, call: Call) -> Reply:
    label = call.path["tag"]
    found(state.tags, label)
    for resource in _tagged(state, label):
        resource.tags = tuple(tag for tag in resource.tags if tag != label)
    del state.tags[label]
    return DONE


ROUTES: Routes = {
    "/tags": {"GET": _list, "POST": _create},
    "/tags/{tag:path}": {"GET": _get, "DELETE": _delete},
}

"""Tags: names on droplets, images, volumes and snapshots of volumes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from polycloud.sandbox.digitalocean.calls import DONE, Call, Listing, Reply, Routes
from polycloud.sandbox.digitalocean.errors import InputError, NotFoundError
from polycloud.sandbox.digitalocean.inputs import Body
from polycloud.sandbox.digitalocean.resources import Droplet, Image, Json, Volume, VolumeSnapshot
from polycloud.sandbox.digitalocean.state import State, found, without

Tagged = Droplet | Image | Volume | VolumeSnapshot

_NAME = re.compile(r"[a-zA-Z0-9_:-]{1,255}")


def tag_names(body: Body) -> list[str]:
    """The field `tags` of a body; InputError for a name that no tag can have."""
    return [_checked(name) for name in body.each("tags", str)]


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise InputError("Tag name may only contain letters, numbers, colons, dashes, and underscores.")
    return name


def with_tag(state: State, items: Iterable[Any], name: str) -> list[Any]:
    """The items that have the tag, however it is capitalised."""
    canonical = state.tags.get(name.lower())
    return [item for item in items if canonical in item.tags]


def _kinds(state: State) -> dict[str, tuple[str, Mapping[Any, Tagged]]]:
    """What can be tagged, by the API's name for it: where it is addressed, and all there is of it."""
    return {
        "droplet": ("droplets", state.droplets),
        "image": ("images", _own_images(state)),
        "volume": ("volumes", state.volumes),
        "volume_snapshot": ("snapshots", state.volume_snapshots),
    }


def _own_images(state: State) -> dict[int, Image]:
    return {image.id: image for image in state.images.values() if not image.public}


def _view(state: State, call: Call, name: str) -> Json:
    resources: Json = {"count": 0}
    for kind, (path, items) in _kinds(state).items():
        tagged = with_tag(state, items.values(), name)
        counted: Json = {"count": len(tagged)}
        if tagged:
            counted["last_tagged_uri"] = call.link(f"/{path}/{tagged[-1].id}")
            resources["last_tagged_uri"] = counted["last_tagged_uri"]
        resources["count"] += len(tagged)
        resources[f"{kind}s"] = counted
    resources["databases"] = {"count": 0}
    return {"name": name, "resources": resources}


def _tag(state: State, call: Call) -> str:
    name: str = call.path["tag"]
    if state.tags.get(name.lower()) != name:
        raise NotFoundError
    return name


def _list(state: State, call: Call) -> Listing:
    return Listing("tags", list(state.tags.values()), partial(_view, state, call))


def _create(state: State, call: Call) -> Reply:
    (name,) = state.canonical_tags([_checked(call.body.need("name", str))])
    return Reply(201, {"tag": _view(state, call, name)})


def _get(state: State, call: Call) -> Reply:
    return Reply(200, {"tag": _view(state, call, _tag(state, call))})


def _delete(state: State, call: Call) -> Reply:
    name = _tag(state, call)
    for _, items in _kinds(state).values():
        for item in with_tag(state, items.values(), name):
            _untag(item, name)
    for firewall in state.firewalls.values():
        firewall.tags = without(firewall.tags, name)
    del state.tags[name.lower()]
    return DONE


def _untag(item: Tagged, name: str) -> None:
    item.tags = without(item.tags, name)


def _named_resources(state: State, call: Call) -> list[Tagged]:
    """What the body names; NotFoundError if any of it does not exist."""
    kinds = _kinds(state)
    named: list[Tagged] = []
    for resource in call.body.objects("resources"):
        kind, wanted = resource.need("resource_type", str), resource.identifier("resource_id") or ""
        if kind not in kinds:
            raise InputError(f"{kind} is not a type of resource that can be tagged.")
        items = {str(item.id): item for item in kinds[kind][1].values()}
        named.append(found(items, wanted))
    if not named:
        raise InputError("resources is required.")
    return named


def _tag_resources(state: State, call: Call) -> Reply:
    name = _tag(state, call)
    for item in _named_resources(state, call):
        item.tags = tuple(dict.fromkeys((*item.tags, name)))
    return DONE


def _untag_resources(state: State, call: Call) -> Reply:
    name = _tag(state, call)
    for item in _named_resources(state, call):
        _untag(item, name)
    return DONE


ROUTES: Routes = {
    "/tags": {"GET": _list, "POST": _create},
    "/tags/{tag}": {"GET": _get, "DELETE": _delete},
    "/tags/{tag}/resources": {"POST": _tag_resources, "DELETE": _untag_resources},
}

"""The simple collections: the account, regions, types, kernels, SSH keys, StackScripts, tags, events."""

from __future__ import annotations

from typing import Any

from polycloud.sandbox.linode.dialect import Table
from polycloud.sandbox.linode.domains import DOMAINS
from polycloud.sandbox.linode.nodebalancers import BALANCERS
from polycloud.sandbox.linode.resources import DOCUMENTS, show_event, show_linode, show_volume
from polycloud.sandbox.linode.state import State
from polycloud.sandbox.rest.bodies import length, split_key
from polycloud.sandbox.rest.collection import Change, Field, Item, routes_of, show, without
from polycloud.sandbox.rest.errors import InputError
from polycloud.sandbox.rest.replies import Call, Json, Listing, Reply, Routes

# The account, regions, types and kernels


def _for_sale(path: str, key: str, items: str, filters: str) -> Table:
    return Table(
        path=path,
        key=key,
        items=items,
        verbs="GET/GET" if key else "GET",
        filters=filters,
        wanted=lambda state, *_: vars(state.catalog)[items].values(),
        find=lambda state, name: vars(state.catalog)[items].get(name),
    )


_CATALOG = (
    _for_sale(
        "/linode/types", "type:str", "types", "class disk gpus label memory network_out transfer vcpus"
    ),
    _for_sale("/linode/kernels", "kernel:path", "kernels", "architecture deprecated kvm label pvops version"),
    _for_sale("/regions", "region:str", "regions", "country site_type"),
    _for_sale("/volumes/types", "", "volume_types", "label transfer price.hourly price.monthly"),
)


# SSH keys

_KEY_TYPES = ("ssh-dss", "ssh-rsa", "ecdsa-sha2-nistp", "ssh-ed25519", "sk-ecdsa-sha2-nistp256")


def check_key(field: str, line: str) -> None:
    """Raise InputError unless it is a public key as files have it: its type, the key, a comment."""
    kind, blob = split_key(line)
    if not kind.startswith(_KEY_TYPES):
        raise InputError(f"SSH Key key-type must be one of {', '.join(_KEY_TYPES)}.", field)
    if not blob:
        raise InputError("SSH Key data is invalid.", field)


_KEYS = Table(
    path="/profile/sshkeys",
    items="keys",
    filters="id label",
    view=show("id label ssh_key created"),
    fields={
        "label": Field(needed=True, check=length(0, 64)),
        "ssh_key": Field(needed=True, fixed=True, convert=str.strip, check=check_key),
    },
    noun="user_ssh_key",
    events="user_ssh_key_add user_ssh_key_update user_ssh_key_delete",
)


# StackScripts: they can be named where something is deployed, and are not run


def _check_script(change: Change) -> None:
    images = change.values.get("images", ())
    if not {*change.state.images, "any/all"}.issuperset(images):
        raise InputError("images is not valid", "images")
    if change.item:
        # A public script stays public.
        change.values["is_public"] = change.get("is_public") or change.item.is_public


def _remove_script(_: State, script: Item, __: object) -> None:
    if script.is_public:
        raise InputError("A public StackScript cannot be deleted.")


_STACKSCRIPTS = Table(
    path="/linode/stackscripts",
    filters="deployments_total description is_public label mine rev_note",
    view=show(
        "id label description images script rev_note is_public username created updated",
        mine=True,
        deployments_total=0,
        deployments_active=0,
        user_gravatar_id="a445b305abda30ebc766bc7fda037c37",
        user_defined_fields=[],
    ),
    fields={
        "label": Field(needed=True, check=length(3, 128)),
        "images": Field(each=str, needed=True),
        "script": Field(needed=True),
        "description": Field(default=""),
        "rev_note": Field(default=""),
        "is_public": Field(kind=bool, default=False),
    },
    identity=lambda state: {"username": state.settings.username},
    check=_check_script,
    remove=_remove_script,
    wanted=lambda state, _, call: [
        script for script in state.stackscripts.values() if script.is_public or call.known
    ],
    noun="stackscript",
    events="stackscript_create stackscript_update stackscript_delete",
)


# Tags


def _create_tag(state: State, _: object, call: Call) -> Item:
    label = call.body.need("label", str)
    length(3, 50)("label", label)
    if label in state.tags:
        raise InputError("Tag already exists.", "label")
    tagged: list[Any] = []
    resources: dict[str, dict[int, Any]] = {
        "linodes": state.linodes,
        "volumes": state.volumes,
        "domains": state.domains,
        "nodebalancers": state.nodebalancers,
    }
    for field, known in resources.items():
        ids = call.body.each(field, int)
        if not known.keys() >= set(ids):
            raise InputError(f"{field} is not valid", field)
        tagged += [known[number] for number in ids]
    state.use_tags([label])
    for resource in tagged:
        resource.tags = (*resource.tags, label)
    return state.tags[label]


def _list_tagged(state: State, tag: Item, _: Call) -> Listing:
    # An image can have a tag, but is not listed by it.
    resources: tuple[Any, ...] = (
        *state.linodes.values(),
        *state.volumes.values(),
        *state.domains.values(),
        *state.nodebalancers.values(),
    )
    return Listing([one for one in resources if tag.label in one.tags], _show_tagged)


_VIEWS = {
    "linode": show_linode,
    "volume": show_volume,
    "domain": DOMAINS.view,
    "nodebalancer": BALANCERS.view,
}


def _show_tagged(resource: Any) -> Json:
    return {"type": resource.noun, "data": _VIEWS[resource.noun](resource)}


def _remove_tag(state: State, tag: Item, _: object) -> None:
    resources = (state.linodes, state.volumes, state.images, state.domains, state.nodebalancers)
    for resource in (one for held in resources for one in held.values()):
        resource.tags = without(resource.tags, tag.label)


_TAGS = Table(
    path="/tags",
    key="tag:path",
    id="label",
    verbs="GET POST/DELETE",
    filters="label",
    create=_create_tag,
    remove=_remove_tag,
    on_one={"GET": _list_tagged},
)


# Events


def _mark_seen(state: State, last: Item, _: Call) -> None:
    """Mark this event and all before it."""
    for event in state.events.values():
        event.seen = event.seen or event.id <= last.id


def _mark_read(_: State, event: Item, __: Call) -> None:
    event.read = True


_EVENTS = Table(
    path="/account/events",
    verbs="GET/GET",
    filters="action created id read entity.id entity.type",
    view=show_event,
    wanted=lambda state, *_: reversed(state.events.values()),
    actions={"seen": _mark_seen, "read": _mark_read},
)

ROUTES: Routes = {
    "/account": {"GET": lambda _, __: Reply(200, DOCUMENTS["account"])},
    "/profile": {
        "GET": lambda state, _: Reply(200, {"username": state.settings.username, **DOCUMENTS["profile"]})
    },
    **routes_of(*_CATALOG, _KEYS, _STACKSCRIPTS, _TAGS, _EVENTS),
}

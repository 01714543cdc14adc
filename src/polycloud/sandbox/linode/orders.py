"""Reading and checking the bodies of creates, rebuilds and clones."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

from polycloud.sandbox.linode.dialect import check_password, label_of
from polycloud.sandbox.linode.resources import REGIONS, TYPES, Image, Linode, has_type
from polycloud.sandbox.linode.state import SWAP, State
from polycloud.sandbox.linode.tables import check_key
from polycloud.sandbox.machines import Access
from polycloud.sandbox.rest.bodies import Body, together
from polycloud.sandbox.rest.collection import Item
from polycloud.sandbox.rest.errors import InputError

_LONGEST_USER_DATA = 65535


@dataclass(frozen=True)
class Deploy:
    """An image, and who may log in to a disk made of it."""

    image: Image
    access: Access
    has_user_data: bool


@dataclass(frozen=True)
class Extras:
    """What a new Linode, or a clone, gets beside its disks."""

    private_ip: bool
    backups: bool
    group: str

    @classmethod
    def read(cls, body: Body, group: str = "") -> Self:
        """Read the body of a request."""
        return cls(body.flag("private_ip"), body.flag("backups_enabled"), body.get("group", str) or group)

    def give(self, state: State, linode: Linode) -> None:
        """Give them to a Linode."""
        linode.group = self.group
        if self.private_ip:
            state.add_private(linode)
        if self.backups:
            start_backups(linode)


def start_backups(linode: Linode) -> None:
    """Let a Linode have backups, at times to be chosen."""
    linode.backups_enabled = True
    linode.schedule = ("Scheduling", "Scheduling")


@dataclass(frozen=True)
class Order:
    """A Linode that can be built."""

    label: str | None
    plan: Item
    region: Item
    deploy: Deploy | None
    backup: Item | None
    swap: int

    @property
    def needs(self) -> int:
        """The MB of storage that it needs."""
        if self.backup:
            return sum(disk.size for disk in self.backup.disks)
        return self.deploy.image.size + self.swap if self.deploy else 0


def read_order(state: State, body: Body) -> Order:
    """Read the body of a create. Raises InputError if it cannot be carried out."""
    readers: dict[str, Callable[[], Any]] = {
        "plan": partial(read_type, body),
        "region": partial(read_region, body),
        "label": partial(read_label, state, body),
        "deploy": partial(read_deploy, state, body),
        "backup": partial(_backup, state, body),
    }
    together(*readers.values())
    fields: dict[str, Any] = {name: read() for name, read in readers.items()}
    plan, region, deploy, backup = (fields[name] for name in ("plan", "region", "deploy", "backup"))
    check_type(plan, region)
    if deploy and backup:
        raise InputError("image and backup_id are mutually exclusive", "backup_id")
    if backup and backup.region is not region:
        raise InputError("The backup is in another region.", "backup_id")
    if deploy and deploy.has_user_data:
        _check_metadata(deploy.image, region)
    order = Order(**fields, swap=body.number("swap_size", 0, plan.disk // 2, SWAP))
    check_space(plan, order.needs)
    check_limit(state)
    return order


def check_limit(state: State) -> None:
    """Raise InputError if the account can have no more Linodes."""
    if len(state.linodes) >= state.settings.linode_limit + state.settings.seed_nodes:
        raise InputError("Account Limit reached. Please open a support ticket.")


def read_type(body: Body) -> Item:
    """Return the type that a body names. Raises InputError if it is unknown."""
    plan = TYPES.get(body.need("type", str))
    if plan is None:
        raise InputError("A valid plan type by that ID was not found", "type")
    return plan


def check_type(plan: Item, region: Item) -> None:
    """Raise InputError unless that region has the type."""
    if not has_type(region, plan):
        raise InputError("This type is not available in this region.", "type")


def read_region(body: Body) -> Item:
    """Return the region that a body names. Raises InputError if it is unknown."""
    region = REGIONS.get(body.need("region", str))
    if region is None:
        raise InputError("region is not valid", "region")
    return region


def read_label(state: State, body: Body) -> str | None:
    """Return the label for a new Linode. Raises InputError if it is invalid or another's."""
    label = body.get("label", str)
    if label is not None:
        label_of(3, 64)("label", label)
    if any(linode.label == label for linode in state.linodes.values()):
        raise InputError("Label must be unique among your linodes", "label")
    return label


def read_deploy(state: State, body: Body, *, required: bool = False) -> Deploy | None:
    """Return what a body deploys; None without an image. Raises InputError."""
    if "image" not in body and not required:
        return None
    together(
        partial(_image, state, body),
        partial(read_password, body),
        partial(_public_keys, state, body),
        partial(read_user_data, body),
        partial(_check_stackscript, state, body),
    )
    access = Access(public_keys=_public_keys(state, body), passwords=(read_password(body),))
    return Deploy(_image(state, body), access, read_user_data(body))


def _image(state: State, body: Body) -> Image:
    image = state.images.get(body.need("image", str))
    if image is None or image.status != "available":
        raise InputError("image is not valid", "image")
    return image


def read_password(body: Body, field: str = "root_pass") -> str:
    """Return the password in a body. Raises InputError if it is weak."""
    password = body.need(field, str)
    check_password(password, field)
    return password


def _public_keys(state: State, body: Body) -> tuple[str, ...]:
    lines = body.each("authorized_keys", str)
    for line in lines:
        check_key("authorized_keys", line)
    for user in body.each("authorized_users", str):
        if user != state.settings.username or not state.keys:
            raise InputError(f"User {user} does not exist or has no SSH keys", "authorized_users")
        lines += [key.ssh_key for key in state.keys.values()]
    return tuple(dict.fromkeys(lines))


def read_user_data(body: Body) -> bool:
    """Return whether a body has data for cloud-init. Raises InputError if they are invalid."""
    data = body.part("metadata").get("user_data", str)
    if not data:
        return False
    try:
        plain = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError("user_data must be base64 encoded", "metadata.user_data") from error
    if len(plain) > _LONGEST_USER_DATA:
        raise InputError(f"user_data must not exceed {_LONGEST_USER_DATA} bytes", "metadata.user_data")
    return True


def _check_metadata(image: Image, region: Item) -> None:
    if "cloud-init" not in image.capabilities:
        raise InputError("The image does not support cloud-init.", "metadata.user_data")
    if "Metadata" not in region.capabilities:
        raise InputError("Metadata is not available in this region.", "metadata.user_data")


def _check_stackscript(state: State, body: Body) -> None:
    number, image = body.get("stackscript_id", int), _image(state, body)
    if number is None:
        return
    script = state.stackscripts.get(number)
    if script is None:
        raise InputError("stackscript_id is not valid", "stackscript_id")
    if not image.is_public or not {image.id, "any/all"}.intersection(script.images):
        raise InputError("The image is not compatible with this StackScript.", "stackscript_id")


def _backup(state: State, body: Body) -> Item | None:
    number = body.get("backup_id", int)
    if number is None:
        return None
    for linode in state.linodes.values():
        backup = linode.backups.get(number)
        if backup and backup.status == "successful":
            return backup
    raise InputError("backup_id is not valid", "backup_id")


def check_space(plan: Item, needed: int) -> None:
    """Raise InputError unless that type has so many MB of storage."""
    if needed > plan.disk:
        raise InputError("Insufficient space: this type has less storage than is needed.", "type")

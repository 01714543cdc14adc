"""Reading and checking the body of a create of droplets."""

from __future__ import annotations

import re

from polycloud.sandbox.digitalocean.resources import REGIONS, SIZES, Image, Volume
from polycloud.sandbox.digitalocean.state import State
from polycloud.sandbox.digitalocean.tables import droplet_limit, find_key, read_tags
from polycloud.sandbox.rest.bodies import Body
from polycloud.sandbox.rest.collection import Item
from polycloud.sandbox.rest.errors import InputError
from polycloud.sandbox.rest.replies import Json

_HOSTNAME = re.compile(r"[a-zA-Z0-9]?[a-z0-9A-Z.-]*[a-z0-9A-Z]")
_LONGEST_NAME = 255
_MOST_NAMES = 10
_LONGEST_USER_DATA = 64 * 1024
MOST_VOLUMES = 15
"""How many volumes a droplet can have."""


def read_order(state: State, body: Body) -> tuple[list[str], Json, tuple[Volume, ...]]:
    """Read the body of a create: names, the other arguments of `State.add_droplet`, and volumes.

    Raises:
        InputError: it cannot be carried out.
    """
    names = [body.need("name", str)] if "names" not in body else body.each("names", str)
    if not 0 < len(names) <= _MOST_NAMES:
        raise InputError(f"You can create from 1 to {_MOST_NAMES} Droplets at a time.")
    for name in names:
        check_hostname(name)
    size = _size(body)
    image = find_image(state, body.identifier("image") or "")
    if image is None or image.status != "available":
        raise InputError("You specified an invalid image for Droplet creation.")
    region = _region(body.get("region", str), size, image)
    check_fit(image, size)
    if len(body.get("user_data", str) or "") > _LONGEST_USER_DATA:
        raise InputError("User data must not exceed 64 KiB.")
    vpc, public_keys = _vpc(state, body.get("vpc_uuid", str), region), _public_keys(state, body)
    volumes = _volumes(state, body, region)
    order = {
        "size": size,
        "image": image,
        "region": region,
        "vpc": vpc,
        "public_keys": public_keys,
        "volume_ids": tuple(volume.id for volume in volumes),
        "tags": read_tags(state, body),
        "features": _features(body),
        "public": body.flag("public_networking", default=True),
    }
    if len(state.droplets) + len(names) > droplet_limit(state):
        raise InputError("creating this/these droplet(s) will exceed your droplet limit")
    return names, order, volumes


def check_hostname(name: str) -> None:
    """Raise InputError unless a droplet can have that name."""
    if len(name) > _LONGEST_NAME:
        raise InputError(f"Name is too long (maximum is {_LONGEST_NAME} characters)")
    if not _HOSTNAME.fullmatch(name):
        raise InputError("Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -)")


def find_image(state: State, identifier: str) -> Image | None:
    """Return the image of that id, in digits, or of that slug."""
    for image in state.images.values():
        if identifier in {str(image.id), image.slug}:
            return image
    return None


def check_fit(image: Image, size: Item) -> None:
    """Raise InputError unless the image fits on the size's disk."""
    if image.min_disk_size > size.disk:
        raise InputError("This size is not available because it has a smaller disk.")


def _size(body: Body) -> Item:
    size = SIZES.get(body.need("size", str))
    if size is None:
        raise InputError("You specified an invalid size for Droplet creation.")
    if not size.available:
        raise InputError("Size is not available.")
    return size


def _region(wanted: str | None, size: Item, image: Image) -> Item:
    """Return the region of that slug, or the first suitable one of a city."""
    region = REGIONS.get(wanted or "")
    if region is None:
        return _any_region(wanted or "", size, image)
    if not region.available:
        raise InputError("Region is not available")
    if region.slug not in size.regions:
        raise InputError("Size is not available in this region.")
    if region.slug not in image.regions:
        raise InputError(
            "The image you specified is not available in the selected region, "
            "you can transfer it to this region from the images pages."
        )
    return region


def _any_region(prefix: str, size: Item, image: Image) -> Item:
    # A prefix is a name of a city, such as "nyc", and never a part of one.
    regions = [region for region in REGIONS.values() if prefix in {"", region.slug.rstrip("0123456789")}]
    if not regions:
        raise InputError("You specified an invalid region for Droplet creation.")
    for region in regions:
        if region.available and region.slug in size.regions and region.slug in image.regions:
            return region
    raise InputError("Size is not available in this region.")


def _vpc(state: State, id: str | None, region: Item) -> Item | None:
    if id is None:
        return None
    vpc = state.vpcs.get(id)
    if vpc is None or vpc.region != region.slug:
        raise InputError("You specified an invalid VPC for Droplet creation.")
    return vpc


def _public_keys(state: State, body: Body) -> tuple[str, ...]:
    wanted = {identifier: find_key(state, identifier) for identifier in body.identifiers("ssh_keys")}
    unknown = [identifier for identifier, key in wanted.items() if key is None]
    if unknown:
        raise InputError(f"{', '.join(unknown)} are invalid key identifiers for Droplet creation.")
    return tuple(key.public_key for key in wanted.values() if key)


def _volumes(state: State, body: Body, region: Item) -> tuple[Volume, ...]:
    volumes = [state.volumes.get(volume_id) for volume_id in body.each("volumes", str)]
    usable = tuple(
        volume
        for volume in volumes
        if volume and volume.region is region and not volume.droplet and not volume.locked
    )
    if len(usable) != len(volumes) or len(usable) > MOST_VOLUMES or ("names" in body and usable):
        raise InputError("Invalid volume allocations")
    return usable


def _features(body: Body) -> tuple[str, ...]:
    features = [] if body.get("with_droplet_agent", bool) is False else ["droplet_agent"]
    features.append("private_networking")
    features += [name for name in ("monitoring", "ipv6", "backups") if body.flag(name)]
    return tuple(features)

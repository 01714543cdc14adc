"""The rest of Cinder: types of volumes, limits, quotas and zones; and all its paths."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from polycloud.sandbox.openstack.dialect import Table
from polycloud.sandbox.openstack.snapshots import SNAPSHOTS, show_short_snapshot, show_snapshot
from polycloud.sandbox.openstack.state import State
from polycloud.sandbox.openstack.storage import GIGABYTES, find_type, listed
from polycloud.sandbox.openstack.volumes import VOLUMES, show_name, show_volume
from polycloud.sandbox.rest.collection import Item, routes_of, show
from polycloud.sandbox.rest.replies import Call, Json, Reply, Routes

_show_type = show(
    "id name description extra_specs",
    is_public=True,
    **{"os-volume-type-access:is_public": True},
)


def _default_type(state: State, _: Call) -> Reply:
    return Reply(200, {"volume_type": _show_type(find_type(state, "__DEFAULT__"))})


def _used(state: State) -> dict[str, int]:
    volumes = [one for one in state.volumes.values() if one.project_id == state.project_id]
    snapshots = [one for one in state.snapshots.values() if one.project_id == state.project_id]
    return {"volumes": len(volumes), "gigabytes": sum(v.size for v in volumes), "snapshots": len(snapshots)}


def _limits(state: State, _: Call) -> Reply:
    used = _used(state)
    absolute = {
        "maxTotalVolumes": state.settings.volume_limit,
        "maxTotalSnapshots": 1000,
        "maxTotalVolumeGigabytes": GIGABYTES,
        "maxTotalBackups": 10,
        "maxTotalBackupGigabytes": 1000,
        "totalVolumesUsed": used["volumes"],
        "totalGigabytesUsed": used["gigabytes"],
        "totalSnapshotsUsed": used["snapshots"],
        "totalBackupsUsed": 0,
        "totalBackupGigabytesUsed": 0,
    }
    return Reply(200, {"limits": {"rate": [], "absolute": absolute}})


def _quota(state: State, call: Call) -> Reply:
    quota: Json = {
        "volumes": state.settings.volume_limit,
        "per_volume_gigabytes": -1,
        "snapshots": 1000,
        "gigabytes": GIGABYTES,
        "backups": 10,
        "backup_gigabytes": 1000,
        **{
            f"{what}_{kind.name}": -1
            for kind in state.volume_types.values()
            for what in ("volumes", "gigabytes", "snapshots")
        },
        "groups": 10,
    }
    if call.query.get("usage", "").lower() == "true":
        used = _used(state)
        quota = {
            name: {"limit": limit, "in_use": used.get(name, 0), "reserved": 0}
            for name, limit in quota.items()
        }
    return Reply(200, {"quota_set": {**quota, "id": call.path["project"]}})


def _zones(_: State, __: Call) -> Reply:
    return Reply(200, {"availabilityZoneInfo": [{"zoneName": "nova", "zoneState": {"available": True}}]})


_TYPES = Table(
    path="/types",
    many="volume_types",
    view=_show_type,
    verbs="GET/GET",
    missing="Volume type {id} could not be found.",
)


_PATHS: Routes = {
    "/volumes/detail": {"GET": partial(listed, "volumes", show_volume)},
    "/snapshots/detail": {"GET": partial(listed, "snapshots", show_snapshot)},
    "/types/default": {"GET": _default_type},
    **routes_of(VOLUMES, SNAPSHOTS, _TYPES),
    "/limits": {"GET": _limits},
    "/os-quota-sets/{project}": {"GET": _quota},
    "/os-availability-zone": {"GET": _zones},
}


_SHORT: dict[str, Callable[[Item], Json]] = {"/volumes": show_name, "/snapshots": show_short_snapshot}


ROUTES: Routes = {
    f"/volume/v3{path}": (
        {**verbs, "GET": partial(listed, path[1:], _SHORT[path])} if path in _SHORT else verbs
    )
    for path, verbs in _PATHS.items()
}
"""Every path of Cinder, with its methods and their handlers."""

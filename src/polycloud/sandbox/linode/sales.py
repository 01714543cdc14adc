"""What can be bought and booted."""

from __future__ import annotations

from polycloud.sandbox.linode import catalog, views
from polycloud.sandbox.linode.calls import Call, Listing, Reply, Routes
from polycloud.sandbox.linode.state import State, found

_TYPE_FIELDS = frozenset({"class", "disk", "gpus", "label", "memory", "network_out", "transfer", "vcpus"})
_KERNEL_FIELDS = frozenset({"architecture", "deprecated", "kvm", "label", "pvops", "version"})


def _list_types(_: State, __: Call) -> Listing:
    return Listing(list(catalog.TYPES.values()), views.plan, _TYPE_FIELDS)


def _get_type(_: State, call: Call) -> Reply:
    return Reply(views.plan(found(catalog.TYPES, call.path["type"])))


def _list_regions(_: State, __: Call) -> Listing:
    return Listing(list(catalog.REGIONS.values()), views.region, frozenset({"country", "site_type"}))


def _get_region(_: State, call: Call) -> Reply:
    return Reply(views.region(found(catalog.REGIONS, call.path["region"])))


def _list_kernels(_: State, __: Call) -> Listing:
    return Listing(list(catalog.KERNELS.values()), views.kernel, _KERNEL_FIELDS)


def _get_kernel(_: State, call: Call) -> Reply:
    return Reply(views.kernel(found(catalog.KERNELS, call.path["kernel"])))


ROUTES: Routes = {
    "/linode/types": {"GET": _list_types},
    "/linode/types/{type}": {"GET": _get_type},
    "/linode/kernels": {"GET": _list_kernels},
    "/linode/kernels/{kernel:path}": {"GET": _get_kernel},
    "/regions": {"GET": _list_regions},
    "/regions/{region}": {"GET": _get_region},
}

"""Which scope and which rate limit a request counts for, and what needs no token."""

from __future__ import annotations

import re

_AREAS = (
    ("/linode/stackscripts", "stackscripts"),
    ("/linode", "linodes"),
    ("/volumes", "volumes"),
    ("/images", "images"),
    ("/domains", "domains"),
    ("/nodebalancers", "nodebalancers"),
    ("/networking/firewalls", "firewall"),
    ("/networking", "ips"),
    ("/account/events", "events"),
)
_PUBLIC = re.compile(r"/(linode/types|linode/kernels|linode/stackscripts|regions|volumes/types|images)(/.*)?")
_LISTS = re.compile(
    r"/(account/events|profile/sshkeys|tags|tags/[^/]+|images|volumes|regions|networking/(ips|firewalls)"
    r"|(linode|volumes)/types|linode/(kernels|stackscripts|instances)"
    r"|linode/instances/[0-9]+/(disks|configs|volumes|firewalls)|networking/firewalls/[0-9]+/devices"
    r"|domains(/[0-9]+/records)?|nodebalancers(/[0-9]+/configs(/[0-9]+/nodes)?)?)"
)

READ_ONLY = " ".join(f"{area}:read_only" for area in sorted({"account", *(area for _, area in _AREAS)}))
"""The scopes of a token that permits reading only."""


def is_public(method: str, path: str) -> bool:
    """Return whether a path below the version can be read without a token."""
    return method in {"GET", "HEAD"} and _PUBLIC.fullmatch(path) is not None


def needed(method: str, path: str) -> str:
    """Return the scope that a path below the version needs."""
    area = next((area for prefix, area in _AREAS if path.startswith(prefix)), "account")
    # Events are marked by whoever may read them.
    reads = method in {"GET", "HEAD"} or area == "events"
    return f"{area}:{'read_only' if reads else 'read_write'}"


def limit_of(method: str, path: str) -> str:
    """Return the limit for a request with a path below the version: "list", "create" or "other"."""
    if method == "GET" and _LISTS.fullmatch(path):
        return "list"
    return "create" if (method, path) == ("POST", "/linode/instances") else "other"

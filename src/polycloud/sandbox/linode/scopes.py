"""What a token needs for a request, and what it may be sent without one."""

from __future__ import annotations

import re

_AREAS = (
    ("/linode/stackscripts", "stackscripts"),
    ("/linode", "linodes"),
    ("/volumes", "volumes"),
    ("/images", "images"),
    ("/networking/firewalls", "firewall"),
    ("/networking", "ips"),
    ("/account/events", "events"),
)
_PUBLIC = re.compile(r"/(linode/types|linode/kernels|linode/stackscripts|regions|volumes/types|images)(/.*)?")

READ_ONLY = " ".join(f"{area}:read_only" for area in sorted({"account", *(area for _, area in _AREAS)}))
"""The scopes of a token that may only look."""


def is_public(method: str, path: str) -> bool:
    """Whether a path below the version can be read without a token."""
    return method in {"GET", "HEAD"} and _PUBLIC.fullmatch(path) is not None


def needed(method: str, path: str) -> str:
    """The scope that a path below the version needs."""
    area = next((area for prefix, area in _AREAS if path.startswith(prefix)), "account")
    # Events are marked by who may read them.
    looks = method in {"GET", "HEAD"} or area == "events"
    return f"{area}:{'read_only' if looks else 'read_write'}"

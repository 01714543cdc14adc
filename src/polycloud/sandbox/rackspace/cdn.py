"""The service of Cloud Files' content delivery network: which containers are on it, and where.

It keeps no copies. Source: Rackspace's documentation of Cloud Files v1, "CDN API reference".
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from polycloud.sandbox.rest.errors import InputError, NotFoundError
from polycloud.sandbox.rest.replies import Call, Reply, Routes

SHORTEST_TTL, LONGEST_TTL = 900, 31_536_000
_USUAL_TTL = 259_200
_CONTAINER = "/cdn/v1/{account}/{container}"


@dataclass
class Published:
    """A container that is, or was, on the network."""

    enabled: bool = True
    ttl: int = _USUAL_TTL


def _change(state: Any, call: Call) -> Published:
    found: Published = state.cdn.setdefault(_key(call), Published())
    found.enabled = call.headers.get("x-cdn-enabled", "true").lower() == "true"
    ttl = call.headers.get("x-ttl", str(found.ttl))
    if not ttl.isdecimal() or not SHORTEST_TTL <= int(ttl) <= LONGEST_TTL:
        raise InputError(f"X-TTL must be {SHORTEST_TTL} to {LONGEST_TTL}")
    found.ttl = int(ttl)
    return found


def _publish(state: Any, call: Call) -> Reply:
    is_new = _key(call) not in state.cdn
    return Reply(201 if is_new else 202, headers=_headers(call, _change(state, call)))


def _update(state: Any, call: Call) -> Reply:
    _published(state, call)
    return Reply(202, headers=_headers(call, _change(state, call)))


def _show(state: Any, call: Call) -> Reply:
    return Reply(204, headers=_headers(call, _published(state, call)))


def _purge(state: Any, call: Call) -> Reply:
    _published(state, call)
    return Reply(204)


def _published(state: Any, call: Call) -> Published:
    found: Published | None = state.cdn.get(_key(call))
    if found is None:
        raise NotFoundError("The container is not on the network.")
    return found


def _key(call: Call) -> tuple[str, str]:
    return call.path["account"], call.path["container"]


def _headers(call: Call, found: Published) -> dict[str, str]:
    host = (
        f"{hashlib.sha1('/'.join(_key(call)).encode(), usedforsecurity=False).hexdigest()[:20]}-cdn.example"
    )
    return {
        "X-Cdn-Enabled": str(found.enabled),
        "X-Ttl": str(found.ttl),
        "X-Log-Retention": "False",
        "X-Cdn-Uri": f"http://{host}",
        "X-Cdn-Ssl-Uri": f"https://ssl.{host}",
    }


ROUTES: Routes = {
    _CONTAINER: {"GET": _show, "PUT": _publish, "POST": _update},
    f"{_CONTAINER}/{{name:path}}": {"DELETE": _purge},
}
"""The paths of the service."""

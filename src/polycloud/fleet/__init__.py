"""One call over many accounts: results as they arrive, and failures beside them.

    fleet = Fleet({"prod": digitalocean_driver, "office": nephoscale_driver})
    for result in fleet.list_nodes():
        print(result.account, result.error or len(result.get()))

A failing provider does not hide the others: its `Result` holds the error. Calls run on threads, on an event
loop (`AsyncFleet`), or on any `concurrent.futures.Executor`, such as Dask's. Accounts may be of any service.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polycloud.fleet.results import Result
from polycloud.fleet.tasks import Deploy
from polycloud.fleet.threads import Fleet

if TYPE_CHECKING:
    from polycloud.fleet.loops import AsyncFleet

__all__ = ["AsyncFleet", "Deploy", "Fleet", "Result"]


def __getattr__(name: str) -> Any:
    if name != "AsyncFleet":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from polycloud.fleet.loops import AsyncFleet  # needs the extra `aio`

    return AsyncFleet

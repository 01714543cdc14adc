"""What Swift's requests are about: accounts, containers, and its usual responses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from polycloud.sandbox.objects.http import Refusal, Reply, Request
from polycloud.sandbox.objects.store import Container, Names
from polycloud.sandbox.openstack.identity import Identity
from polycloud.sandbox.reasons import reason

TEXT, HTML, JSON = (f"{kind}; charset=utf-8" for kind in ("text/plain", "text/html", "application/json"))
_EXPLANATIONS = {
    202: "The request is accepted for processing.",
    401: "This server could not verify that you are authorized to access the document you requested.",
    403: "Access was denied to this resource.",
    404: "The resource could not be found.",
    405: "The method is not allowed for this resource.",
    409: "There was a conflict when trying to complete your request.",
    412: "A precondition for this request was not met.",
    416: "The Range requested is not available.",
    422: "Unable to process the contained instructions",
}
META_LIMITS = {"count": 90, "name_length": 128, "value_length": 256, "overall_size": 4096}
LONGEST_CONTAINER, LONGEST_OBJECT = 256, 1024
POLICY = "Policy-0"


def plain(status: int, headers: dict[str, str] | None = None, text: str = "") -> Reply:
    """Return a response with a text, or with Swift's usual page about the status."""
    kind = "text/plain" if text and status in {200, 400} else HTML
    if not text:
        text = f"<html><h1>{reason(status)}</h1><p>{_EXPLANATIONS[status]}</p></html>"
    return Reply(status, {"content-type": kind, **(headers or {})}, text.encode())


def refusal(status: int, text: str = "", headers: dict[str, str] | None = None) -> Refusal:
    """Return the error that ends a request with this status."""
    return Refusal(plain(status, headers, text))


@dataclass(eq=False)
class Account:
    """A project's containers."""

    created: float
    metadata: dict[str, str] = field(default_factory=dict)
    containers: Names[Container] = field(default_factory=Names)


@dataclass(frozen=True)
class Place:
    """What a request names: an account, and maybe a container, an object in it, and its version."""

    account_name: str
    account: Account
    container_name: str
    name: str
    version: str = ""

    @property
    def container(self) -> Container:
        """The container. Raises `Refusal` if there is none."""
        found = self.account.containers.get(self.container_name)
        if found is None:
            raise refusal(404)
        return found


@dataclass(eq=False)
class Stores:
    """The accounts of all regions.

    Attributes:
        identity: the users, projects and tokens.
        prefix: what precedes a project's id in the name of its account.
        settings: the cloud's settings.
    """

    identity: Identity
    prefix: str
    settings: Any
    accounts: dict[tuple[str, str], Account] = field(default_factory=dict)
    _last: int = 0

    def new_time(self) -> float:
        """Return the present, which is never the same twice in the five decimals of Swift's timestamps."""
        self._last = max(self._last + 1, int(self.now * 1e5))
        return self._last / 1e5

    @property
    def now(self) -> float:
        """Seconds since 1970."""
        return self.identity.now

    def account(self, region: str, name: str) -> Account:
        """Return an account, which exists as soon as it is asked for."""
        return self.accounts.setdefault((region, name), Account(self.now))


Handler = Callable[[Stores, Request, Place], Reply]


def stamp(seconds: float) -> str:
    """Return seconds since 1970 as lists have them."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")


def check_metadata(request: Request, noun: str) -> None:
    """Raise `Refusal` where the metadata of a request is too much."""
    count, longest_name, longest_value, overall = META_LIMITS.values()
    prefix = f"x-{noun}-meta-"
    given = request.prefixed(prefix)
    for name, value in given.items():
        if len(name) > longest_name:
            raise refusal(400, f"Metadata name too long: {prefix}{name}")
        if len(value) > longest_value:
            raise refusal(400, f"Metadata value longer than {longest_value}: {prefix}{name}")
    if len(given) > count:
        raise refusal(400, f"Too many metadata items; max {count}")
    if sum(len(name) + len(value) for name, value in given.items()) > overall:
        raise refusal(400, f"Total metadata too large; max {overall}")

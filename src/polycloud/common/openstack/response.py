"""Responses of OpenStack's services: objects under their names, lists with markers, and errors.

Each service has a form of its own for errors: Nova and Cinder name the kind of the error
(`{"itemNotFound": {"message": ...}}`), Keystone says `{"error": {...}}`, Neutron `{"NeutronError": {...}}`,
Octavia `{"faultstring": ...}`, Glance writes HTML. A status alone does not say much: an exceeded quota is a
403, a 409 or a 413, as other refusals are.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from polycloud.common.payload import Item, identity
from polycloud.common.response import JsonResponse
from polycloud.errors import (
    ConflictError,
    ImageUnavailableError,
    InvalidArgumentError,
    InvalidNameError,
    MalformedResponseError,
    NotFoundError,
    ProviderHTTPError,
    QuotaExceededError,
    RateLimitReachedError,
)
from polycloud.utils.status import HTTPStatus

T = TypeVar("T")
TOO_LARGE = 413
MESSAGES = ("message", "detail", "msg", "description")
LONGEST_MESSAGE = 10_000
MATCHED_CHARACTERS = 1000
"""How much of a message is matched against patterns."""

RATE = r"(?i)rate.?limit|too many requests|only \d+ .* request"
QUOTA = r"(?i)\bquotas?\b|maximum (number|allowed)|limit exceeded|over ?quota"
QUOTA_STATUSES = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.CONFLICT, TOO_LARGE})
UNKNOWN = (
    r"(?i)\b(flavor|network|port( id)?|security.group) \S+ (could not be|was not|not) found"
    r"|unable to find security.group|availability zone .*(not available|invalid)|invalid flavorref"
    r"|invalid key_name|failed to get (volume|image|snapshot)"
    r"|invalid uuid \w+_id|can not update a deleting zone"
)
REFUSALS: tuple[tuple[int, str, type[ProviderHTTPError]], ...] = (
    (
        HTTPStatus.BAD_REQUEST,
        r"(?i)\bimage\b.*\bnot (be )?(found|active)|can not find requested image",
        ImageUnavailableError,
    ),
    (HTTPStatus.CONFLICT, r"(?i)\bimage\b.*\bnot active|image .* (is being|still)", ImageUnavailableError),
    (
        HTTPStatus.BAD_REQUEST,
        r"(?i)cannot find image|unable to access requested image",
        ImageUnavailableError,
    ),
    (
        HTTPStatus.BAD_REQUEST,
        r"(?i)\bstatus must be\b|has not been resized|already has a port|\bstill in use\b|already attached",
        ConflictError,
    ),
    (HTTPStatus.BAD_REQUEST, UNKNOWN, NotFoundError),
    (HTTPStatus.BAD_REQUEST, r"^CNAME recordsets may not", ConflictError),
    (HTTPStatus.BAD_REQUEST, r"(?i)(attribute|field)\W+name\b|\bname\b.*(too long|empty)", InvalidNameError),
    (
        HTTPStatus.BAD_REQUEST,
        r"(?i)marker.* (not|could not be) found|marker .* is not valid|(unable to find .*|invalid )marker",
        NotFoundError,
    ),
)
"""Status and pattern of the message, error; the first row that matches is used."""
TAGS = re.compile(r"(?is)<(head|style)\b.*?</\1>|</?[a-z][^<>]*>")


class Link(msgspec.Struct):
    """A link of a list; that with the rel "next" leads to the next page."""

    rel: str | None = None
    href: str | None = None


class Choice(msgspec.Struct):
    """A version of an API."""

    id: str | None = None


class Choices(msgspec.Struct):
    """The versions that a service offers in place of one that it does not have."""

    choices: list[Choice] = []
    versions: list[Choice] = []


@lru_cache(maxsize=256)
def _envelope(name: str, type_: Any) -> Any:
    return msgspec.defstruct("Envelope", [(name, type_)])


@lru_cache(maxsize=256)
def _page(name: str, type_: Any) -> Any:
    links = f"{name}_links"
    return msgspec.defstruct(
        "Page",
        [
            (name, list[type_]),
            ("links", Any, None),
            (links, list[Link] | None, None),
            ("next", str | None, None),
        ],
    )


class OpenStackResponse(JsonResponse):
    """A response in JSON, with the errors of all services."""

    def parse_error(self) -> Any:
        """Return the service's message. Raises a specific error where status and message identify one."""
        from polycloud.tracing.redaction import redaction_of

        # A secret that lost a part of it, such as what looks like a tag, would not be found later
        redacted = redaction_of(self.connection.secrets_of(self.request)).known(self._message())
        if self.status == HTTPStatus.MULTIPLE_CHOICES:
            raise InvalidArgumentError(self._no_version())
        message = " ".join(TAGS.sub(" ", redacted[:LONGEST_MESSAGE]).split())
        if error := _refusal(self.status, message[:MATCHED_CHARACTERS]):
            raise error(self.status, message, self.headers)
        return message

    def _no_version(self) -> str:
        """Return the message for an address below which no version of the API is."""
        try:
            choices = self.decode(Choices)
        except MalformedResponseError:
            choices = Choices()
        there = ", ".join(one.id for one in choices.choices or choices.versions if one.id) or "none"
        return (
            "the address of the service ends with a version that it does not have: correct "
            f"ex_force_base_url= (or the catalogue); the versions there are: {there}"
        )

    def _message(self) -> str:
        """Return the message, whatever its form."""
        try:
            body = self.decode(Any)
        except MalformedResponseError:
            return self.body.strip() or str(super().parse_error())
        if isinstance(body, dict):
            inner = next((value for value in body.values() if isinstance(value, dict)), None)
            named = {"message": body.get("faultstring"), **body, **(inner or {})}
            if text := next(
                (named[key] for key in MESSAGES if named.get(key) and isinstance(named[key], str)), None
            ):
                return str(text)
            if len(body) == 1 and isinstance(text := next(iter(body.values())), str):  # Neutron's old form
                return text
        return str(super().parse_error())

    def member(self, name: str, type_: Any) -> Item[Any]:
        """Return the object under `name`. Raises `MalformedResponseError` if it is not as documented."""
        raw = getattr(self.decode(_envelope(name, msgspec.Raw)), name)
        found: Item[Any] = self.built([raw], type_, identity, lambda: _envelope(name, type_))[0]
        return found

    def whole(self, type_: type[T]) -> Item[T]:
        """Return the body as an object: Glance puts no name around it."""
        return Item(self.decode(type_), self.content)

    def page(self, name: str, type_: Any) -> tuple[Any, str | None]:
        """Return the `Item`s of the list under `name`, and the marker of the next page, if there is one.

        Of the link to the next page only the marker is read, so no request follows a link to another host.
        """
        payload = self.decode(_page(name, msgspec.Raw))
        items = self.built(getattr(payload, name), type_, identity, lambda: _page(name, type_))
        links = getattr(payload, f"{name}_links") or ()
        following = payload.next or next((link.href for link in links if link.rel == "next"), None)
        if isinstance(payload.links, dict):  # Designate's
            following = following or payload.links.get("next")
        return items, _marker(following)


def _refusal(status: int, message: str) -> type[ProviderHTTPError] | None:
    """Return the error that a refusal's status and message identify, if any."""
    if status == HTTPStatus.TOO_MANY_REQUESTS or (status == TOO_LARGE and re.search(RATE, message)):
        return RateLimitReachedError
    if status in QUOTA_STATUSES and re.search(QUOTA, message):
        return QuotaExceededError
    if status == TOO_LARGE:  # Nova and Cinder use it for limits only
        return QuotaExceededError
    found = (error for code, pattern, error in REFUSALS if code == status and re.search(pattern, message))
    return next(found, None)


def _marker(link: str | None) -> str | None:
    """Return the marker in the link to the next page; None without one."""
    if not link:
        return None
    from urllib.parse import parse_qs, urlsplit  # takes 2 ms to import

    try:
        return parse_qs(urlsplit(link).query)["marker"][-1]
    except (KeyError, ValueError):
        return None

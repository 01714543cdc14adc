"""What an upload says beside its bytes: names, metadata, headers and conditions, checked in one place.

An object that one driver takes is taken by all, or refused by all in the same words, as far as that does not
depend on the provider.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from polycloud import security
from polycloud.common.options import refuse
from polycloud.errors import InvalidArgumentError
from polycloud.storage.types import InvalidContainerNameError
from polycloud.utils.values import shown

if TYPE_CHECKING:
    from polycloud.storage.objects import Object

__all__ = [
    "LONGEST_NAME",
    "Progress",
    "Upload",
    "extra_of",
    "require_container_name",
    "require_object_name",
    "require_progress",
    "texts_of",
    "update_of",
    "upload_of",
]

Progress = Callable[[int], object]
"""Called with a number of bytes each time that so many more were transferred; never twice at once."""
LONGEST_NAME = 1024
"""The most bytes of an object's name, at S3, Google, Azure and Swift."""
HEADERS = {
    "content_type": "Content-Type",
    "content_encoding": "Content-Encoding",
    "content_disposition": "Content-Disposition",
    "content_language": "Content-Language",
    "cache_control": "Cache-Control",
}
"""The keys of `extra` that every provider keeps, and the headers that they are."""
DEFAULT_TYPE = "application/octet-stream"


class Upload(msgspec.Struct, frozen=True):
    """What an upload says beside its bytes.

    `headers` are those of the object (its content type is always one of them) and those that the caller
    added; `meta_data` the user's own names and texts; `acl` a word of the provider's, such as "public-read";
    `if_match` the hash that the present object must have; `if_none_match` "*" if there must not be one;
    `guessed` whether the content type was not given.
    """

    headers: dict[str, str]
    meta_data: dict[str, str]
    acl: str | None = None
    if_match: str | None = None
    if_none_match: str | None = None
    guessed: bool = False

    def extra(self) -> dict[str, Any]:
        """Return what the `extra` of the uploaded object has of it.

        In a program written for Libcloud no content type that was guessed: it takes that for one it gave.
        """
        extra = extra_of(self.headers)
        if self.guessed and security.WARN_LIKE_LIBCLOUD:
            del extra["content_type"]
        return extra


def extra_of(headers: Mapping[str, str]) -> dict[str, Any]:
    """Return headers under the keys that they have in `extra`: `content_type`."""
    return {name.lower().replace("-", "_"): text for name, text in headers.items()}


def upload_of(
    object_name: str,
    extra: Mapping[str, Any] | None,
    headers: Mapping[str, str] | None = None,
    if_match: str | None = None,
    if_none_match: str | None = None,
) -> Upload:
    """Return the checked arguments of an upload; without a content type, it is guessed from the name.

    Raises:
        InvalidArgumentError: A key of `extra` is unknown, or a value cannot be sent as a header.
    """
    if not isinstance(extra, Mapping | None):
        raise InvalidArgumentError(f"extra must be a dict, got {shown(extra)}")
    given = dict(extra or {})
    meta_data = texts_of("meta_data", given.pop("meta_data", None) or {}, ascii_only=False)
    acl = given.pop("acl", None)
    if acl is not None and not isinstance(acl, str):
        raise InvalidArgumentError(f'extra["acl"] must be a str, got {shown(acl)}')
    if if_none_match not in {None, "*"}:
        raise InvalidArgumentError(f"if_none_match must be '*' or None, got {shown(if_none_match)}")
    for name in given.keys() - HEADERS.keys():
        _refuse_key(name)
    own = {HEADERS[name]: text for name, text in given.items() if text is not None and name in HEADERS}
    sent = {**texts_of("extra", own), **texts_of("headers", headers or {})}
    guessed = "content-type" not in {name.lower() for name in sent}
    if guessed:
        sent["Content-Type"] = _guessed_type(object_name)
    return Upload(sent, _in_lower_case(meta_data), acl, if_match, if_none_match, guessed)


def _refuse_key(name: object) -> None:
    near = difflib.get_close_matches(str(name), [*HEADERS, "meta_data", "acl"], 1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; it has meta_data, acl, {', '.join(HEADERS)}"
    refuse(f"extra has no key {name!r}{hint}")


def update_of(
    found: Object, extra: Mapping[str, Any] | None, headers: Mapping[str, str] | None = None
) -> Upload:
    """Return what an object has after an update, which replaces the named keys of `extra`.

    Raises `InvalidArgumentError` as `upload_of` does.
    """
    kept = {key: found.extra[key] for key in HEADERS if found.extra.get(key)}
    return upload_of(found.name, {**kept, "meta_data": found.meta_data, **(extra or {})}, headers)


def require_object_name(name: object) -> str:
    """Return the name of an object. Raises `InvalidArgumentError` if no provider can keep it."""
    if not isinstance(name, str) or not name:
        raise InvalidArgumentError(f"object_name must be a non-empty str, got {shown(name)}")
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        message = f"object_name must be text that UTF-8 can encode, got {shown(name)}"
        raise InvalidArgumentError(message) from None
    if size > LONGEST_NAME:
        raise InvalidArgumentError(f"object_name must have at most {LONGEST_NAME} bytes, got {size}")
    if "\0" in name:
        raise InvalidArgumentError(f"object_name must not contain NUL, got {shown(name)}")
    return name


def require_container_name(name: str, driver: Any = None) -> str:
    """Return the name of a container. Raises `InvalidContainerNameError` if no URL can have it."""
    if not name or "/" in name or any(map(_is_surrogate, name)):
        message = f"container_name must be a name without '/', got {shown(name)}"
        raise InvalidContainerNameError(message, driver, name)
    return name


def _is_surrogate(character: str) -> bool:
    return "\ud800" <= character <= "\udfff"


def require_progress(progress: Any) -> None:
    """Raise `InvalidArgumentError` unless it is a function, or None."""
    if progress is not None and not callable(progress):
        raise InvalidArgumentError(f"progress must be a function of a number of bytes, got {shown(progress)}")


def texts_of(argument: str, given: Any, *, ascii_only: bool = True) -> dict[str, str]:
    """Return names and texts that headers can hold; numbers become texts."""
    if not isinstance(given, Mapping):
        raise InvalidArgumentError(f"{argument} must be a dict, got {shown(given)}")
    texts: dict[str, str] = {}
    for name, value in given.items():
        text = str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
        if not isinstance(name, str) or not _is_token(name):
            raise InvalidArgumentError(
                f"names in {argument} must be letters, digits, '-', '_' and '.', got {shown(name)}"
            )
        if not isinstance(text, str) or not text.isprintable() or text != text.strip():
            raise InvalidArgumentError(
                f"{argument}[{name!r}] must be printable text without spaces around it, got {shown(value)}"
            )
        if ascii_only and not text.isascii():
            message = f"{argument}[{name!r}] must be ASCII (percent-encode the rest), got {shown(value)}"
            raise InvalidArgumentError(message)
        texts[name] = text
    return texts


def _in_lower_case(meta_data: Mapping[str, str]) -> dict[str, str]:
    """Return metadata with the names that headers have."""
    names = {name.lower(): text for name, text in meta_data.items()}
    if len(names) != len(meta_data):
        raise InvalidArgumentError(
            f"meta_data must have names that differ in more than case, got {', '.join(sorted(meta_data))}"
        )
    return names


def _is_token(name: str) -> bool:
    return bool(name) and name.isascii() and name.replace("-", "").replace("_", "").replace(".", "").isalnum()


def _guessed_type(name: str) -> str:
    import mimetypes  # reads the system's table when it is first used

    guessed, coding = mimetypes.guess_type(name, strict=False)
    return guessed if guessed and not coding else DEFAULT_TYPE

r"""Domains and the names of records: how they are checked, normalized, and related to their zone.

Names are in the form that DNS has: lower case, other scripts as punycode (IDNA 2008), characters such as a
dot within a label escaped as in zone files. `\042` is thus the same as `*` (Route 53 writes octal, `\052`).
"""

from __future__ import annotations

from typing import Protocol

from polycloud.errors import InvalidArgumentError

__all__ = [
    "LONGEST_NAME",
    "HasDomain",
    "ascii_name",
    "check_name",
    "full_name",
    "normalize_domain",
    "relative_name",
]

APEX = frozenset({"", "@"})
LONGEST_LABEL, LONGEST_NAME = 63, 253


class HasDomain(Protocol):
    """A zone, as one has it or as it is wanted."""

    domain: str


def normalize_domain(domain: object, argument: str = "domain") -> str:
    """Return a domain in the form of DNS, without a trailing dot.

    Raises `InvalidArgumentError` if it is invalid.
    """
    if not isinstance(domain, str):
        raise InvalidArgumentError(f"{argument} must be a str, got {domain!r}")
    return _checked(domain, argument)


def check_name(name: object) -> str:
    """Return the name of a record in the form of DNS, "" for the zone itself.

    A trailing dot stays: the name is absolute then. Raises `InvalidArgumentError` if it is invalid.
    """
    if name is not None and not isinstance(name, str):
        raise InvalidArgumentError(f"name must be a str or None, got {name!r}")
    if not name or name in APEX:
        return ""
    return _checked(name, "name") + ("." if name.endswith(".") else "")


def relative_name(name: str | None, zone: HasDomain) -> str:
    """Return a name as it is relative to the zone, "" for the zone itself; a name may also be absolute.

    Raises `InvalidArgumentError` for an absolute name outside the zone.
    """
    if not name or name in APEX:
        return ""
    try:
        text = ascii_name(name)
    except UnicodeError as error:
        raise InvalidArgumentError(f"name {name!r} has no form in DNS: {error}") from error
    if not text.endswith("."):
        return text
    suffix = f".{zone.domain}." if zone.domain.islower() and zone.domain.isascii() else _suffix(zone)
    if text.endswith(suffix):
        return text[: -len(suffix)]
    if text == suffix[1:]:
        return ""
    raise InvalidArgumentError(f"{name!r} is outside the zone {zone.domain}")


def full_name(name: str, zone: HasDomain) -> str:
    """Return the absolute name, with a trailing dot, of a relative one."""
    return f"{name}.{zone.domain}." if name else f"{zone.domain}."


def ascii_name(text: str) -> str:
    """Return a name in the form of DNS: lower case, punycode, no needless escapes.

    Raises `UnicodeError` if it has no such form.
    """
    if text.isascii():
        return _unescaped(text).lower() if "\\" in text else text.lower()
    return ".".join(label.lower() if label.isascii() else _punycode(label) for label in text.split("."))


def _suffix(zone: HasDomain) -> str:
    return f".{ascii_name(zone.domain.removesuffix('.'))}."


def _punycode(label: str) -> str:
    try:
        import idna
    except ModuleNotFoundError:
        raise ImportError("names in other scripts need idna: pip install 'polycloud[dns]'") from None
    return idna.encode(label, uts46=True).decode()


def _unescaped(text: str) -> str:
    try:
        from dns import exception, name
    except ModuleNotFoundError:
        raise ImportError("names with backslashes need dnspython: pip install 'polycloud[dns]'") from None
    try:
        return name.from_text(text, None).to_text()
    except exception.DNSException as error:
        raise UnicodeError(str(error)) from error


def _checked(text: str, argument: str) -> str:
    """Return the name in the form of DNS, without a trailing dot.

    Raises `InvalidArgumentError` unless it is one.
    """
    inner = text.removesuffix(".")
    if not inner:
        raise InvalidArgumentError(f"{argument} must not be empty, got {text!r}")
    if " " in inner or not inner.isprintable():
        raise InvalidArgumentError(f"{argument} must not contain spaces or control characters, got {text!r}")
    try:
        inner = ascii_name(inner)
    except UnicodeError as error:
        raise InvalidArgumentError(f"{argument} has no form in DNS ({error}), got {text!r}") from error
    if "\\" not in inner and not all(0 < len(label) <= LONGEST_LABEL for label in inner.split(".")):
        raise InvalidArgumentError(
            f"{argument} must consist of labels of 1 to {LONGEST_LABEL} characters between dots, got {text!r}"
        )
    if len(inner) > LONGEST_NAME:
        raise InvalidArgumentError(f"{argument} must have at most {LONGEST_NAME} characters, got {text!r}")
    return inner

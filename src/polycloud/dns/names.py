"""Domains and the names of records: how they are checked, normalized, and related to their zone."""

from __future__ import annotations

from polycloud.dns.objects import Zone
from polycloud.errors import InvalidArgumentError

__all__ = ["ascii_label", "check_name", "normalize_domain", "relative_name"]

APEX = frozenset({"", "@"})
LONGEST_LABEL, LONGEST_NAME = 63, 253


def normalize_domain(domain: object, argument: str = "domain") -> str:
    """Return a domain in lower case, without a trailing dot.

    Raises `InvalidArgumentError` if it is invalid.
    """
    if not isinstance(domain, str):
        raise InvalidArgumentError(f"{argument} must be a str, got {domain!r}")
    return _checked(domain, argument).lower()


def check_name(name: object) -> str | None:
    """Return the name of a record as it was given. Raises `InvalidArgumentError` if it is invalid."""
    if name is not None and not isinstance(name, str):
        raise InvalidArgumentError(f"name must be a str or None, got {name!r}")
    if name and name not in APEX:
        _checked(name, "name")
    return name


def relative_name(name: str | None, zone: Zone) -> str:
    """Return a name as it is relative to the zone, "" for the zone itself; a name may also be absolute.

    Raises `InvalidArgumentError` for an absolute name outside the zone.
    """
    text, domain = (name or "").lower(), zone.domain.removesuffix(".").lower()
    if text in APEX:
        return ""
    if not text.endswith("."):
        return text
    inner = text.rstrip(".")
    if inner == domain:
        return ""
    if inner.endswith(f".{domain}"):
        return inner.removesuffix(f".{domain}")
    raise InvalidArgumentError(f"{name!r} is outside the zone {zone.domain}")


def ascii_label(label: str) -> bytes:
    """Return a label as DNS sends it, in punycode if it is not ASCII.

    Raises `UnicodeError` if it has no such form.
    """
    return label.encode() if label.isascii() else label.encode("idna")


def _checked(text: str, argument: str) -> str:
    """Return the text without a trailing dot. Raises `InvalidArgumentError` unless it is a name."""
    inner = text.removesuffix(".")
    if not inner:
        raise InvalidArgumentError(f"{argument} must not be empty, got {text!r}")
    if " " in inner or not inner.isprintable():
        raise InvalidArgumentError(f"{argument} must not contain spaces or control characters, got {text!r}")
    try:
        labels = [ascii_label(label) for label in inner.split(".")]
    except UnicodeError as error:
        raise InvalidArgumentError(f"{argument} has no form in ASCII ({error}), got {text!r}") from error
    if not all(0 < len(label) <= LONGEST_LABEL for label in labels):
        raise InvalidArgumentError(
            f"{argument} must consist of labels of 1 to {LONGEST_LABEL} characters between dots, got {text!r}"
        )
    if len(b".".join(labels)) > LONGEST_NAME:
        raise InvalidArgumentError(f"{argument} must have at most {LONGEST_NAME} characters, got {text!r}")
    return inner

"""Metadata as the headers of a provider.

A header holds ASCII. A text with other characters is sent as an encoded word (RFC 2047: `=?utf-8?b?w6k=?=`),
which is also how Amazon S3 returns metadata that is not ASCII.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["metadata_headers", "metadata_of"]

ENCODED = "=?"
"""The beginning of an encoded word."""


def metadata_headers(prefix: str, meta_data: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that keep metadata, under names with this prefix."""
    return {prefix + name: _encoded(text) for name, text in meta_data.items()}


def metadata_of(prefix: str, headers: Mapping[str, str]) -> dict[str, str]:
    """Return the metadata of headers whose names begin with `prefix`, in lower case."""
    kept = {name.removeprefix(prefix): text for name, text in headers.items() if name.startswith(prefix)}
    return {name: _decoded(text) if ENCODED in text else text for name, text in kept.items()}


def _encoded(text: str) -> str:
    if text.isascii() and ENCODED not in text:
        return text
    from base64 import b64encode

    return f"=?utf-8?b?{b64encode(text.encode()).decode()}?="


def _decoded(text: str) -> str:
    from email.errors import HeaderParseError
    from email.header import decode_header, make_header

    try:
        return str(make_header(decode_header(text)))
    except (
        HeaderParseError,
        LookupError,
        UnicodeDecodeError,
    ):  # another program wrote what only looks like one
        return text

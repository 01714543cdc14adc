"""Errors and warnings of the configuration."""

from __future__ import annotations

from polycloud.errors import PolycloudError


class ConfigError(PolycloudError):
    """The configuration cannot be used; the message names the file and the place in it."""


class ConfigWarning(UserWarning):
    """Other users can read the configuration."""

"""`polycloud locations`: places where nodes can be."""

from __future__ import annotations

from polycloud.cli import verbs
from polycloud.cli.nouns import LOCATIONS

__all__ = ["app"]

app = verbs.group(LOCATIONS)

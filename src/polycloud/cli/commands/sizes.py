"""`polycloud sizes`: sizes of nodes, and what they cost."""

from __future__ import annotations

from polycloud.cli import verbs
from polycloud.cli.nouns import SIZES

__all__ = ["app"]

app = verbs.group(SIZES)

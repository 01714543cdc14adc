"""`polycloud images`: images that nodes start from."""

from __future__ import annotations

from polycloud.cli import verbs
from polycloud.cli.nouns import IMAGES

__all__ = ["app"]

app = verbs.group(IMAGES)

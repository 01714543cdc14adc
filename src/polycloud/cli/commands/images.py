"""`polycloud images`: images that nodes start from."""

from __future__ import annotations

from polycloud.cli import options, verbs
from polycloud.cli.resources import IMAGES

__all__ = ["app"]

app = options.group("Images that nodes start from.")
verbs.add_list(app, IMAGES)
verbs.add_show(app, IMAGES)

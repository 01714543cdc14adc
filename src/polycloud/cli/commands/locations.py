"""`polycloud locations`: places where nodes can be."""

from __future__ import annotations

from polycloud.cli import options, verbs
from polycloud.cli.resources import LOCATIONS

__all__ = ["app"]

app = options.group("Places where nodes can be.")
verbs.add_list(app, LOCATIONS)
verbs.add_show(app, LOCATIONS)

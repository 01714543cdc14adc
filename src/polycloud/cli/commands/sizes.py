"""`polycloud sizes`: sizes of nodes, and what they cost."""

from __future__ import annotations

from polycloud.cli import options, verbs
from polycloud.cli.resources import SIZES

__all__ = ["app"]

app = options.group("Sizes of nodes, and what they cost.")
verbs.add_list(app, SIZES)
verbs.add_show(app, SIZES)

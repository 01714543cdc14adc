"""`polycloud lb`: load balancers and their members."""

from __future__ import annotations

from polycloud.cli.commands.lb import members
from polycloud.cli.commands.lb.balancers import app

__all__ = ["app"]

members.add_to(app)

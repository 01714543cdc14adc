"""`polycloud lb`: load balancers and their members."""

from __future__ import annotations

from polycloud.cli.commands.lb import members, rolling
from polycloud.cli.commands.lb.balancers import app

__all__ = ["app"]

for _command in (members.members, members.attach, members.detach, members.drain, rolling.rolling):
    app.command()(_command)

"""`polycloud dns`: zones and their records."""

from __future__ import annotations

from polycloud.cli import options
from polycloud.cli.commands.dns import files, records, zones

__all__ = ["app"]

app = options.group()
app.add_typer(zones.app, name="zones", help="Zones: list, create, delete them.")
app.add_typer(records.app, name="records", help="Records of a zone: list, create, change, delete them.")
for _name, _command in {
    "export": files.export,
    "import": files.import_,
    "plan": files.plan,
    "apply": files.apply,
    "copy": files.copy,
}.items():
    app.command(_name)(_command)

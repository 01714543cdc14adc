"""`polycloud new-driver`: write the package of a driver for another provider."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from polycloud.cli import options, output
from polycloud.errors import InvalidArgumentError
from polycloud.scaffold import naming, package
from polycloud.scaffold.api import Api, Auth
from polycloud.scaffold.discovery import discover
from polycloud.scaffold.formats import XML

__all__ = ["app", "new_driver"]

ADDRESS = re.compile(r"https://(?P<host>[A-Za-z0-9._-]+)(?P<base>(/[A-Za-z0-9._~-]+)*/?)")


def new_driver(
    *,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The provider's name, such as acme_cloud.")],
    folder: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where to write it; default polycloud-NAME.")
    ] = None,
    auth: Annotated[
        Auth | None,
        typer.Option(
            help="How the driver authenticates: by a key, user and key, a token for these, or a signature."
        ),
    ] = None,
    xml: Annotated[bool, typer.Option("--xml", help="The provider answers in XML, not in JSON.")] = False,
    spec: Annotated[
        Path | None,
        typer.Option("--openapi", metavar="FILE", help="The provider's OpenAPI document, to start from."),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="The address of the API, such as https://api.example.com/v1."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace existing files.")] = False,
) -> None:
    """Write the package of a driver for another provider.

    It can be installed and tested at once. The driver offers nothing yet: operations are added one by one.
    """
    names = naming.checked(name)
    if xml and spec:
        raise InvalidArgumentError("--xml cannot be used with --openapi, of which only JSON is read")
    api = discover(spec) if spec else Api()
    api = replace(api, auth=auth) if auth else api
    api = replace(api, format=XML) if xml else api
    api = _at(api, url) if url else api
    target = folder or Path(names.distribution)
    texts = package.contents(names, api)
    package.write(texts, target, force=force)
    _announce(target, names, api, len(texts))


def _at(api: Api, url: str) -> Api:
    """Move an API to another address; one without a path keeps the base path."""
    found = ADDRESS.fullmatch(url)
    if found is None:
        raise InvalidArgumentError(f"--url must be an address such as https://api.example.com, got {url!r}")
    return replace(api, host=found["host"], base=found["base"].rstrip("/") or api.base)


def _announce(folder: Path, names: naming.Names, api: Api, files: int) -> None:
    output.line(f"{files} files in {folder}", "bold")
    if api.payloads:
        structs = api.payloads.count("(Struct):")
        output.line(f"from the OpenAPI document: {structs} payloads, calls for {len(api.calls)} operations")
    output.line()
    for command in (
        f"cd {shlex.quote(str(folder))}",
        "pip install -e '.[test]'",
        "pytest",
        f"polycloud conform tests/test_conformance.py:Test{names.prefix}",
    ):
        output.line(f"    {command}")
    output.line()
    output.line(f"Go on in src/{names.package}/driver.py.")


app = options.single(new_driver)

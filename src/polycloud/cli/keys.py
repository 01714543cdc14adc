"""`polycloud keys`: SSH keys of the account."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated

import typer

from polycloud.cli import accounts, changing, completion, finding, options, output, verbs
from polycloud.cli.resources import KEYS
from polycloud.common.types import InvalidArgumentError

__all__ = ["app"]

app = options.group("SSH keys of the account.")
verbs.add_list(app, KEYS)
verbs.add_show(app, KEYS, completion.keys)

NewName = Annotated[str, typer.Argument(metavar="NAME", help="What to call it.")]


@app.command()
def create(
    *,
    name: NewName,
    to: Annotated[Path, typer.Option(metavar="FILE", help="A new file for the private key.")],
    profile: options.Profile = None,
    provider: options.Provider = None,
    dry_run: options.DryRun = False,
) -> None:
    """Make a key; its private half is written to a file that only you can read.

    The public half is written beside it, to FILE.pub.
    """
    with accounts.one(profile, provider) as driver:
        if dry_run:
            changing.would(f"create the key {name} at {driver.name}, and write it to {to}")
            return
        with _new_file(to) as file, output.working(f"creating the key {name}"):
            pair = driver.create_key_pair(name)
            file.write(pair.private_key or "")
        to.with_name(f"{to.name}.pub").write_text(f"{pair.public_key}\n", encoding="utf-8")
        output.line(f"created {KEYS.title(pair)}: {to}, {to.name}.pub")


@app.command("import")
def import_(
    *,
    name: NewName,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The public key, in OpenSSH's format.")],
    profile: options.Profile = None,
    provider: options.Provider = None,
    dry_run: options.DryRun = False,
) -> None:
    """Give the provider a public key of yours."""
    with accounts.one(profile, provider) as driver:
        if dry_run:
            changing.would(f"import the key {name} from {file} at {driver.name}")
            return
        with output.working(f"importing the key {name}"):
            pair = driver.import_key_pair_from_file(name, str(file))
        output.line(f"imported {KEYS.title(pair)}")


@app.command()
def delete(
    *,
    names: Annotated[
        list[str],
        typer.Argument(metavar="KEY...", help="Ids or names.", autocompletion=completion.keys),
    ],
    yes: options.Yes = False,
    profile: options.Profile = None,
    provider: options.Provider = None,
    dry_run: options.DryRun = False,
) -> None:
    """Delete keys; nodes that have them keep them. Asks before."""
    with accounts.one(profile, provider) as driver:
        found = finding.find_all(driver, KEYS, names)
        changing.confirm(KEYS, found, "delete", accounts.name_of(profile, provider), yes=yes or dry_run)
        changing.each(KEYS, found, driver.delete_key_pair, ("delete", "deleted"), dry_run=dry_run)


@contextmanager
def _new_file(path: Path) -> Iterator[IO[str]]:
    """A new file that only its owner can read, made before anything is sent; removed where that fails."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise InvalidArgumentError(f"the file {path} cannot be made: {error.strerror}") from None
    try:
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor has no path
            yield file
    except BaseException:
        path.unlink(missing_ok=True)
        raise

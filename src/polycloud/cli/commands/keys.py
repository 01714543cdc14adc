"""`polycloud keys`: SSH keys of the account."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from polycloud.cli import accounts, changing, options, output, verbs
from polycloud.cli.nouns import KEYS
from polycloud.errors import InvalidArgumentError

if TYPE_CHECKING:
    from polycloud.compute.objects import KeyPair

__all__ = ["app"]

app = verbs.group(KEYS)

NewName = Annotated[str, typer.Argument(metavar="NAME", help="Its name.")]


@app.command()
def create(
    *,
    name: NewName,
    to: Annotated[Path, typer.Option(metavar="FILE", help="A new file for the private key.")],
    profile: options.Profile = None,
    provider: options.Provider = None,
    dry_run: options.DryRun = False,
) -> None:
    """Create a key, and write it to a file.

    The file has the private half, and only you can read it; the public half goes to FILE.pub beside it.
    """
    to = to.expanduser()
    with accounts.connect_one(KEYS.service, profile, provider) as driver:
        if dry_run:
            changing.would(f"create the key {name} at {driver.name}, and write it to {to}")
            return
        public = to.with_name(f"{to.name}.pub")
        with _new_file(to) as file, _new_file(public, 0o644) as beside:
            with output.working(f"creating the key {name}"):
                pair = driver.create_key_pair(name)
            file.write(pair.private_key or "")
            beside.write(half := _public_half(pair, to))
        if half:
            output.line(f"created {KEYS.title(pair)}: {to}, {public.name}")
        else:
            public.unlink()
            output.line(f"created {KEYS.title(pair)}: {to}")


def _public_half(pair: KeyPair, file: Path) -> str:
    """The line of the public key, which some providers do not send; empty if it cannot be derived."""
    from polycloud.cli.orders import public_half

    try:
        return f"{pair.public_key or public_half(file, pair.private_key or '')}\n"
    except InvalidArgumentError as error:
        output.note(error)  # the private key, which the provider sends only once, is kept
        return ""


@app.command("import")
def import_(
    *,
    name: NewName,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The public key, in OpenSSH's format.")],
    profile: options.Profile = None,
    provider: options.Provider = None,
    dry_run: options.DryRun = False,
) -> None:
    """Import a public key of yours."""
    with accounts.connect_one(KEYS.service, profile, provider) as driver:
        if dry_run:
            changing.would(f"import the key {name} from {file} at {driver.name}")
            return
        with output.working(f"importing the key {name}"):
            pair = driver.import_key_pair_from_file(name, str(file))
        output.line(f"imported {KEYS.title(pair)}")


DELETE = "Delete keys. Nodes that have them keep them."
verbs.add_destruction(app, KEYS, "delete_key_pair", ("delete", "deleted"), DELETE)


@contextmanager
def _new_file(path: Path, mode: int = 0o600) -> Iterator[IO[str]]:
    """Create a file that only its owner can read; remove it if the block fails."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except OSError as error:
        raise InvalidArgumentError(f"the file {path} cannot be created: {error.strerror}") from None
    try:
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor has no path
            yield file
    except BaseException:
        path.unlink(missing_ok=True)
        raise

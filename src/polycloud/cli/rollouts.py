"""A round over the members of a balancer at a shell: which they are, and a command for each of them."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from polycloud.cli import output
from polycloud.cli.members import Named, listed, selected
from polycloud.cli.nouns import MEMBERS, NODES
from polycloud.compute.objects import Node
from polycloud.errors import InvalidArgumentError, PolycloudError
from polycloud.loadbalancer.base import addresses_of
from polycloud.loadbalancer.objects import LoadBalancer, Member

__all__ = ["Program", "chosen", "title"]

Part: TypeAlias = Member | Node
"""What is taken out: a member, or a node with all its members."""


def chosen(balancer: LoadBalancer, texts: Sequence[str], nodes: Sequence[Named]) -> list[Part]:
    """Return the members and nodes that are named; all members if none is."""
    if not texts and not nodes:
        return [*listed(balancer)]
    with_port = [one for one in nodes if one.port is not None]
    members = selected(balancer, texts, with_port) if texts or with_port else []
    return [*members, *(one.node for one in nodes if one.port is None)]


def title(part: Part) -> str:
    """Return a member or a node in messages."""
    return MEMBERS.title(part) if isinstance(part, Member) else NODES.title(part)


class Program(NamedTuple):
    """The words of a command, with `{address}`, `{name}`, `{id}` and `{port}` of what it is for."""

    words: Sequence[str]

    @classmethod
    def of(cls, text: str) -> Program:
        """Read the text of `--run`. No shell reads it, so names of providers cannot be commands."""
        try:
            words = shlex.split(text)
        except ValueError as error:
            raise InvalidArgumentError(f"--run must be a command, got {text!r}: {error}") from None
        if not words:
            raise InvalidArgumentError("--run must be a command, such as 'ssh {address} ./deploy.sh'")
        return cls(words)

    def words_for(self, part: Part) -> list[str]:
        """Return the words for a member or a node.

        Raises `InvalidArgumentError` if it has no address, if a name would be an option of the command, or if
        there is no such program.
        """
        values = _values(part)
        if not values["{address}"] and any("{address}" in word for word in self.words):
            raise InvalidArgumentError(f"the address of {title(part)} is not known; name it by --node")
        filled = [_filled(word, values) for word in self.words]
        for before, after in zip(self.words, filled, strict=True):
            if after.startswith("-") and not before.startswith("-"):
                raise InvalidArgumentError(
                    f"{after!r} of {title(part)} would be an option of {self.words[0]}"
                )
        if shutil.which(filled[0]) is None:
            raise InvalidArgumentError(f"--run must be a program with its arguments, {filled[0]!r} is none")
        return filled

    def run(self, part: Part) -> None:
        """Run it to its end; its lines are printed after the name. Raises `PolycloudError` if it fails."""
        words, name = self.words_for(part), _values(part)["{name}"]
        try:
            process = subprocess.Popen(  # noqa: S603 - the words are the user's, without a shell
                words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
        except OSError as error:
            raise PolycloudError(f"{words[0]} cannot be run: {error.strerror}") from error
        with process:
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    output.line(f"{name}: {line.decode(errors='replace').rstrip()}")
            except BaseException:  # Ctrl-C and SIGTERM end the command as well
                process.terminate()
                raise
        if process.returncode:
            raise PolycloudError(f"{shlex.join(words)} ended with {process.returncode}")


def _values(part: Part) -> dict[str, str]:
    found: dict[str, object] = {"{id}": part.id}
    if isinstance(part, Member):
        found |= {"{address}": part.ip, "{name}": MEMBERS.label(part), "{port}": part.port}
    else:
        addresses = addresses_of(part, private_first=False)
        found |= {"{address}": next(iter(addresses), None), "{name}": part.name, "{port}": None}
    return {key: "" if value is None else str(value) for key, value in found.items()}


def _filled(word: str, values: dict[str, str]) -> str:
    """Return a word with these values; a value is not searched for further ones."""
    begin, *rest = word.split("{")
    for piece in rest:
        key, brace, after = piece.partition("}")
        value = values.get(f"{{{key}}}") if brace else None
        begin += f"{{{piece}" if value is None else value + after
    return begin

"""What a shell asks at a TAB, and how it wants the answer: bash, zsh, fish and PowerShell.

Shells ask as Typer's scripts do (`--install-completion`). Their questions are read here rather than by Typer,
since a TAB is answered often and importing Typer takes most of the time: `offers` keeps answers for a while.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence

__all__ = ["SHELLS", "Offers", "line_of", "show"]

Offers = Sequence[tuple[str, str]]
"""Words, each with a description, which may be empty."""


def line_of(shell: str, variables: Mapping[str, str]) -> tuple[list[str], str]:
    """Return the complete words after the command's name, and the beginning of the word at the cursor."""
    if shell == "bash":
        words, at = _split(variables.get("COMP_WORDS", "")), int(variables.get("COMP_CWORD", 0))
        return words[1:at], words[at] if at < len(words) else ""
    text = variables.get("_TYPER_COMPLETE_ARGS", "")
    words = _split(text)[1:]
    if shell in {"powershell", "pwsh"}:
        begun = variables.get("_TYPER_COMPLETE_WORD_TO_COMPLETE", "")
        return words[:-1] if begun else words, begun
    return (words, "") if not words or text.endswith(" ") else (words[:-1], words[-1])


def _split(text: str) -> list[str]:
    """Split a line into words as a shell does; its last word may be incomplete."""
    import shlex

    lexer = shlex.shlex(text, posix=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    words: list[str] = []
    try:
        words.extend(lexer)
    except ValueError:  # a quotation that has not ended
        words.append(lexer.token)
    return words


def show(shell: str, offers: Offers) -> int:
    """Print the offers for a shell; return the exit status."""
    text, status = SHELLS[shell](offers)
    print(text)  # noqa: T201 - the answer is read by the shell's script
    return status


def _for_bash(offers: Offers) -> tuple[str, int]:
    return "\n".join(word for word, _ in offers), 0


def _for_zsh(offers: Offers) -> tuple[str, int]:
    lines = "\n".join(":".join(f'"{_escape(text)}"' for text in offer if text) for offer in offers)
    return f"_arguments '*: :(({lines}))'" if offers else "_files", 0


def _escape(text: str) -> str:
    for character, escaped in (('"', '""'), ("'", "''"), ("$", "\\$"), ("`", "\\`"), (":", "\\\\:")):
        text = text.replace(character, escaped)
    return text


def _for_fish(offers: Offers) -> tuple[str, int]:
    """The words; or, where fish asks whether there are any, none and the exit status 1 if there are none."""
    if os.environ.get("_TYPER_COMPLETE_FISH_ACTION") == "is-args":
        return "", 0 if offers else 1
    return "\n".join("\t".join(re.sub(r"\s", " ", text) for text in offer if text) for offer in offers), 0


def _for_powershell(offers: Offers) -> tuple[str, int]:
    return "\n".join(f"{word}:::{text or ' '}" for word, text in offers), 0


SHELLS: dict[str, Callable[[Offers], tuple[str, int]]] = {
    "bash": _for_bash,
    "zsh": _for_zsh,
    "fish": _for_fish,
    "powershell": _for_powershell,
    "pwsh": _for_powershell,
}
"""How the offers are printed for each shell, and the exit status."""

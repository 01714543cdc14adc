"""What a shell asks at a TAB, and how it wants the answer: bash, zsh, fish and PowerShell.

Shells ask as Typer's scripts do (`--install-completion`). Their questions are read here rather than by Typer,
since a TAB is answered often and importing Typer takes most of the time: `offers` keeps answers for a while.

Names come from other people, so each word is quoted by the rules of the shell that inserts it: a node may be
called `$(command)`. bash gets a backslash before each character that may be special. So the common beginning
of several words can be inserted, and even inside quotes that the user has opened nothing of a word is run.
zsh gets code with the words in single quotes; it and fish quote what they insert themselves.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence

__all__ = ["BASH_SCRIPT", "SHELLS", "Offers", "broken", "line_of", "show"]

BASH_SCRIPT = r"""
%(complete_func)s() {
    local IFS=$'\n'
    mapfile -t COMPREPLY < <(env COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD \
                             COMP_LINE="${COMP_LINE:0:${COMP_POINT:-0}}" COMP_WORDBREAKS="$COMP_WORDBREAKS" \
                             %(autocomplete_var)s=complete_bash "$1")
    [[ "${COMPREPLY[0]}" == *[:/] ]] && compopt -o nospace 2>/dev/null
    return 0
}

complete -o default -F %(complete_func)s %(prog_name)s
"""
"""Typer's script for bash, but for two faults: there patterns in the words are expanded, and a word with a
colon is taken for several ones."""
SPECIAL = re.compile(r"[^\w@%+=:,./-]", re.ASCII)
"""A character that bash may expand, if it is ASCII."""
CURSOR = "\0"
PLAIN = re.compile(r"[\w./:+=-]+", re.ASCII)
"""A word that PowerShell takes as it is."""
QUOTES = re.compile("(['\u2018\u2019\u201a\u201b])")
"""What ends a text in single quotes in PowerShell; doubled, each stands for itself."""

Offers = Sequence[tuple[str, str]]
"""Words, each with a description, which may be empty."""


def line_of(shell: str, variables: Mapping[str, str]) -> tuple[list[str], str]:
    """Return the complete words after the command's name, and the beginning of the word at the cursor."""
    if shell == "bash" and (line := variables.get("COMP_LINE")):
        *words, last = _split(line + CURSOR)
        return words[1:], last.removesuffix(CURSOR)
    if shell == "bash":
        words, at = _split(variables.get("COMP_WORDS", "")), int(variables.get("COMP_CWORD", 0))
        return words[1:at], words[at] if at < len(words) else ""
    text = variables.get("_TYPER_COMPLETE_ARGS", "")
    words = _split(text)[1:]
    if shell in {"powershell", "pwsh"}:
        begun = variables.get("_TYPER_COMPLETE_WORD_TO_COMPLETE", "")
        return words[:-1] if begun else words, begun
    return (words, "") if not words or text.endswith(" ") else (words[:-1], words[-1])


def broken(begun: str, variables: Mapping[str, str]) -> int:
    """Return how much of the word at the cursor stands before the place where bash inserts: up to a colon."""
    return begun.rfind(":") + 1 if ":" in variables.get("COMP_WORDBREAKS", "") else 0


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
    return "\n".join(map(_quoted_for_bash, (word for word, _ in offers))), 0


def _quoted_for_bash(word: str) -> str:
    return "".join(f"\\{char}" if char.isascii() and SPECIAL.match(char) else char for char in word)


def _for_zsh(offers: Offers) -> tuple[str, int]:
    import shlex

    entries = (":".join([_entry(word), *([text] if text else [])]) for word, text in offers)
    array = " ".join(map(shlex.quote, entries))
    goes_on = any(word.endswith((":", "/")) for word, _ in offers)  # an address: no space after it
    options = " -S ''" if goes_on else ""
    return f"local -a offers; offers=({array}); _describe argument offers{options}" if offers else "_files", 0


def _entry(word: str) -> str:
    """A word as the first part of an entry of `_describe`, which a colon ends."""
    return word.replace("\\", "\\\\").replace(":", "\\:")


def _for_fish(offers: Offers) -> tuple[str, int]:
    """The words; or, where fish asks whether there are any, none and the exit status 1 if there are none."""
    if os.environ.get("_TYPER_COMPLETE_FISH_ACTION") == "is-args":
        return "", 0 if offers else 1
    return "\n".join("\t".join(filter(None, offer)) for offer in offers), 0


def _for_powershell(offers: Offers) -> tuple[str, int]:
    return "\n".join(f"{_quoted_for_powershell(word)}:::{text or ' '}" for word, text in offers), 0


def _quoted_for_powershell(word: str) -> str:
    return word if PLAIN.fullmatch(word) else "'" + QUOTES.sub(r"\1\1", word) + "'"


SHELLS: dict[str, Callable[[Offers], tuple[str, int]]] = {
    "bash": _for_bash,
    "zsh": _for_zsh,
    "fish": _for_fish,
    "powershell": _for_powershell,
    "pwsh": _for_powershell,
}
"""How the offers are printed for each shell, and the exit status."""

"""Find secrets in a text in whatever encoding, and the values that it names.

A secret may be written plainly, percent-encoded, escaped for JSON, as entities of HTML, or in layers of
these: JSON in a form, a form in an HTML page. So a text is searched in *views*: the text itself, and the text
decoded once, twice ... until nothing changes. A view knows from which characters of the text each of its own
came, so what is found in a view becomes a span of the text.

Texts come from providers, so every search takes linear time: a pattern either consumes what it reads or reads
a bounded number of characters, and nothing is read again from each of many openers.
"""

from __future__ import annotations

import html
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

__all__ = ["Span", "View", "named_values", "occurrences", "views", "whole_words", "words"]

Span = tuple[int, int]
LAYERS = 4
"""How often a text is decoded: JSON in JSON in a form in a page of HTML."""

# Named entities without their semicolon are decoded too, as browsers do
ESCAPE = re.compile(
    r"(?:%[0-9a-fA-F]{2})+|(?:\\x[0-9a-fA-F]{2})+|(?:\\u[0-9a-fA-F]{4})+|\\U[0-9a-fA-F]{8}"
    r"|\\[\\\"'/bfnrt]|&(?:#0{0,20}[0-9]{1,7}|#[xX]0{0,20}[0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});?"
)
CONTROLS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}

# No possessive groups, such as (...)*+: early releases of Python 3.11 do not match them.
# The scheme before the credentials in an Authorization header
SCHEME = r"(?i:basic|bearer|token)\s+"
# name=value, name: value, "name": "value"; in a URL, an XML attribute, a log, YAML
_ASSIGNED = rf"""(?<![\w.-])(?P<name>[\w.-]++)["']?\s*[=:]>?\s*(?:{SCHEME})?"""
_INPUT = r"""(?i)(?<![\w.-])name=["']?(?P<name>[\w.-]++)["']?[^<>]{0,200}?\bvalue="""
_PART = r"""(?i)(?<![\w.-])name=["']?(?P<name>[\w.-]++)["']?[^\n]{0,200}\n(?:[^\r\n]{1,200}\r?\n){0,4}\r?\n"""
_ELEMENT = r"<(?:\w++:)?(?P<name>[\w.-]++)(?:\s[^<>]{0,1000})?>"
# a member of XML-RPC: <name>password</name><value><string>...; its value may be the first of a list, or of a
# struct, or of a struct in a list
_MEMBER = (
    r"<name>\s*(?P<name>[\w.-]++)\s*</name>\s*<value>\s*(?:<array>\s*<data>\s*<value>\s*)?"
    r"(?:<struct>\s*<member>\s*<name>\s*\w++\s*</name>\s*<value>\s*)?(?:<\w++>)?"
)

# A quote that is never closed holds the rest of the text.
_TEXT = (
    r"""(?s:"(?P<a>[^"\\]*(?:\\.[^"\\]*)*)"?|'(?P<b>[^']*)'?|\[(?P<c>[^\[\]{}]*)\]?"""
    r"""|(?P<d>[^\s&#<>,;"'{}\[\]]++))"""
)
_XML_TEXT = r"(?s:(?P<a>(?:[^<]++|<!\[CDATA\[.*?(?:\]\]>|\Z)|<!--.*?(?:-->|\Z))+))"
_PART_TEXT = r"(?s:(?P<a>.*?)(?=\r?\n--|\Z))"

NAMED = [
    (re.compile(head), re.compile(value))
    for head, value in (
        (_ASSIGNED, _TEXT),
        (_INPUT, _TEXT),
        (_PART, _PART_TEXT),
        (_ELEMENT, _XML_TEXT),
        (_MEMBER, _XML_TEXT),
    )
]
"""Patterns for what ends in a name that says what follows, and for what follows."""

PEM_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    r"[^-]*(?:-(?!----)[^-]*)*(?:-----END [A-Z0-9 ]{0,50}-----)?"
)
# Before a word there is no letter, unless it ends an escape (%3D, \x3d, \v) or a colour of a terminal
WORD_BEGINS = r"(?:(?<![A-Za-z_])|(?<=[0-9][A-Fa-f])|(?<=\\[A-Za-z])|(?<=[0-9\[]m))"
WORD_ENDS = r"(?![A-Za-z_])"
# A user alone is a secret where it is long: https://TOKEN@git.example
URL_LOGIN = re.compile(r"(?<=://)(?:[^/\s:@]++:[^/\s@]++|[^/\s:@]{20,})(?=@)")


class View(NamedTuple):
    """A text, decoded from that of `origin`; the text as it was has none.

    It is a row of stretches: each begins at one of `starts`, and came from what begins at the same place of
    `begins`: either a character from an escape that ends at that place of `ends`, or, where that is 0,
    characters that were no escapes.
    """

    text: str
    origin: View | None = None
    starts: Sequence[int] = ()
    begins: Sequence[int] = ()
    ends: Sequence[int] = ()

    def span(self, start: int, end: int) -> Span:
        """Return where a part of the view came from, in the text as it was."""
        if self.origin is None:
            return start, end
        if start < end:
            return self.origin.span(self.source_of(start)[0], self.source_of(end - 1)[1])
        at = self.source_of(start)[0] if start < len(self.text) else len(self.origin.text)
        return self.origin.span(at, at)

    def source_of(self, at: int) -> Span:
        """Return from which part of the origin's text a character came."""
        stretch = bisect_right(self.starts, at) - 1
        begin, end = self.begins[stretch], self.ends[stretch]
        if not end:
            begin += at - self.starts[stretch]
        return begin, end or begin + 1


def views(text: str) -> Iterator[View]:
    """Yield the text as it is, and decoded as often as that changes it."""
    view: View | None = View(text)
    for _ in range(LAYERS + 1):
        if view is None:
            return
        yield view
        view = _decoded(view) if "%" in view.text or "\\" in view.text or "&" in view.text else None


def _decoded(view: View) -> View | None:
    """Return the view with its escapes decoded; None if there is none."""
    text = view.text
    pieces: list[str] = []
    starts, begins, ends = [0], [0], [0]
    at = length = 0
    changed = False
    for match in ESCAPE.finditer(text):
        begin, after = match.span()
        pieces.append(text[at:begin])
        length += begin - at
        at, before = after, length
        for character, first, last in _characters(match[0]):  # none of &#6;, which HTML does not have
            pieces.append(character)
            starts.append(length)
            begins.append(begin + first)
            ends.append(begin + last)
            length += 1
        starts.append(length)
        begins.append(after)
        ends.append(0)
        changed = changed or length - before < after - begin
    return View("".join([*pieces, text[at:]]), view, starts, begins, ends) if changed else None


def _characters(escape: str) -> Iterator[tuple[str, int, int]]:
    """Yield the characters that an escape stands for, each with the part of the escape that it came from."""
    kind = escape[1]
    if escape[0] == "%":
        yield from _of_bytes(bytes.fromhex(escape.replace("%", "")), 3)
    elif escape[0] == "&":
        decoded = html.unescape(escape)
        whole = decoded != escape
        yield from ((c, 0, len(escape)) if whole else (c, i, i + 1) for i, c in enumerate(decoded))
    elif kind == "x":
        yield from _of_bytes(bytes.fromhex(escape.replace("\\x", "")), 4)
    elif kind == "u":
        yield from _of_utf16(bytes.fromhex(escape.replace("\\u", "")))
    elif kind == "U":
        code = int(escape[2:], 16)  # noqa: FURB166 - after a backslash
        yield (chr(code) if code < 0x110000 else "\ufffd"), 0, len(escape)  # noqa: PLR2004 - the last character
    else:
        yield CONTROLS.get(kind, kind), 0, 2


def _of_bytes(data: bytes, width: int) -> Iterator[tuple[str, int, int]]:
    """Decode bytes, each written in `width` characters, as UTF-8; those that are not as Latin-1."""
    at = 0
    while at < len(data):
        size = _utf8_size(data[at])
        try:
            character = data[at : at + size].decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            size, character = 1, chr(data[at])
        yield character, at * width, (at + size) * width
        at += size


def _utf8_size(first: int) -> int:
    return 1 if first < 0xC0 else 2 if first < 0xE0 else 3 if first < 0xF0 else 4  # noqa: PLR2004 - as UTF-8 has it


def _of_utf16(data: bytes) -> Iterator[tuple[str, int, int]]:
    units = len(data) // 2
    at = 0
    while at < units:
        pair = data[2 * at : 2 * at + 4].decode("utf-16-be", "surrogatepass")
        size = 2 if len(pair) == 1 and at + 1 < units else 1
        yield pair[0], at * 6, (at + size) * 6
        at += size


def occurrences(view: View, text: str) -> Iterator[Span]:
    """Yield the spans in which the view has `text`."""
    at = view.text.find(text)
    while at >= 0:
        yield view.span(at, at + len(text))
        at = view.text.find(text, at + len(text))


def whole_words(view: View, word: str) -> Iterator[Span]:
    """Yield the spans in which the view has `word`, but not as a part of a longer word or identifier."""
    for match in re.finditer(f"{WORD_BEGINS}{re.escape(word)}{WORD_ENDS}", view.text):
        yield view.span(*match.span())


def words(view: View, core: str) -> Iterator[Span]:
    """Yield the spans of the base64 words in which the view has `core`, without what a slash separates."""
    text, after = view.text, 0
    at = text.find(core)
    while at >= 0:
        start, end = at, at + len(core)
        while start > after and _in_word(text[start - 1]):
            start -= 1
        if start and text[start - 1] == "%":  # the word begins after %20
            start = min(start + 2, at)
        while end < len(text) and _in_word(text[end]):
            end += 1
        after = end
        while end < min(after + 2, len(text)) and text[end] == "=":
            end += 1
        yield view.span(start, end)
        at, after = text.find(core, end), end


def _in_word(character: str) -> bool:
    return character.isalnum() or character in "+-_"


def named_values(text: str, is_secret: Callable[[str], bool]) -> Iterator[Span]:
    """Yield the spans of private keys, logins in URLs, and values that `text` itself names as secret."""
    for pattern in (PEM_KEY, URL_LOGIN):
        yield from (match.span() for match in pattern.finditer(text))
    for head, value in NAMED:
        yield from _values(text, head, value, is_secret)


def _values(
    text: str, head: re.Pattern[str], value: re.Pattern[str], is_secret: Callable[[str], bool]
) -> Iterable[Span]:
    at = 0
    while named := head.search(text, at):
        at = named.end()
        if is_secret(named["name"]) and (found := value.match(text, at)):
            yield found.span(found.lastgroup or 0)
            at = found.end()

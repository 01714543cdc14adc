"""How a request differs from a recorded one, and what it has in the place of ``{{name}}``."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from msgspec import UNSET

from polycloud.testing.exchange import CAPTURE, REDACTED, Fields, RecordedRequest
from polycloud.testing.loopback import SeenRequest
from polycloud.tracing.redaction import fields

__all__ = ["Comparison", "short"]

_WILD = re.compile(f"{REDACTED}|{CAPTURE.pattern}")


class Comparison:
    """A recorded request beside one that was asked.

    Attributes:
        captures: by name, the texts that were asked in the place of ``{{name}}``; complete once
            `differences` has come to its end.
    """

    def __init__(self, recorded: RecordedRequest, asked: SeenRequest) -> None:
        self.captures: dict[str, str] = {}
        self._recorded = recorded
        self._asked = asked

    def differences(self) -> Iterator[str]:
        """How they differ, one sentence a difference; none if the request matches."""
        recorded, asked = self._recorded, self._asked
        if recorded.method != asked.method:
            yield _unlike("method", recorded.method, asked.method)
        if not self._same_path(recorded.path, asked.path):
            yield _unlike("path", recorded.path, asked.path)
        if recorded.query is not UNSET:
            yield from self._of_fields(recorded.query, asked.query, "query")
        for name, value in recorded.headers.items():
            sent = asked.headers.get(name)
            if sent is None or not self._same_text(value, sent):
                yield _unlike(f"header {name}", value, sent)
        yield from self._of_body(recorded, asked.body)

    def _of_body(self, recorded: RecordedRequest, asked: bytes) -> Iterator[str]:
        text = asked.decode(errors="replace")
        if recorded.form is not UNSET:
            yield from self._of_fields(recorded.form, fields(text), "form")
        elif recorded.text is not UNSET:
            if not self._same_text(recorded.text, text):
                yield _unlike("text", recorded.text, text)
        elif recorded.base64 is not UNSET:
            literals = recorded.base64.decode("latin-1").split(REDACTED)
            if _between(literals, asked.decode("latin-1")) is None:
                yield f"base64: recorded {len(recorded.base64)} bytes, asked {len(asked)} bytes, not the same"
        elif recorded.body is not UNSET:
            try:
                value = json.loads(asked) if asked else None
            except ValueError:
                yield _unlike("body", recorded.body, text)
            else:
                yield from self._of_json(recorded.body, value, "body")

    def _of_fields(self, recorded: Fields, asked: dict[str, list[str]], where: str) -> Iterator[str]:
        lists = {name: [value] if isinstance(value, str) else value for name, value in recorded.items()}
        return self._of_members(lists, asked, where, self._of_list)

    def _of_list(self, recorded: list[str], asked: list[str], where: str) -> Iterator[str]:
        """The values of one name, whatever their order."""
        left = list(asked)
        # those that match anything come last, so as not to take what only another one matches
        for value in sorted(recorded, key=lambda value: (_is_wild(value), -len(value))):
            match = next((other for other in left if self._same_text(value, other)), None)
            if match is None:
                yield _unlike(where, recorded, asked)
                return
            left.remove(match)
        if left:
            yield _unlike(where, recorded, asked)

    def _of_json(self, recorded: Any, asked: Any, where: str) -> Iterator[str]:
        if recorded == REDACTED:
            return
        if isinstance(recorded, dict) and isinstance(asked, dict):
            yield from self._of_members(recorded, asked, where, self._of_json)
        elif isinstance(recorded, list) and isinstance(asked, list) and len(recorded) == len(asked):
            for index, (one, other) in enumerate(zip(recorded, asked, strict=True)):
                yield from self._of_json(one, other, f"{where}[{index}]")
        elif isinstance(recorded, str) and isinstance(asked, str):
            if not self._same_text(recorded, asked):
                yield _unlike(where, recorded, asked)
        # to Python true is 1
        elif recorded != asked or isinstance(recorded, bool) != isinstance(asked, bool):
            yield _unlike(where, recorded, asked)

    def _of_members(
        self,
        recorded: Mapping[str, Any],
        asked: Mapping[str, Any],
        where: str,
        differences: Callable[[Any, Any, str], Iterator[str]],
    ) -> Iterator[str]:
        left = dict(asked)
        for key in sorted(recorded, key=_is_wild):
            match = next((other for other in left if self._same_text(key, other)), None)
            if match is None:
                yield f"{where}.{key}: recorded {short(recorded[key])}, not asked"
            else:
                yield from differences(recorded[key], left.pop(match), f"{where}.{key}")
        for key, value in left.items():
            yield f"{where}.{key}: not recorded, asked {short(value)}"

    def _same_path(self, recorded: str, asked: str) -> bool:
        one, other = recorded.split("/"), asked.split("/")
        return len(one) == len(other) and all(map(self._same_text, map(unquote, one), map(unquote, other)))

    def _same_text(self, recorded: str, asked: str) -> bool:
        """Whether they are equal but for the wild parts of the recorded text; captures what has a name."""
        parts = _WILD.split(recorded)  # literals, and between each two a name, or None for REDACTED
        texts = _between(parts[::2], asked)
        if texts is None:
            return False
        self.captures |= {name: text for name, text in zip(parts[1::2], texts, strict=True) if name}
        return True


def short(value: Any) -> str:
    """A value as JSON, cut if it is long."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:200]}..."


def _unlike(where: str, recorded: Any, asked: Any) -> str:
    return f"{where}: recorded {short(recorded)}, asked {short(asked)}"


def _is_wild(text: str) -> bool:
    return _WILD.search(text) is not None


def _between(literals: list[str], asked: str) -> list[str] | None:
    """What stands between the literals in a text; None unless it consists of them and what is between."""
    if len(literals) == 1:
        return [] if asked == literals[0] else None
    first, *middle, last = literals
    if not asked.startswith(first):
        return None
    texts, position = [], len(first)
    for literal in middle:
        found = asked.find(literal, position)
        if found < 0:
            return None
        texts.append(asked[position:found])
        position = found + len(literal)
    end = len(asked) - len(last)
    return [*texts, asked[position:end]] if end >= position and asked.endswith(last) else None

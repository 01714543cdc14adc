"""How a request differs from a recorded one, and what it has in place of ``{{name}}``."""

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
    """A recorded request compared with one that was sent.

    Attributes:
        captures: by name, the texts that were sent in place of ``{{name}}``; complete once `differences`
            is exhausted.
    """

    def __init__(self, recorded: RecordedRequest, sent: SeenRequest) -> None:
        self.captures: dict[str, str] = {}
        self._recorded = recorded
        self._sent = sent

    def differences(self) -> Iterator[str]:
        """Yield the differences, one line each; nothing if the request matches."""
        recorded, sent = self._recorded, self._sent
        if recorded.method != sent.method:
            yield _unlike("method", recorded.method, sent.method)
        if not self._same_path(recorded.path, sent.path):
            yield _unlike("path", recorded.path, sent.path)
        if recorded.query is not UNSET:
            yield from self._of_fields(recorded.query, sent.query, "query")
        for name, value in recorded.headers.items():
            found = sent.headers.get(name)
            if found is None or not self._same_text(value, found):
                yield _unlike(f"header {name}", value, found)
        yield from self._of_body(recorded, sent.body)

    def _of_body(self, recorded: RecordedRequest, sent: bytes) -> Iterator[str]:
        text = sent.decode(errors="replace")
        if recorded.form is not UNSET:
            yield from self._of_fields(recorded.form, fields(text), "form")
        elif recorded.text is not UNSET:
            if not self._same_text(recorded.text, text):
                yield _unlike("text", recorded.text, text)
        elif recorded.base64 is not UNSET:
            literals = recorded.base64.decode("latin-1").split(REDACTED)
            if _between(literals, sent.decode("latin-1")) is None:
                yield f"base64: recorded {len(recorded.base64)} bytes, sent {len(sent)} other bytes"
        elif recorded.body is not UNSET:
            try:
                value = json.loads(sent) if sent else None
            except ValueError:
                yield _unlike("body", recorded.body, text)
            else:
                yield from self._of_json(recorded.body, value, "body")

    def _of_fields(self, recorded: Fields, sent: dict[str, list[str]], where: str) -> Iterator[str]:
        lists = {name: [value] if isinstance(value, str) else value for name, value in recorded.items()}
        return self._of_members(lists, sent, where, self._of_list)

    def _of_list(self, recorded: list[str], sent: list[str], where: str) -> Iterator[str]:
        """Compare the values of one name, in any order."""
        left = list(sent)
        # values that match anything come last, so that they do not take the match of another one
        for value in sorted(recorded, key=lambda value: (_is_wild(value), -len(value))):
            match = next((other for other in left if self._same_text(value, other)), None)
            if match is None:
                yield _unlike(where, recorded, sent)
                return
            left.remove(match)
        if left:
            yield _unlike(where, recorded, sent)

    def _of_json(self, recorded: Any, sent: Any, where: str) -> Iterator[str]:
        if recorded == REDACTED:
            return
        if isinstance(recorded, dict) and isinstance(sent, dict):
            yield from self._of_members(recorded, sent, where, self._of_json)
        elif isinstance(recorded, list) and isinstance(sent, list) and len(recorded) == len(sent):
            for index, (one, other) in enumerate(zip(recorded, sent, strict=True)):
                yield from self._of_json(one, other, f"{where}[{index}]")
        elif isinstance(recorded, str) and isinstance(sent, str):
            if not self._same_text(recorded, sent):
                yield _unlike(where, recorded, sent)
        # in Python, True == 1
        elif recorded != sent or isinstance(recorded, bool) != isinstance(sent, bool):
            yield _unlike(where, recorded, sent)

    def _of_members(
        self,
        recorded: Mapping[str, Any],
        sent: Mapping[str, Any],
        where: str,
        differences: Callable[[Any, Any, str], Iterator[str]],
    ) -> Iterator[str]:
        left = dict(sent)
        for key in sorted(recorded, key=_is_wild):
            match = next((other for other in left if self._same_text(key, other)), None)
            if match is None:
                yield f"{where}.{key}: recorded {short(recorded[key])}, not sent"
            else:
                yield from differences(recorded[key], left.pop(match), f"{where}.{key}")
        for key, value in left.items():
            yield f"{where}.{key}: not recorded, sent {short(value)}"

    def _same_path(self, recorded: str, sent: str) -> bool:
        one, other = recorded.split("/"), sent.split("/")
        return len(one) == len(other) and all(map(self._same_text, map(unquote, one), map(unquote, other)))

    def _same_text(self, recorded: str, sent: str) -> bool:
        """Return whether they are equal except for wild parts of the recorded text; capture named parts."""
        parts = _WILD.split(recorded)  # literals, and between two of them a name, or None for REDACTED
        texts = _between(parts[::2], sent)
        if texts is None:
            return False
        self.captures |= {name: text for name, text in zip(parts[1::2], texts, strict=True) if name}
        return True


def short(value: Any) -> str:
    """Return a value as JSON, cut after 200 characters."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:200]}..."


def _unlike(where: str, recorded: Any, sent: Any) -> str:
    return f"{where}: recorded {short(recorded)}, sent {short(sent)}"


def _is_wild(text: str) -> bool:
    return _WILD.search(text) is not None


def _between(literals: list[str], sent: str) -> list[str] | None:
    """Return the texts between the literals; None unless the text begins and ends with literals, in order."""
    if len(literals) == 1:
        return [] if sent == literals[0] else None
    first, *middle, last = literals
    if not sent.startswith(first):
        return None
    texts, position = [], len(first)
    for literal in middle:
        found = sent.find(literal, position)
        if found < 0:
            return None
        texts.append(sent[position:found])
        position = found + len(literal)
    end = len(sent) - len(last)
    return [*texts, sent[position:end]] if end >= position and sent.endswith(last) else None

"""A server of recorded answers, for a driver author who has no other."""

import json
from collections.abc import Callable, Iterator, Mapping
from difflib import SequenceMatcher
from http import HTTPStatus
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any
from urllib.parse import unquote

from msgspec import UNSET

from polycloud.testing.exchange import (
    REDACTED,
    Answer,
    Exchange,
    Fields,
    LoopbackServer,
    RecordedRequest,
    SeenRequest,
    fields,
    read_exchange,
)

__all__ = ["FixtureServer"]


class FixtureServer(LoopbackServer):
    """Serves the exchanges of a folder over real HTTP on 127.0.0.1.

    The folder holds one JSON file per exchange (`polycloud.testing.exchange` tells its fields), in the order
    of the file names::

        with FixtureServer("tests/fixtures/servers") as cloud:
            driver = MyNodeDriver(*cloud.credentials, **cloud.options)
            assert driver.list_nodes()[0].name == "web-1"

    A request is answered by an exchange whose method, path, query and body it matches. JSON and form bodies
    are compared by value, others by their bytes; the order of a query or a form does not matter, how often a
    name is repeated does. A query or body that a file leaves out matches any, and so does ``REDACTED``, as a
    value or within one. Where several exchanges match, each is served once, in order, and the last of them
    from then on: "pending", "pending", "running" are three files.

    A request that matches none is answered with 501 (which a driver does not send again), and at its end the
    ``with`` block raises an AssertionError that names it and the nearest exchanges. An exception that is
    already under way goes on instead, with the same text as a note.

    Args:
        folder: where the ``*.json`` files are.
        credentials: what `credentials` gives; the server does not look at them.

    Attributes:
        url: ``http://127.0.0.1:port``.
        options: keyword arguments for a driver: host, port, secure.
        credentials: positional arguments for a driver.
        requests: every request seen, in order.
        unmatched: for each request that matched nothing, what it was and what came nearest.

    Raises:
        FileNotFoundError: there is no such folder, or no ``*.json`` file in it.
        FixtureError: a file is no exchange; the message begins with ``file:line:column:``.
    """

    def __init__(self, folder: str | Path, credentials: tuple[Any, ...] = ("user", "key")) -> None:
        self.credentials = credentials
        self.requests: list[SeenRequest] = []
        self.unmatched: list[str] = []
        self._folder = Path(folder)
        self._exchanges = _read_folder(self._folder)
        self._served: set[str] = set()
        self._lock = Lock()

    def answer(self, request: SeenRequest) -> Answer:
        """The next recorded answer to the request, or 501."""
        matching = [
            name for name, known in self._exchanges.items() if not any(_differences(known.request, request))
        ]
        with self._lock:
            self.requests.append(request)
            if not matching:
                return self._refuse(request)
            name = next((name for name in matching if name not in self._served), matching[-1])
            self._served.add(name)
        return self._exchanges[name].response.answer()

    def _refuse(self, request: SeenRequest) -> Answer:
        nearest = _nearest(self._exchanges, request)
        asked = f"{request.method} {request.target}"
        if request.body:
            asked += f" with body {_short(request.body.decode(errors='replace'))}"
        lines = [f"{name}: {'; '.join(differences)}" for name, differences in nearest.items()]
        message = "\n  ".join([f"{asked} matches no exchange in {self._folder}; nearest are", *lines])
        self.unmatched.append(message)
        report = json.dumps({"message": message, "nearest": nearest}, ensure_ascii=False, indent=2)
        return Answer(HTTPStatus.NOT_IMPLEMENTED, [("Content-Type", "application/json")], report.encode())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        if not self.unmatched:
            return
        message = "\n".join(self.unmatched)
        if error is None:
            raise AssertionError(message)
        error.add_note(message)


def _read_folder(folder: Path) -> dict[str, Exchange]:
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder}")
    exchanges = {file.name: read_exchange(file) for file in sorted(folder.glob("*.json"))}
    if not exchanges:
        raise FileNotFoundError(f"There are no *.json files in {folder}")
    return exchanges


def _nearest(exchanges: Mapping[str, Exchange], asked: SeenRequest) -> dict[str, list[str]]:
    """The three exchanges that are most like the request, and how each differs from it."""

    def distance(name: str) -> tuple[float, bool, int]:
        recorded = exchanges[name].request
        likeness = SequenceMatcher(None, recorded.path, asked.path).ratio()
        return -likeness, recorded.method != asked.method, len(list(_differences(recorded, asked)))

    return {
        name: list(_differences(exchanges[name].request, asked))
        for name in sorted(exchanges, key=distance)[:3]
    }


def _differences(recorded: RecordedRequest, asked: SeenRequest) -> Iterator[str]:
    """How a request differs from a recorded one, one sentence a difference; none if it matches."""
    if recorded.method != asked.method:
        yield _unlike("method", recorded.method, asked.method)
    if not _same_path(recorded.path, asked.path):
        yield _unlike("path", recorded.path, asked.path)
    if recorded.query is not UNSET:
        yield from _field_differences(recorded.query, asked.query, "query")
    for name, value in recorded.headers.items():
        sent = asked.headers.get(name)
        if sent is None or not _same_text(value, sent):
            yield _unlike(f"header {name}", value, sent)
    yield from _body_differences(recorded, asked.body)


def _body_differences(recorded: RecordedRequest, asked: bytes) -> Iterator[str]:
    text = asked.decode(errors="replace")
    if recorded.form is not UNSET:
        yield from _field_differences(recorded.form, fields(text), "form")
    elif recorded.text is not UNSET:
        if not _same_text(recorded.text, text):
            yield _unlike("text", recorded.text, text)
    elif recorded.base64 is not UNSET:
        if not _same_text(recorded.base64.decode("latin-1"), asked.decode("latin-1")):
            yield f"base64: recorded {len(recorded.base64)} bytes, asked {len(asked)} bytes, not the same"
    elif recorded.body is not UNSET:
        try:
            value = json.loads(asked) if asked else None
        except ValueError:
            yield _unlike("body", recorded.body, text)
        else:
            yield from _json_differences(recorded.body, value, "body")


def _field_differences(recorded: Fields, asked: dict[str, list[str]], where: str) -> Iterator[str]:
    lists = {name: [value] if isinstance(value, str) else value for name, value in recorded.items()}
    return _key_differences(lists, asked, where, _list_differences)


def _list_differences(recorded: list[str], asked: list[str], where: str) -> Iterator[str]:
    """The values of one name, whatever their order."""
    left = list(asked)
    # those that match anything come last, so as not to take what only another one matches
    for value in sorted(recorded, key=lambda value: (REDACTED in value, -len(value))):
        match = next((other for other in left if _same_text(value, other)), None)
        if match is None:
            yield _unlike(where, recorded, asked)
            return
        left.remove(match)
    if left:
        yield _unlike(where, recorded, asked)


def _json_differences(recorded: Any, asked: Any, where: str) -> Iterator[str]:
    if recorded == REDACTED:
        return
    if isinstance(recorded, dict) and isinstance(asked, dict):
        yield from _key_differences(recorded, asked, where, _json_differences)
    elif isinstance(recorded, list) and isinstance(asked, list) and len(recorded) == len(asked):
        for index, (one, other) in enumerate(zip(recorded, asked, strict=True)):
            yield from _json_differences(one, other, f"{where}[{index}]")
    elif isinstance(recorded, str) and isinstance(asked, str):
        if not _same_text(recorded, asked):
            yield _unlike(where, recorded, asked)
    # to Python true is 1
    elif recorded != asked or isinstance(recorded, bool) != isinstance(asked, bool):
        yield _unlike(where, recorded, asked)


def _key_differences(
    recorded: Mapping[str, Any],
    asked: Mapping[str, Any],
    where: str,
    differences: Callable[[Any, Any, str], Iterator[str]],
) -> Iterator[str]:
    left = dict(asked)
    for key in sorted(recorded, key=lambda key: REDACTED in key):
        match = next((other for other in left if _same_text(key, other)), None)
        if match is None:
            yield f"{where}.{key}: recorded {_short(recorded[key])}, not asked"
        else:
            yield from differences(recorded[key], left.pop(match), f"{where}.{key}")
    for key, value in left.items():
        yield f"{where}.{key}: not recorded, asked {_short(value)}"


def _same_path(recorded: str, asked: str) -> bool:
    one, other = recorded.split("/"), asked.split("/")
    return len(one) == len(other) and all(map(_same_text, map(unquote, one), map(unquote, other)))


def _same_text(recorded: str, asked: str) -> bool:
    """Whether they are equal, where ``REDACTED`` in the recorded text stands for any text."""
    if REDACTED not in recorded:
        return recorded == asked
    first, *middle, last = recorded.split(REDACTED)
    if not asked.startswith(first):
        return False
    position = len(first)
    for part in middle:
        found = asked.find(part, position)
        if found < 0:
            return False
        position = found + len(part)
    return asked.endswith(last) and len(asked) - len(last) >= position


def _unlike(where: str, recorded: Any, asked: Any) -> str:
    return f"{where}: recorded {_short(recorded)}, asked {_short(asked)}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:200]}..."

"""Servers of recorded answers: of a folder, for a driver author who has no other, and of a debug file."""

import json
import re
from collections.abc import Mapping
from difflib import SequenceMatcher
from http import HTTPStatus
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any

from polycloud.testing.exchange import CAPTURE, Exchange, FixtureError, read_exchange, read_records
from polycloud.testing.loopback import Answer, LoopbackServer, SeenRequest
from polycloud.testing.matching import Comparison, short
from polycloud.testing.variables import Variables

__all__ = ["ExchangeServer", "FixtureServer", "replay"]


class ExchangeServer(LoopbackServer):
    """Serves exchanges over real HTTP on 127.0.0.1.

    A request is answered by an exchange whose method, path, query and body it matches. JSON and form bodies
    are compared by value, others by their bytes; the order of a query or a form does not matter, how often a
    name is repeated does. A query or body that an exchange leaves out matches any, and so does ``REDACTED``,
    as a value or within one. Where several exchanges match, each is served once, in order, and the last of
    them from then on: "pending", "pending", "running" are three exchanges.

    A request may hold what is different each time, such as a random name, and later answers repeat it:
    ``{{name}}`` in a recorded request matches any text and keeps it, and in answers it is replaced by what
    was kept last.

    A request that matches none is answered with 501 (which a driver does not send again), and at its end the
    ``with`` block raises an AssertionError that names it and the nearest exchanges. So is a request whose
    answer has a ``{{name}}`` for which nothing was kept. An exception that is already under way goes on
    instead, with the same text as a note.

    Args:
        exchanges: by name, in order.
        source: where they come from, for messages.
        credentials: what `credentials` gives; the server does not look at them.

    Attributes:
        url: ``http://127.0.0.1:port``.
        options: keyword arguments for a driver: host, port, secure.
        credentials: positional arguments for a driver.
        requests: every request seen, in order.
        unmatched: for each request that could not be answered, what it was and why: what came nearest, or
            which ``{{name}}`` its answer needs.
    """

    def __init__(
        self,
        exchanges: Mapping[str, Exchange],
        source: str | Path,
        credentials: tuple[Any, ...] = ("user", "key"),
    ) -> None:
        self.credentials = credentials
        self.requests: list[SeenRequest] = []
        self.unmatched: list[str] = []
        self._source = source
        self._exchanges = exchanges
        self._served: set[str] = set()
        self._captures: dict[str, str] = {}
        self._lock = Lock()

    def answer(self, request: SeenRequest) -> Answer:
        """The next recorded answer to the request, or 501."""
        compared = {name: Comparison(known.request, request) for name, known in self._exchanges.items()}
        matching = [name for name, comparison in compared.items() if not any(comparison.differences())]
        with self._lock:
            self.requests.append(request)
            if not matching:
                return self._unlike_all(request)
            name = next((name for name in matching if name not in self._served), matching[-1])
            self._served.add(name)
            self._captures |= compared[name].captures
            try:
                return self._exchanges[name].response.with_texts(self._filled).answer()
            except ValueError as error:
                return self._refuse(f"{_told(request)} matches {name}, which has no answer to it: {error}")

    def _filled(self, text: str) -> str:
        return CAPTURE.sub(self._captured, text)

    def _captured(self, match: re.Match[str]) -> str:
        if match[1] not in self._captures:
            raise ValueError(f"no request has given {match[0]} yet")
        return self._captures[match[1]]

    def _unlike_all(self, request: SeenRequest) -> Answer:
        nearest = _nearest(self._exchanges, request)
        lines = [f"{name}: {'; '.join(differences)}" for name, differences in nearest.items()]
        message = f"{_told(request)} matches no exchange in {self._source}; nearest are"
        return self._refuse("\n  ".join([message, *lines]), nearest=nearest)

    def _refuse(self, message: str, **details: Any) -> Answer:
        self.unmatched.append(message)
        report = json.dumps({"message": message, **details}, ensure_ascii=False, indent=2)
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


class FixtureServer(ExchangeServer):
    """Serves the exchanges of a folder over real HTTP on 127.0.0.1.

    The folder holds one JSON file per exchange (`polycloud.testing.exchange` tells its fields), in the order
    of the file names::

        with FixtureServer("tests/fixtures/servers") as cloud:
            driver = MyNodeDriver(*cloud.credentials, **cloud.options)
            assert driver.list_nodes()[0].name == "web-1"

    What matches and what is answered is told by `ExchangeServer`, which has the attributes too.

    Args:
        folder: where the ``*.json`` files are.
        credentials: what `credentials` gives; the server does not look at them.

    Raises:
        FileNotFoundError: there is no such folder, or no ``*.json`` file in it.
        FixtureError: a file is no exchange; the message begins with ``file:line:column:``.
    """

    def __init__(self, folder: str | Path, credentials: tuple[Any, ...] = ("user", "key")) -> None:
        super().__init__(_read_folder(Path(folder)), folder, credentials)


def replay(
    file: str | Path,
    *,
    variables: Mapping[str, str] | None = None,
    credentials: tuple[Any, ...] = ("user", "key"),
) -> ExchangeServer:
    """Serve what was written to the file that `POLYCLOUD_DEBUG` named.

    It is a server like `FixtureServer`; what the driver made up is named by `variables`::

        with replay("debug.log", variables={"mark": "polycloud-create-[0-9a-f]{12}"}) as cloud:
            driver = get_driver("digitalocean")("key", **cloud.options)
            driver.create_node("web-1", size, image, location)

    Args:
        file: what `POLYCLOUD_DEBUG` wrote.
        variables: by name, a regular expression for what the driver makes up and is different each time, as
            for `polycloud.testing.Recorder`.
        credentials: what `credentials` gives; the server does not look at them.

    Raises:
        FixtureError: a line is no exchange, or there is none; the message begins with ``file:line:``.
        OSError: the file cannot be read.
        ValueError: a variable's name is no Python name, or its expression not regular.
    """
    named = Variables(variables or {}).named
    file = Path(file)
    exchanges = {f"{file.name}:{line}": named(exchange) for line, exchange in read_records(file)}
    if not exchanges:
        raise FixtureError(f"{file}:1: there is no exchange in it")
    return ExchangeServer(exchanges, file, credentials)


def _read_folder(folder: Path) -> dict[str, Exchange]:
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder}")
    exchanges = {file.name: read_exchange(file) for file in sorted(folder.glob("*.json"))}
    if not exchanges:
        raise FileNotFoundError(f"There are no *.json files in {folder}")
    return exchanges


def _told(request: SeenRequest) -> str:
    asked = f"{request.method} {request.target}"
    return f"{asked} with body {short(request.body.decode(errors='replace'))}" if request.body else asked


def _nearest(exchanges: Mapping[str, Exchange], asked: SeenRequest) -> dict[str, list[str]]:
    """The three exchanges that are most like the request, and how each differs from it."""
    found = {name: list(Comparison(known.request, asked).differences()) for name, known in exchanges.items()}

    def distance(name: str) -> tuple[float, bool, int]:
        recorded = exchanges[name].request
        likeness = SequenceMatcher(None, recorded.path, asked.path).ratio()
        return -likeness, recorded.method != asked.method, len(found[name])

    return {name: found[name] for name in sorted(exchanges, key=distance)[:3]}

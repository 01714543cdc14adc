"""Servers of recorded exchanges, from a folder (for a driver author without a cloud) or from a debug file."""

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

    The response to a request is that of an exchange whose method, path, query and body it matches. JSON and
    form bodies are compared by value, others by their bytes; the order of a query or a form does not matter,
    the number of values of a name does. If an exchange leaves out the query or body, any matches, and so it
    does for ``REDACTED``, as a value or within one. If several exchanges match, each is served once, in
    order, and then the last of them again and again: "pending", "pending", "running" are three exchanges.

    A request may have a text that is different each time, such as a random name, which later responses
    repeat: ``{{name}}`` in a recorded request matches any text and captures it, and in responses it is
    replaced by what was captured last.

    A request that matches no exchange gets a 501 (which drivers do not retry), and the ``with`` block ends
    with an AssertionError that names the request and the nearest exchanges. So does a request whose response
    has a ``{{name}}`` for which nothing was captured. If the block raises another exception, that is raised
    instead, with the same text as a note.

    Args:
        exchanges: by name, in order.
        source: the folder or file, for messages.
        credentials: the value of `credentials`; the server does not check them.

    Attributes:
        url: ``http://127.0.0.1:port``.
        options: keyword arguments for a driver: host, port, secure.
        credentials: positional arguments for a driver.
        requests: every request seen, in order.
        unmatched: for each request that got a 501, the request and the reason: the nearest exchanges, or the
            ``{{name}}`` that its response needs.
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
        """Return the next recorded response to the request, or 501."""
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
                return self._exchanges[name].response.with_texts(self._with_captures).answer()
            except ValueError as error:
                return self._refuse(
                    f"{_described(request)} matches {name}, whose response cannot be sent: {error}"
                )

    def _with_captures(self, text: str) -> str:
        return CAPTURE.sub(self._captured, text)

    def _captured(self, match: re.Match[str]) -> str:
        if match[1] not in self._captures:
            raise ValueError(f"no request had a text for {match[0]} yet")
        return self._captures[match[1]]

    def _unlike_all(self, request: SeenRequest) -> Answer:
        nearest = _nearest(self._exchanges, request)
        lines = [f"{name}: {'; '.join(differences)}" for name, differences in nearest.items()]
        message = f"{_described(request)} matches no exchange in {self._source}; the nearest are"
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

    The folder has one JSON file for each exchange (`polycloud.testing.exchange` describes its fields), in the
    order of the file names::

        with FixtureServer("tests/fixtures/servers") as cloud:
            driver = MyNodeDriver(*cloud.credentials, **cloud.options)
            assert driver.list_nodes()[0].name == "web-1"

    `ExchangeServer` documents which exchange matches a request, and the attributes.

    Args:
        folder: the folder of the ``*.json`` files.
        credentials: the value of `credentials`; the server does not check them.

    Raises:
        FileNotFoundError: the folder does not exist, or has no ``*.json`` file.
        FixtureError: a file is not a valid exchange; the message begins with ``file:line:column:``.
    """

    def __init__(self, folder: str | Path, credentials: tuple[Any, ...] = ("user", "key")) -> None:
        super().__init__(_read_folder(Path(folder)), folder, credentials)


def replay(
    file: str | Path,
    *,
    variables: Mapping[str, str] | None = None,
    credentials: tuple[Any, ...] = ("user", "key"),
) -> ExchangeServer:
    """Serve the exchanges in a file that `POLYCLOUD_DEBUG` named.

    Returns a server like `FixtureServer`; `variables` are the texts that the driver generated::

        with replay("debug.log", variables={"mark": "polycloud-create-[0-9a-f]{12}"}) as cloud:
            driver = get_driver("digitalocean")("key", **cloud.options)
            driver.create_node("web-1", size, image, location)

    Args:
        file: the file that `POLYCLOUD_DEBUG` named.
        variables: by name, a regular expression for a text that the driver generates, as for
            `polycloud.testing.Recorder`.
        credentials: the value of `credentials`; the server does not check them.

    Raises:
        FixtureError: a line is not a valid exchange, or no line is; the message begins with ``file:line:``.
        OSError: the file cannot be read.
        ValueError: the name of a variable is not an identifier, or its regular expression is invalid.
    """
    named = Variables(variables or {}).named
    file = Path(file)
    exchanges = {f"{file.name}:{line}": named(exchange) for line, exchange in read_records(file)}
    if not exchanges:
        raise FixtureError(f"{file}:1: the file has no exchange")
    return ExchangeServer(exchanges, file, credentials)


def _read_folder(folder: Path) -> dict[str, Exchange]:
    if not folder.is_dir():
        raise FileNotFoundError(f"the folder {folder} does not exist")
    exchanges = {file.name: read_exchange(file) for file in sorted(folder.glob("*.json"))}
    if not exchanges:
        raise FileNotFoundError(f"{folder} has no *.json files")
    return exchanges


def _described(request: SeenRequest) -> str:
    sent = f"{request.method} {request.target}"
    return f"{sent} with body {short(request.body.decode(errors='replace'))}" if request.body else sent


def _nearest(exchanges: Mapping[str, Exchange], request: SeenRequest) -> dict[str, list[str]]:
    """Return the three exchanges that are most like the request, each with its differences."""
    found = {
        name: list(Comparison(known.request, request).differences()) for name, known in exchanges.items()
    }

    def distance(name: str) -> tuple[float, bool, int]:
        recorded = exchanges[name].request
        likeness = SequenceMatcher(None, recorded.path, request.path).ratio()
        return -likeness, recorded.method != request.method, len(found[name])

    return {name: found[name] for name in sorted(exchanges, key=distance)[:3]}

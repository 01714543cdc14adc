"""A proxy that records the exchanges of a driver with its cloud, without their secrets."""

import json
import re
from collections.abc import Iterable, Mapping
from email.message import Message
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from threading import Lock
from types import TracebackType

import urllib3
from urllib3.exceptions import HTTPError

from polycloud.http.messages import CONNECTION_HEADERS
from polycloud.testing.exchange import Exchange, RecordedRequest, RecordedResponse, write_exchange
from polycloud.testing.loopback import Answer, LoopbackServer, SeenRequest
from polycloud.testing.variables import Variables
from polycloud.tracing.redaction import Redaction

__all__ = ["Recorder"]

_LOOPBACK = {"127.0.0.1", "[::1]", "localhost"}


class Recorder(LoopbackServer):
    """A recording reverse proxy on 127.0.0.1.

    Point a driver at it and run the calls to record::

        with Recorder("https://api.example.com", "tests/fixtures/servers", secrets=[key]) as cloud:
            MyNodeDriver(user, key, **cloud.options).list_nodes()

    Each request is forwarded to the upstream, its response is returned unchanged, and both are written to the
    folder as ``001-get-server-cloud.json``, ``002-...``, which `polycloud.testing.FixtureServer` serves.
    Bodies are stored decoded (from chunks, gzip and deflate) and kept in memory until they are written. If
    there is no response, the driver gets a 502, and nothing is recorded.

    Secrets are replaced by ``REDACTED`` before anything is written:

    - the declared `secrets`, anywhere in path, query, bodies and headers: plain, URL-encoded, escaped for
      JSON or XML, and within base64 text;
    - the values of fields named password, secret, token, api_key, access_key, private_key, root_pass and the
      like in JSON, forms, queries, XML and text, and of response headers with such names;
    - PEM private keys, and the user and password in a URL.

    Cookies are left out, and so are the headers of requests except `request_headers`. **Read the files before
    you publish them**: an undeclared secret under an inconspicuous name is not found.

    A text that the driver generates, such as a random name, is different in a replay. Give a regular
    expression for it, and it is written as ``{{name}}``, which matches any text of a request and repeats it
    in the responses (`polycloud.testing.FixtureServer`)::

        Recorder(url, folder, variables={"node_name": r"web-[0-9a-f]{12}"})

    The expression is applied after secrets are removed: to decoded queries, forms and bodies, and to paths as
    sent. In responses only the text that a request sent last is replaced, since a replay knows no other.

    A provider whose signatures include the host name refuses requests that come through a proxy.

    Args:
        upstream_url: an ``https://`` URL; its path is a prefix of that of each request. Certificates are
            verified. ``http://`` is accepted for loopback only.
        folder: the folder of the files; created if missing. It may not have ``*.json`` files yet.
        secrets: texts that must not be written, of at least 4 characters each.
        request_headers: names of the request headers to record, which must match in a replay.
        variables: by name, a regular expression for a text that is different each time.

    Attributes:
        url: ``http://127.0.0.1:port``.
        options: keyword arguments for a driver: host, port, secure.

    Raises:
        ValueError: the URL cannot be recorded, a secret is too short, the name of a variable is not an
            identifier, or its regular expression is invalid.
        FileExistsError: the folder has recordings already.
    """

    def __init__(
        self,
        upstream_url: str,
        folder: str | Path,
        *,
        secrets: Iterable[str] = (),
        request_headers: Iterable[str] = (),
        variables: Mapping[str, str] | None = None,
    ) -> None:
        upstream = urllib3.util.parse_url(upstream_url)
        if upstream.scheme != "https" and (upstream.scheme != "http" or upstream.host not in _LOOPBACK):
            raise ValueError(f"upstream_url must be https://, or http:// to loopback, got {upstream_url}")
        self._redaction = Redaction(secrets)
        self._variables = Variables(variables or {})
        self._request_headers = list(request_headers)
        self._folder = Path(folder)
        self._folder.mkdir(parents=True, exist_ok=True)
        if any(self._folder.glob("*.json")):
            raise FileExistsError(
                f"{self._folder} has recordings already: remove them, or choose another folder"
            )
        self._prefix = (upstream.path or "").rstrip("/")
        timeout = urllib3.Timeout(connect=10, read=60)
        self._pool = urllib3.connection_from_url(upstream_url, timeout=timeout, retries=False)
        self._recorded = 0
        self._lock = Lock()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self._pool.close()

    def answer(self, request: SeenRequest) -> Answer:
        """Return the upstream's response after writing it to a file; 502 if there is none."""
        try:
            response, decoded = self._forward(request)
        except HTTPError as error:
            message = json.dumps({"message": f"no response from the upstream: {error}"})
            return Answer(HTTPStatus.BAD_GATEWAY, [("Content-Type", "application/json")], message.encode())
        recorded = self._request(request)
        head = request.method == "HEAD"
        redacted = self._redaction.response(response.status, response.headers, decoded, head=head)
        # responses repeat texts of earlier requests, so files are written one after another
        with self._lock:
            self._write(
                self._variables.named(Exchange(request=recorded, response=RecordedResponse(**redacted)))
            )
        return response

    def _request(self, request: SeenRequest) -> RecordedRequest:
        headers = {name: request.headers[name] for name in self._request_headers if name in request.headers}
        form = "form-urlencoded" in request.headers.get("Content-Type", "")
        recorded = self._redaction.request(request.method, request.target, request.body, form=form)
        return RecordedRequest(headers=self._redaction.headers(headers), **recorded)

    def _forward(self, request: SeenRequest) -> tuple[Answer, bytes]:
        response = self._pool.urlopen(
            request.method,
            self._prefix + request.target,
            body=request.body or None,
            headers=_forwarded_headers(request.headers),
            redirect=False,
            preload_content=False,
        )
        with response:
            raw = response.read(decode_content=False)
            forwarded = Answer(response.status, list(response.headers.items()), raw)
            decoder = urllib3.HTTPResponse(
                BytesIO(raw),
                response.headers,
                response.status,
                preload_content=False,
                request_method=request.method,
            )
            return forwarded, decoder.read(decode_content=True)

    def _write(self, exchange: Exchange) -> None:
        words = re.findall(r"[a-z0-9]+", f"{exchange.request.method}{exchange.request.path}".lower())
        self._recorded += 1
        write_exchange(self._folder / f"{self._recorded:03}-{'-'.join(words)[:60]}.json", exchange)


def _forwarded_headers(headers: Message) -> urllib3.HTTPHeaderDict:
    dropped = CONNECTION_HEADERS | {"host", "expect", "accept-encoding"}
    forwarded = urllib3.HTTPHeaderDict()
    for name, value in headers.items():
        if name.lower() not in dropped:
            forwarded.add(name, value)
    # other encodings may not be decodable here
    forwarded["Accept-Encoding"] = "gzip" if "gzip" in headers.get("Accept-Encoding", "") else "identity"
    return forwarded

"""A transport in the place of the network, for tests of what a connection asks its transport to send."""

from __future__ import annotations

from polycloud.http.messages import RawResponse, Request
from polycloud.utils.headers import Headers


class RecordingTransport:
    """Keeps the requests that it is given and answers each with an empty 200."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.closed = False

    def send(self, request: Request) -> RawResponse:
        self.requests.append(request)
        return RawResponse(200, "OK", Headers())

    def close(self) -> None:
        self.closed = True

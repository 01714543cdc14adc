"""A small EC2 that does what moto does not: it checks signatures and clocks, and knows client tokens."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import parse_qsl

from botocore.auth import S3SigV4Auth, SigV4Auth  # type: ignore[import-untyped]
from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]
from botocore.credentials import Credentials  # type: ignore[import-untyped]

from polycloud.testing.loopback import Answer, LoopbackServer, SeenRequest

NAMESPACE = "http://ec2.amazonaws.com/doc/2016-11-15/"
SCOPE = re.compile(
    r"Credential=([^/]+)/\d{8}/([^/]+)/([^/]+)/aws4_request, SignedHeaders=([^,]+), Signature=(\w+)"
)
Act = Callable[[dict[str, str]], Answer | None]


def botocore_signature(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    time: str,
    credentials: tuple[str, str, str | None],
    scope: tuple[str, str],
) -> str:
    """Return botocore's signature of a request for the time `time`."""
    region, service = scope
    kind = S3SigV4Auth if service == "s3" else SigV4Auth
    auth = kind(Credentials(*credentials), service, region)
    request = AWSRequest(method=method, url=url, data=body, headers=dict(headers))
    request.context["timestamp"] = time
    auth._modify_request_before_signing(request)
    return str(auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request))


def response(
    action: str, content: str = "<return>true</return>", status: int = 200, namespace: str = NAMESPACE
) -> Answer:
    """Return a response to `action`."""
    body = f'<{action}Response xmlns="{namespace}"><requestId>r-1</requestId>{content}</{action}Response>'
    return Answer(status, [("Content-Type", "text/xml")], body.encode())


def refusal(code: str, message: str = "no", status: int = 400) -> Answer:
    """Return an error response of EC2."""
    error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    body = f"<Response><Errors>{error}</Errors><RequestID>r-1</RequestID></Response>"
    return Answer(status, [("Content-Type", "text/xml")], body.encode())


def instance(id_: str, **fields: str) -> str:
    """Return an instance as responses have it."""
    parts = {"instanceState": "<code>16</code><name>running</name>", "instanceType": "t3.micro", **fields}
    inside = "".join(f"<{name}>{text}</{name}>" for name, text in parts.items())
    return f"<item><instanceId>{id_}</instanceId>{inside}</item>"


class SmallEC2(LoopbackServer):
    """The server. `acts` respond by action, where None drops the connection; `calls` are the requests."""

    def __init__(self, *, clock: float = 0.0, **acts: Act) -> None:
        self.credentials: tuple[str, str, str | None] = ("AKIATEST", "very secret", None)
        self.clock = timedelta(seconds=clock)
        self.calls: list[dict[str, str]] = []
        self.instances: dict[str, str] = {}
        self.acts: dict[str, Act] = {
            "RunInstances": self.run,
            "DescribeInstances": lambda _: self.described(),
            **acts,
        }
        self._lock = threading.Lock()

    def answer(self, request: SeenRequest) -> Answer:
        fields = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
        with self._lock:
            self.calls.append(fields)
            reply = self._refused(request) or self.acts[fields["Action"]](fields)
        if reply is None:
            raise ConnectionError("the response is lost")
        now = datetime.now(UTC) + self.clock
        return Answer(reply.status, [*reply.headers, ("Date", format_datetime(now, usegmt=True))], reply.body)

    def _refused(self, request: SeenRequest) -> Answer | None:
        match = SCOPE.search(request.headers.get("Authorization", ""))
        if match is None:
            return refusal("MissingAuthenticationToken", status=403)
        time = request.headers["X-Amz-Date"]
        when = datetime.strptime(time, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if abs(datetime.now(UTC) + self.clock - when) > timedelta(minutes=5):
            return refusal("RequestExpired", "Request has expired.")
        signed = {name: request.headers[name] for name in match[4].split(";") if name != "host"}
        url = f"http://{request.headers['Host']}{request.target}"
        expected = botocore_signature(
            request.method, url, signed, request.body, time, self.credentials, (match[2], match[3])
        )
        given = (match[1], match[5], request.headers.get("X-Amz-Security-Token"))
        if given != (self.credentials[0], expected, self.credentials[2]):
            return refusal("AuthFailure", "AWS was not able to validate the credentials", 401)
        return None

    def run(self, fields: dict[str, str]) -> Answer:
        """Create an instance, or return the one that was created with the token."""
        token = fields["ClientToken"]
        if token not in self.instances:
            self.instances[token] = instance(f"i-{len(self.instances):017x}", clientToken=token)
        return response("RunInstances", f"<instancesSet>{self.instances[token]}</instancesSet>")

    def described(self) -> Answer:
        """Return all instances."""
        items = f"<item><instancesSet>{''.join(self.instances.values())}</instancesSet></item>"
        return response("DescribeInstances", f"<reservationSet>{items}</reservationSet>")

    def count(self, action: str) -> int:
        """Return how often `action` was requested."""
        return sum(call["Action"] == action for call in self.calls)

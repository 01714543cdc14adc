"""Google's Cloud Storage over HTTP: the JSON API, the XML API for signed URLs, and tokens."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from email.parser import BytesParser
from importlib.util import find_spec
from typing import Any, ClassVar
from urllib.parse import unquote

from polycloud.sandbox.clouds import Settings
from polycloud.sandbox.google import access, buckets, objects, uploads
from polycloud.sandbox.google.project import Project
from polycloud.sandbox.google.signatures import ServiceAccount
from polycloud.sandbox.google.words import refusal
from polycloud.sandbox.google.xmlapi import handle_xml
from polycloud.sandbox.objects.cloud import ObjectCloud
from polycloud.sandbox.objects.content import Content
from polycloud.sandbox.objects.http import Refusal, Reply, Request
from polycloud.sandbox.reasons import reason
from polycloud.sandbox.rest.bodies import Query

_BUCKETS = "/storage/v1/b"
_BUCKET = f"{_BUCKETS}/([^/]+)"
_OBJECT = f"{_BUCKET}/o/([^/]+)"
_TARGET = "b/([^/]+)/o/([^/]+)"
_MOST_CALLS = 100

Handler = Callable[..., Reply]
_ROUTES: tuple[tuple[str, dict[str, Handler]], ...] = (
    (_BUCKETS, {"GET": buckets.list_all, "POST": buckets.insert}),
    (
        _BUCKET,
        {"GET": buckets.get, "PATCH": buckets.patch, "PUT": buckets.patch, "DELETE": buckets.delete},
    ),
    (f"{_BUCKET}/iam", {"GET": access.show_policy, "PUT": access.set_policy}),
    (f"{_BUCKET}/o", {"GET": objects.list_all}),
    (f"{_OBJECT}/acl", {"GET": access.show_list, "POST": access.add_row}),
    (f"{_OBJECT}/acl/([^/]+)", {"DELETE": access.delete_row}),
    (
        _OBJECT,
        {"GET": objects.get, "PATCH": objects.patch, "PUT": objects.patch, "DELETE": objects.delete},
    ),
    (f"/download{_OBJECT}", {"GET": objects.get}),
    (f"{_OBJECT}/rewriteTo/{_TARGET}", {"POST": objects.rewrite}),
    (f"{_OBJECT}/copyTo/{_TARGET}", {"POST": objects.copy}),
    (f"{_OBJECT}/compose", {"POST": objects.compose}),
    (
        f"(?:/resumable)?/upload{_BUCKET}/o",
        {"POST": uploads.insert, "PUT": uploads.resume, "DELETE": uploads.cancel},
    ),
)


@dataclass(frozen=True, kw_only=True)
class GoogleSettings(Settings):
    """The settings of Google's Cloud Storage.

    Attributes:
        project: the project's id.
        token_lifetime: seconds until a token expires.
        largest_page: the most objects or buckets in one list.
    """

    project: str = "sandbox-project"
    token_lifetime: float = 3600.0
    largest_page: int = 1000


class GoogleStorage(ObjectCloud):
    """The cloud: one project with a service account, whose key the sandbox makes when it starts."""

    settings_type: ClassVar[type[Settings]] = GoogleSettings

    def __init__(self, settings: GoogleSettings, *more: Any) -> None:
        for module, package in (("cryptography", "cryptography"), ("google_crc32c", "google-crc32c")):
            if find_spec(module) is None:
                text = f"the sandbox's Google Storage needs {package}: pip install 'polycloud[google]'"
                raise ImportError(text, name=module)
        self._account = ServiceAccount(settings.project, settings.token_lifetime)
        super().__init__(settings, *more)
        self.listen("127.0.0.1", 0)

    def listen(self, host: str, port: int) -> None:
        """Make the key, which names the address of the token endpoint."""
        self.credentials = (self._account.email, self._account.key(f"http://{host}:{port}/token"))

    def options(self, host: str, port: int) -> dict[str, Any]:
        """Return a driver's keyword arguments."""
        return {"project": self.settings.project, **super().options(host, port)}

    def clear(self) -> None:
        """Delete all buckets and tokens."""
        self._project = Project(self.settings, lambda: self.now, self._account.email)
        self._account.tokens.clear()

    def handle(self, request: Request) -> Reply:
        """Respond to one request."""
        self._project.root = request.root
        if request.path == "/token" and request.method == "POST":
            return self._account.issue(request, self.now)
        if request.path.startswith("/batch/"):
            return self._batch(request)
        for pattern, verbs in _ROUTES:
            found = re.fullmatch(pattern, request.path)
            if found:
                return self._call(request, verbs, [unquote(one) for one in found.groups()])
        if request.path.startswith(("/storage/", "/upload/", "/download/", "/resumable/")):
            raise refusal(404, "notFound", "Not Found")
        return handle_xml(self._project, self._account, request)

    def _call(self, request: Request, verbs: dict[str, Handler], names: list[str]) -> Reply:
        handler = verbs.get("GET" if request.method == "HEAD" else request.method)
        if handler is None:
            raise refusal(405, "methodNotAllowed", "Method Not Allowed")
        # The address of an upload's session permits what is done there.
        is_session = handler in {uploads.resume, uploads.cancel}
        is_known = is_session or self._account.may(request, self.now, is_read=request.is_read)
        if not is_known and not (handler is objects.get and self._is_public(*names)):
            what = "storage.objects.get" if handler is objects.get else "storage.buckets.list"
            text = f"Anonymous caller does not have {what} access to the Google Cloud Storage resource."
            raise refusal(401, "required", text, locationType="header", location="Authorization")
        return handler(self._project, request, *names)

    def _is_public(self, bucket: str, name: str) -> bool:
        """Return whether everybody may read an object."""
        container = self._project.buckets.get(bucket)
        return access.is_public(container, container.objects.get(name) if container else None)

    def _batch(self, request: Request) -> Reply:
        """Respond to several requests, which the parts of one body are."""
        head = f"Content-Type: {request.headers.get('content-type', '')}\r\n\r\n"
        parts: Any = BytesParser().parsebytes(head.encode("latin-1") + request.body).get_payload()
        if not isinstance(parts, list):
            raise refusal(400, "badRequest", "The batch request has no parts.")
        if len(parts) > _MOST_CALLS:
            raise refusal(400, "batchSizeTooLarge", f"The batch request exceeds {_MOST_CALLS} calls.")
        boundary, body = "batch_of_responses", b""
        for part in parts:
            reply = self._one_of(request, part.get_payload(decode=True))
            data = reply.body if isinstance(reply.body, bytes) else reply.body.read()
            key = str(part.get("content-id", "")).strip("<>")
            headers = {"content-length": str(len(data)), **reply.headers}
            lines = [f"--{boundary}", "Content-Type: application/http", f"Content-ID: <response-{key}>", ""]
            lines += [f"HTTP/1.1 {reply.status} {reason(reply.status)}"]
            lines += [f"{name}: {value}" for name, value in headers.items()]
            body += "\r\n".join([*lines, "", ""]).encode("latin-1") + data + b"\r\n"
        kind = {"content-type": f"multipart/mixed; boundary={boundary}"}
        return Reply(200, kind, body + f"--{boundary}--\r\n".encode())

    def _one_of(self, batch: Request, raw: bytes) -> Reply:
        """Respond to one request of several, which has the token of all unless it has one of its own."""
        line, _, rest = raw.lstrip().partition(b"\n")
        given = BytesParser().parsebytes(rest)
        method, target, *_ = [*line.decode("latin-1").split(" "), "", ""]
        path, _, query = re.sub("^https?://[^/]+", "", target).partition("?")
        shared = {name: batch.headers[name] for name in ("authorization",) if name in batch.headers}
        one = replace(
            batch,
            method=method,
            path=path,
            query=Query.parse(query.encode()),
            headers={**shared, **{name.lower(): value for name, value in given.items()}},
            content=Content.of(bytes(given.get_payload(decode=True))),
        )
        try:
            return self.handle(one)
        except Refusal as refused:
            return refused.reply

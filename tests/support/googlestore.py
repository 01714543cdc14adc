"""A small Google storage for tests of the protocol, by Google's documents: uploads, sessions and one object.

A session keeps what arrives in multiples of 256 KiB, says how far it is, and verifies what it is given.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from typing import Any, cast
from urllib.parse import unquote

from support.web import Answer, Respond, Seen, Web, serve

QUANTUM = 256 * 1024
SPAN = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")


def md5_of(content: bytes) -> str:
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


@dataclass
class Session:
    """A resumable upload; `most` is how many bytes of a request it keeps."""

    resource: dict[str, Any]
    query: dict[str, list[str]]
    content: bytes = b""
    most: int = 1 << 62
    state: str = "open"


@dataclass
class Store:
    """The objects of the bucket "b", and the sessions; `before` may answer in the place of the store."""

    objects: dict[str, tuple[dict[str, Any], bytes]] = field(default_factory=dict)
    sessions: list[Session] = field(default_factory=list)
    before: Respond = lambda _: None
    after: Callable[[Seen, Answer], Answer | None] = lambda _, answer: answer
    web: Web = field(default_factory=lambda: Web("", 0, []))
    generation: int = 1_700_000_000_000_000

    @property
    def seen(self) -> list[Seen]:
        return self.web.seen

    def respond(self, seen: Seen) -> Answer | None:
        answer = self.before(seen) or self._answer(seen)
        return self.after(seen, answer)

    def _answer(self, seen: Seen) -> Answer:
        if seen.path == "/upload/storage/v1/b/b/o":
            return self._upload(seen)
        if seen.path.startswith("/storage/v1/b/b/o/"):
            return self._object(seen, unquote(seen.path.removeprefix("/storage/v1/b/b/o/")))
        return Answer(200, {"kind": "storage#bucket", "name": "b"})

    def _upload(self, seen: Seen) -> Answer:
        if "upload_id" in seen.query:
            return self._session(seen, self.sessions[int(seen.query["upload_id"][0])])
        if seen.query["uploadType"] == ["resumable"]:
            self.sessions.append(Session(json.loads(seen.body), seen.query))
            place = f"https://elsewhere.example.com/upload?upload_id={len(self.sessions) - 1}"
            return Answer(200, b"", {"Location": place})
        head = f"Content-Type: {seen.headers['Content-Type']}\r\n\r\n".encode()
        first, second = cast("list[Message]", message_from_bytes(head + seen.body).get_payload())
        resource = json.loads(cast("str", first.get_payload()))
        content = seen.body.partition(b"\r\n\r\n")[2].partition(b"\r\n\r\n")[2].rpartition(b"\r\n--")[0]
        assert second.get_content_type() == resource["contentType"]
        return self._keep(resource, content, seen.query)

    def _session(self, seen: Seen, session: Session) -> Answer:
        if seen.method == "DELETE":
            session.state = "cancelled"
            return Answer(499)
        if session.state == "cancelled":
            return Answer(499, {"error": {"code": 499, "message": "cancelled"}})
        if session.state == "complete":
            return Answer(200, self.objects[session.resource["name"]][0])
        found = SPAN.fullmatch(seen.headers["Content-Range"])
        assert found is not None
        start, _, total = found.groups()
        if start is not None:
            fresh = seen.body[len(session.content) - int(start) :][: session.most]
            last = total != "*" and len(session.content) + len(fresh) == int(total)
            session.content += fresh if last else fresh[: len(fresh) // QUANTUM * QUANTUM]
        if total != "*" and int(total) == len(session.content):
            wanted = dict(one.split("=", 1) for one in seen.headers.get("X-Goog-Hash", "").split(",") if one)
            if wanted.get("md5", md5_of(session.content)) != md5_of(session.content):
                return self._wrong(session.content)
            session.state = "complete"
            return self._keep(session.resource, session.content, session.query)
        has = {"Range": f"bytes=0-{len(session.content) - 1}"} if session.content else {}
        return Answer(308, b"", has)

    def _wrong(self, content: bytes) -> Answer:
        message = f'Provided MD5 hash "x" doesn\'t match calculated MD5 hash "{md5_of(content)}".'
        return Answer(400, {"error": {"code": 400, "message": message}})

    def _keep(self, resource: dict[str, Any], content: bytes, query: dict[str, list[str]]) -> Answer:
        if resource.get("md5Hash", md5_of(content)) != md5_of(content):
            return self._wrong(content)
        name = resource["name"]
        condition = query.get("ifGenerationMatch")
        current = self.objects[name][0]["generation"] if name in self.objects else "0"
        if condition and condition != [current]:
            message = "At least one of the pre-conditions you specified did not hold."
            return Answer(412, {"error": {"code": 412, "message": message}})
        self.generation += 1
        made = {
            "kind": "storage#object",
            **resource,
            "bucket": "b",
            "size": str(len(content)),
            "md5Hash": md5_of(content),
            "generation": str(self.generation),
            "etag": "CJ",
            "updated": "2026-01-02T03:04:05.678Z",
        }
        self.objects[name] = made, content
        return Answer(200, made)

    def _object(self, seen: Seen, name: str) -> Answer:
        found = self.objects.get(name)
        wanted = seen.query.get("generation", seen.query.get("ifGenerationMatch"))
        if found is None or (wanted and wanted != [found[0]["generation"]]):
            message = f"No such object: b/{name}"
            return Answer(404, {"error": {"code": 404, "message": message}})
        resource, content = found
        if seen.method == "DELETE":
            del self.objects[name]
            return Answer(204)
        if seen.query.get("alt") != ["media"]:
            return Answer(200, resource)
        headers = {"x-goog-generation": resource["generation"]}
        if resource.get("contentEncoding"):
            headers["Content-Encoding"] = resource["contentEncoding"]
        if "Range" in seen.headers:
            start, _, end = seen.headers["Range"].removeprefix("bytes=").partition("-")
            part = content[int(start) : int(end) + 1 if end else None]
            headers["Content-Range"] = f"bytes {start}-{int(start) + len(part) - 1}/{len(content)}"
            return Answer(206, part, headers)
        return Answer(200, content, headers)


@contextmanager
def store() -> Iterator[Store]:
    """Run a storage with an empty bucket "b" until the block ends."""
    state = Store()
    with serve(state.respond) as web:
        state.web = web
        yield state

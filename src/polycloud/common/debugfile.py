"""The file of `POLYCLOUD_DEBUG`: each exchange as a curl command, and as a record that can be replayed.

An entry is a comment that sums it up, the command, and a line that begins with `#: ` and holds the exchange
as JSON. In commands `$POLYCLOUD_SECRET` stands in the place of a secret.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from polycloud.common.recording import REDACTED
from polycloud.common.trace import Trace

__all__ = ["RECORD", "write"]

RECORD = "#: "
"""How the line of an entry begins that holds the exchange."""
SECRET = "'\"$POLYCLOUD_SECRET\"'"  # noqa: S105 - a shell variable
PATH_SAFE = "/%:=&?~+!$,;'@()*[]-._"
UNWANTED = frozenset({"accept-encoding", "content-length"})


def write(file: str, trace: Trace) -> None:
    """Append an entry to a file, which only its owner can read where it is new. Raises `OSError`."""
    entry = "\n".join([*_entry(trace), "", ""]).encode()
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, entry)  # at once, so that threads and processes do not mix theirs
    finally:
        os.close(descriptor)


def _entry(trace: Trace) -> Iterator[str]:
    when = datetime.fromtimestamp(trace.began_at, UTC).isoformat(timespec="milliseconds")
    what = f"{trace.provider} {trace.operation or 'request'}, attempt {trace.attempt}"
    ended = trace.status or f"{trace.error}: {trace.failure}".replace("\n", " ")
    named = f", request {trace.request_id}" if trace.request_id else ""
    yield f"# {when} {what}: {ended} in {trace.ms:.0f} ms{named}"
    yield _command(trace)
    if trace.response is not None and not trace.streamed:
        exchange = {"request": {**trace.request, "headers": {}}, "response": trace.response}
        yield RECORD + msgspec.json.encode(exchange).decode()


def _command(trace: Trace) -> str:
    sent = trace.request
    query = urlencode(sent["query"], doseq=True)
    url = trace.origin + quote(sent["path"], safe=PATH_SAFE) + (f"?{query}" if query else "")
    head = ["-I"] if trace.method == "HEAD" else ["-X", trace.method]
    words = ["curl", "-sS", "--compressed", *head, _quoted(url)]
    for name, value in trace.request["headers"].items():
        if name.lower() not in UNWANTED:
            words += ["-H", _quoted(f"{name}: {value}")]
    return " ".join([*words, *_body(trace)])


def _body(trace: Trace) -> list[str]:
    sent: dict[str, Any] = trace.request
    if trace.streamed:
        return ["--data-binary", "@FILE", "# the body was a stream"]
    if "base64" in sent:
        return ["--data-binary", f"@<(base64 -d <<< {base64.b64encode(sent['base64']).decode()})"]
    text = sent.get("text")
    if "form" in sent:
        text = urlencode(sent["form"], doseq=True)
    elif sent.get("body") is not None:
        text = json.dumps(sent["body"], ensure_ascii=False)
    return [] if text is None else ["--data-raw", _quoted(text)]


def _quoted(text: str) -> str:
    """`text` as one word of a shell, with a variable for each secret."""
    return "'" + text.replace("'", "'\"'\"'").replace(REDACTED, SECRET) + "'"

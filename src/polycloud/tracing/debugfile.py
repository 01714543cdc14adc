"""The file of `POLYCLOUD_DEBUG`: each exchange as a curl command and as a record that can be replayed.

An entry is a comment that summarises it, the command for bash on one line, and a line that begins with `#: `
and holds the exchange as JSON. Commands have `$POLYCLOUD_SECRET` instead of a secret.
"""

from __future__ import annotations

import base64
import json
import os
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from polycloud.tracing.redaction import REDACTED
from polycloud.tracing.trace import Trace

__all__ = ["RECORD", "write"]

RECORD = "#: "
"""The start of the line that holds the exchange."""
SECRET = '"$POLYCLOUD_SECRET"'  # noqa: S105 - a shell variable
WITH_BODY = {"POST", "PUT", "PATCH"}
ARGUMENT_LIMIT = 100_000
"""The longest body, in characters, that is passed as an argument: systems limit their length."""


def write(file: str, trace: Trace) -> None:
    """Append an entry to a file; a new file is readable by its owner only. Raises `OSError`."""
    entry = "\n".join([*_entry(trace), "", ""]).encode(errors="replace")
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, entry)  # in one call, so that entries of threads and processes do not mix
    finally:
        os.close(descriptor)


def _entry(trace: Trace) -> Iterator[str]:
    when = datetime.fromtimestamp(trace.began_at, UTC).isoformat(timespec="milliseconds")
    call = f"{trace.provider} {trace.operation or 'request'}, attempt {trace.attempt}"
    ended = trace.status or f"{trace.error}: {trace.failure}"
    named = f", request {trace.request_id}" if trace.request_id else ""
    yield " ".join(f"# {when} {call}: {ended} in {trace.ms:.0f} ms{named}".split())
    yield " ".join(_command(trace))
    if trace.response is not None and trace.body is not None:
        exchange = msgspec.to_builtins({"request": trace.request, "response": trace.response})
        yield RECORD + json.dumps(exchange, ensure_ascii=False)


def _command(trace: Trace) -> Iterator[str]:
    has_body = trace.body != b"" or trace.method in WITH_BODY
    yield "curl -sS --globoff --compressed"
    yield "-I" if trace.method == "HEAD" else f"-X {trace.method}"
    yield _word(trace.url)
    for name, value in trace.headers.items():
        if name.lower() != "content-length":
            yield f"-H {_word(f'{name}: {value}' if value else f'{name};')}"
    if has_body and "content-type" not in map(str.lower, trace.headers):
        yield "-H Content-Type:"  # curl would call it a form
    if has_body:
        yield _data(trace.body)


def _data(body: bytes | None) -> str:
    if body is None:
        return "--data-binary @FILE # the body was a stream"
    text = body.decode(errors="replace")
    if text.encode() != body or "\0" in text:  # which no word of a shell can hold
        return f"--data-binary @<(base64 -d <<< {base64.b64encode(body).decode()})"
    word = _word(text)
    return f"--data-raw {word}" if len(word) < ARGUMENT_LIMIT else f"--data-binary @<(printf %s {word})"


def _word(text: str) -> str:
    """`text` as one word of bash on one line, with a variable for each secret."""
    return SECRET.join(map(_quoted, text.split(REDACTED))) if text else "''"


def _quoted(text: str) -> str:
    if text.isprintable():
        return shlex.quote(text) if text else ""
    return "$'" + "".join(map(_escaped, text)) + "'"


def _escaped(character: str) -> str:
    if character in "\\'":
        return f"\\{character}"
    if character.isprintable():
        return character
    return "".join(f"\\x{byte:02x}" for byte in character.encode(errors="replace"))

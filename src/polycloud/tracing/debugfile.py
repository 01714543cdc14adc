"""The file of `POLYCLOUD_DEBUG`: each exchange as a curl command and as a record that can be replayed.

An entry is a comment that summarises it, the command for bash on one line, and a line that begins with `#: `
and holds the exchange as JSON. Commands have `$POLYCLOUD_SECRET` instead of a secret. Control characters are
escaped, so that the file may be shown at a terminal. `-` stands for stderr.
"""

from __future__ import annotations

import base64
import json
import os
import shlex
import stat
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from polycloud.errors import InvalidArgumentError, printable
from polycloud.tracing.redaction import REDACTED
from polycloud.tracing.trace import Trace

__all__ = ["RECORD", "entry", "require_writable", "write"]

RECORD = "#: "
"""The start of the line that holds the exchange."""
SECRET = '"$POLYCLOUD_SECRET"'  # noqa: S105 - a shell variable
WITH_BODY = {"POST", "PUT", "PATCH"}
ARGUMENT_LIMIT = 100_000
"""The longest body, in characters, that is passed as an argument: systems limit their length."""


STDERR = "-"
SWITCHES = {"0", "1", "true", "false", "yes", "no", "on", "off"}
"""Values that are meant as a switch, and would make a file of that name."""


def require_writable(file: str) -> None:
    """Raise `InvalidArgumentError` unless entries can be written to `file`, which is made if missing."""
    if file != STDERR:
        os.close(_opened(file))


def write(file: str, trace: Trace) -> None:
    """Append an entry to a file; a new file is readable by its owner only.

    Raises `InvalidArgumentError` for what is no file to write to, and `OSError` where the writing fails.
    """
    text = entry(trace)
    if file == STDERR:
        sys.stderr.write(text.encode(sys.stderr.encoding or "ascii", "backslashreplace").decode("latin-1"))
        return
    descriptor = _opened(file)
    try:
        # in one call, so that entries of threads and processes do not mix
        os.write(descriptor, text.encode(errors="replace"))
    finally:
        os.close(descriptor)


def _opened(file: str) -> int:
    """Open a regular file to append to it. A FIFO without a reader, which would block, is refused too."""
    wanted = f"POLYCLOUD_DEBUG must name a file such as debug.log, or {STDERR} for stderr"
    if file.strip().lower() in SWITCHES:
        raise InvalidArgumentError(f"{wanted}; got {file!r}")
    try:
        descriptor = os.open(
            file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NONBLOCK", 0), 0o600
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InvalidArgumentError(f"{wanted}; {file!r} cannot be written: {reason}") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InvalidArgumentError(f"{wanted}; {file!r} is no regular file")
    return descriptor


def entry(trace: Trace) -> str:
    """Return the entry for a trace."""
    return "\n".join([*_lines(trace), "", ""])


def _lines(trace: Trace) -> Iterator[str]:
    when = datetime.fromtimestamp(trace.began_at, UTC).isoformat(timespec="milliseconds")
    call = f"{trace.provider} {trace.operation or 'request'}, attempt {trace.attempt}"
    ended = trace.status or f"{trace.error}: {trace.failure}"
    named = f", request {trace.request_id}" if trace.request_id else ""
    yield printable(" ".join(f"# {when} {call}: {ended} in {trace.ms:.0f} ms{named}".split()))
    yield " ".join(_command(trace))
    if trace.response is not None and trace.body is not None:
        exchange = msgspec.to_builtins({"request": trace.request, "response": trace.response})
        yield RECORD + "".join(map(_json_escaped, json.dumps(exchange, ensure_ascii=False)))


def _command(trace: Trace) -> Iterator[str]:
    has_body = trace.body != b"" or trace.method in WITH_BODY
    yield "curl -sS --globoff --compressed"
    yield "-I" if trace.method == "HEAD" else f"-X {_word(trace.method)}"
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


def _json_escaped(character: str) -> str:
    return character if character.isprintable() else json.dumps(character)[1:-1]


def _escaped(character: str) -> str:
    if character in "\\'":
        return f"\\{character}"
    if character.isprintable():
        return character
    return "".join(f"\\x{byte:02x}" for byte in character.encode(errors="replace"))

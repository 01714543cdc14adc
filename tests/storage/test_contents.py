from __future__ import annotations

import io
import zlib
from hashlib import md5
from pathlib import Path

import pytest

from polycloud.errors import PolycloudError
from polycloud.storage.contents import FilePart, body_of, bytes_of, crc32_of, md5_of

WHOLE = bytes(range(256)) * 4096


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(WHOLE)
    return path


def test_a_part_of_a_file(file: Path) -> None:
    """A part of a file is what bytes of the same content are: in length, checksums and as a body."""
    with file.open("rb") as opened:
        part, content = FilePart(opened.fileno(), 1000, 700_000), WHOLE[1000:701_000]
        for one in (part, content):
            assert len(one) == 700_000
            assert md5_of(one).hexdigest() == md5(content, usedforsecurity=False).hexdigest()
            assert crc32_of(one) == zlib.crc32(content)
            assert bytes_of(one) == content
            body = body_of(one)
            assert body.read(10) == content[:10]
            assert (body.tell(), body.seekable()) == (10, True)
            body.seek(0)
            assert body.read() == content
            assert body.read() == b""


def test_a_part_beyond_the_end(file: Path) -> None:
    """A part that the file does not have any more raises an error, and positions count from the beginning."""
    with file.open("rb") as opened:
        part = FilePart(opened.fileno(), len(WHOLE) - 5, 10)
        assert part.read(5) == WHOLE[-5:]
        with pytest.raises(PolycloudError, match="the file became shorter while it was read"):
            part.read(5)
        with pytest.raises(io.UnsupportedOperation):
            part.seek(0, io.SEEK_END)

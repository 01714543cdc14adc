from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycloud.errors import MalformedResponseError
from polycloud.http.decoding import EMPTY_MEMBERS, Decoder
from polycloud.http.messages import CHUNK


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACKERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "members": (
        "x-gzip",
        lambda data: gzip.compress(data[:9]) + gzip.compress(b"") + gzip.compress(data[9:]),
    ),
    "padded": ("GZIP", lambda data: gzip.compress(data) + b"\0" * 20),
    "zlib": ("deflate", zlib.compress),
    "raw": ("deflate", raw_deflate),
    "both": ("deflate, gzip", lambda data: gzip.compress(zlib.compress(data))),
    "both, the other way": ("gzip, deflate", lambda data: zlib.compress(gzip.compress(data))),
    "unknown": ("aws-chunked", bytes),
}


def decoded(coding: str, pieces: list[bytes]) -> bytes:
    decoder = Decoder(coding)
    data = b"".join(part for piece in pieces for part in decoder.decode(piece))
    decoder.finish()
    return data


@given(
    data=st.binary(max_size=200), kind=st.sampled_from(list(PACKERS)), places=st.lists(st.integers(0, 300))
)
def test_any_split_decodes_to_the_same(data: bytes, kind: str, places: list[int]) -> None:
    """Each coding, and one upon another, decodes to what was packed, however it is cut into pieces."""
    coding, pack = PACKERS[kind]
    packed = pack(data)
    ends = sorted({place % (len(packed) + 1) for place in places})
    pieces = [packed[start:end] for start, end in zip([0, *ends], [*ends, len(packed)], strict=True)]
    assert decoded(coding, pieces) == data


@pytest.mark.parametrize("kind", list(PACKERS))
def test_pieces_are_small(kind: str) -> None:
    """What a few bytes decode to comes in pieces of a bounded size, and completely."""
    coding, pack = PACKERS[kind]
    data = b"\0" * 3_000_000
    pieces = list(Decoder(coding).decode(pack(data)))
    assert sum(map(len, pieces)) == len(data)
    assert kind == "unknown" or max(map(len, pieces)) <= CHUNK


def test_nothing_takes_many_steps() -> None:
    """What decodes to nothing takes a step for each few bytes in between: who reads it may stop."""
    name = b"\x1f\x8b\x08\x08" + bytes(6) + b"x" * 3_000_000
    pieces = list(Decoder("gzip, gzip").decode(gzip.compress(name)))
    assert len(pieces) >= len(name) // CHUNK
    assert not any(pieces)


PACKED = gzip.compress(b"abc", mtime=0)


@pytest.mark.parametrize(
    ("coding", "data"),
    [
        ("gzip", b"not gzip"),
        ("gzip", PACKED[:-1]),
        ("gzip", PACKED + b"more"),
        ("gzip", PACKED[:-8] + b"\0" * 8),
        ("deflate", b"\xff\xff\xff\xff"),
        ("deflate", zlib.compress(b"abc")[:-1]),
        ("deflate", b"\x78"),
        ("deflate", zlib.compress(b"abc") + b"more"),
        ("gzip", gzip.compress(b"", mtime=0) * (EMPTY_MEMBERS + 2)),
        ("gzip, gzip, gzip", b""),
    ],
)
def test_broken_bodies(coding: str, data: bytes) -> None:
    """A body that is not what its coding says, ends early or has too many layers is refused."""
    with pytest.raises(MalformedResponseError):
        decoded(coding, [data])


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_no_body(coding: str) -> None:
    """No bytes at all are an empty body in any coding."""
    assert decoded(coding, []) == b""

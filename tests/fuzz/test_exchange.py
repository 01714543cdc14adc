from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycloud.testing.exchange import Exchange, FixtureError, read_exchange
from polycloud.testing.loopback import Answer
from support.fuzz import mutated, outcome, scrambled

FILE = {
    "request": {
        "method": "POST",
        "path": "/a/{{id}}",
        "query": {"p": ["1", "2"]},
        "form": {"name": "{{name}}"},
    },
    "response": {
        "status": 200,
        "headers": {"X-A": "b"},
        "body": {"id": 1, "name": "{{name}}", "base64": "YQ=="},
    },
}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fixtures") / "exchange.json"


@given(data=mutated(FILE) | scrambled(json.dumps(FILE, indent=1).encode()) | st.binary(max_size=40))
def test_file(file: Path, data: bytes) -> None:
    """A file is an exchange that can be replayed, or a `FixtureError` that begins with its name."""
    file.write_bytes(data)
    read = outcome(lambda: read_exchange(file), FixtureError)
    assert isinstance(read, Exchange | FixtureError)
    if isinstance(read, Exchange):
        assert isinstance(read.response.with_texts(str.upper).answer(), Answer)
    else:
        assert str(read).startswith(f"{file}:")


@pytest.mark.parametrize(
    "odd", [b"[" * 100_000, b'{"request":' * 50_000, b"9" * 5000, b'"\\ud800"', b"NaN", b"1e999"]
)
def test_odd_file(file: Path, odd: bytes) -> None:
    """What JSON can hold and an exchange cannot is a `FixtureError`."""
    for data in (odd, b'{"request": {"method": "GET", "path": "/"}, "response": {"status": %s}}' % odd):
        file.write_bytes(data)
        assert isinstance(outcome(lambda: read_exchange(file), FixtureError), FixtureError)

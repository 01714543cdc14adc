"""Metadata as headers."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycloud import security
from polycloud.errors import InvalidArgumentError
from polycloud.storage.drivers.dummy import DummyStorageDriver
from polycloud.storage.drivers.local import LocalStorageDriver
from polycloud.storage.metadata import metadata_headers, metadata_of


@given(st.dictionaries(st.sampled_from("abc"), st.text(st.characters(exclude_categories=("C", "Z")))))
def test_any_text(meta_data: dict[str, str]) -> None:
    """Metadata comes back from its headers, which are ASCII."""
    headers = metadata_headers("x-meta-", meta_data)
    assert all(text.isascii() for text in headers.values())
    assert metadata_of("x-meta-", {**headers, "etag": "x"}) == meta_data


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ("=?UTF-8?B?csOpc3Vtw6k=?=", "résumé"),
        ("=?UTF-8?Q?r=C3=A9sum=C3=A9?=", "résumé"),
        ("=?iso-8859-1?Q?r=E9sum=E9?=", "résumé"),
        ("=?no-such-charset?B?csOp?=", "=?no-such-charset?B?csOp?="),
        ("=?utf-8?B?w?=", "=?utf-8?B?w?="),
        ("a =? b", "a =? b"),
    ],
)
def test_words_of_others(sent: str, text: str) -> None:
    """Encoded words as other programs and S3 itself write them are read; what only looks like one stays."""
    assert metadata_of("x-meta-", {"x-meta-a": sent}) == {"a": text}


def test_unknown_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown key of `extra` is refused, but in a program written for Libcloud it gets a warning."""
    driver = DummyStorageDriver("key", "secret")
    container = driver.create_container("container")
    with pytest.raises(InvalidArgumentError, match="extra has no key 'own'"):
        driver.upload_object_via_stream(b"x", container, "a", {"own": "value"})
    monkeypatch.setattr(security, "WARN_LIKE_LIBCLOUD", True)
    with pytest.warns(RuntimeWarning, match="extra has no key 'own'"):
        made = driver.upload_object_via_stream(b"x", container, "a", {"own": "value"})
    assert made.extra["own"] == "value"


def test_guessed_content_types(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An upload returns the content type that was guessed, but not in a program written for Libcloud."""
    for driver in (DummyStorageDriver("key", "secret"), LocalStorageDriver(str(tmp_path))):
        container = driver.create_container("container")
        for like_libcloud, guessed in ((False, "text/plain"), (True, None)):
            monkeypatch.setattr(security, "WARN_LIKE_LIBCLOUD", like_libcloud)
            made = container.upload_object_via_stream(b"x", "a.txt")
            assert made.extra.get("content_type") == guessed
            told = container.upload_object_via_stream(b"x", "a.txt", {"content_type": "text/html"})
            assert told.extra["content_type"] == "text/html"
        sent = container.upload_object_via_stream(b"x", "a.txt", headers={"content-type": "text/css"})
        assert sent.extra["content_type"] == "text/css"

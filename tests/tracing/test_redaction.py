from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from polycloud.tracing.redaction import Redaction

SHORT = Redaction(["admin", "demo"])


@pytest.mark.parametrize(
    "text",
    [
        "the administrator is not an admins' friend",
        "a demonstration of democracy",
        '{"admin_state_up": true, "adminPass_": 1}',
        "Sysadmin",
    ],
)
def test_short_words_in_longer_ones(text: str) -> None:
    """A short secret of letters is left where it is a part of a longer word or identifier."""
    assert SHORT.known(text) == text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("https://me:admin@host/", "https://me:REDACTED@host/"),
        ("/v1/admin/x?a=admin&b=1", "/v1/REDACTED/x?a=REDACTED&b=1"),
        ("X-Login: admin", "X-Login: REDACTED"),
        ('{"a": "admin", "b": ["admin"]}', '{"a": "REDACTED", "b": ["REDACTED"]}'),
        ("'admin' <a>admin</a> &quot;admin&quot;", "'REDACTED' <a>REDACTED</a> &quot;REDACTED&quot;"),
        ("admin1 2admin admin-admin.", "REDACTED1 2REDACTED REDACTED-REDACTED."),
        ("a%3Dadmin%26b", "a%3DREDACTED%26b"),
        ("a%2525252525253dadmin", "a%2525252525253dREDACTED"),
        (r"\x3dadmin \u003Dadmin \nadmin \vadmin", r"\x3dREDACTED \u003DREDACTED \nREDACTED \vREDACTED"),
        ("\x1b[31madmin\x1b[0m \x1b[mdemo", "\x1b[31mREDACTED\x1b[0m \x1b[mREDACTED"),
        ("%61dmin &#97;dmin", "REDACTED REDACTED"),
        ("&#6;admin", "&#6;REDACTED"),  # a character that HTML does not have
    ],
)
def test_short_secrets_as_words(text: str, left: str) -> None:
    """A short secret of letters is replaced as a whole word in URLs, headers, JSON, quotes and escapes."""
    assert SHORT.known(text) == left


@pytest.mark.parametrize("layers", range(4))
def test_short_secrets_in_layers(layers: int) -> None:
    """A short secret is found in layers of JSON and percent encoding."""
    text = json.dumps({"a": "admin"})
    for _ in range(layers):
        text = quote(json.dumps({"in": text}))
    assert "admin" not in SHORT.known(text)


def test_other_secrets_anywhere() -> None:
    """Secrets that are longer, or not of letters only, are replaced within longer words too."""
    redaction = Redaction(["password", "ab1c"])
    assert redaction.known("mypasswords xab1cx") == "myREDACTEDs xREDACTEDx"


def test_short_secrets_in_binary_data() -> None:
    """In binary data, where a length may be a letter, a short secret is replaced anywhere."""
    assert SHORT.body(b"\xff\x00eadmin", form=False) == b"\xff\x00eREDACTED"

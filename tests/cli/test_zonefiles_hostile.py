from __future__ import annotations

import pytest

from polycloud.cli.zonefiles import FileFormat, text_of
from polycloud.dns.drivers.dummy import DummyDNSDriver
from polycloud.dns.types import RecordType

ODD = "\x1b]0;x\x07\u009b31m\u202e"


@pytest.mark.parametrize("form", FileFormat)
def test_exports_show_every_character(form: FileFormat) -> None:
    """A zone's file has no control character and none that is invisible, whatever its records hold."""
    driver = DummyDNSDriver("key")
    zone = driver.create_zone("example.org")
    driver.create_record("a", zone, RecordType.TXT, f'"{ODD}"')
    text = text_of(zone, form)
    assert "31m" in text
    assert [char for char in text if not char.isprintable() and char != "\n"] == []

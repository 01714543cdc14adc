from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from polycloud.dns.lines import ZoneFileError
from polycloud.dns.octoyaml import from_octodns
from polycloud.dns.wanted import WantedZone
from polycloud.dns.zonefile import from_bind
from support.fuzz import ODD_TEXTS, outcome, scrambled

ZONE_FILE = rb"""$ORIGIN example.org.
$TTL 1h
@ IN SOA ns1 admin ( 1 2h ; serial
  3 4 5 )
  NS ns1 ; lenient
ns1 300 A 192.0.2.1
; @ 300 IN ALIAS x.example.net.
; old IN URL "https://example.net/ \"x\""
t TXT "a\; \200" b
$GENERATE 1-3 h-${0,2,d} AAAA 2001:db8::$
c HTTPS 1 . alpn="h2,h3" port=1
l LOC 52 22 23.000 N 4 53 32.000 E -2.00m
u TYPE65534 \# 2 0102
"""
YAML = rb"""---
? ''
: - type: MX
    values: [{exchange: mx., preference: 10}]
  - octodns: {lenient: true, excluded: [a]}
    ttl: 60
    type: TXT
    value: "a\\; b"
www: &one {type: A, value: 192.0.2.1}
other: {<<: *one, ttl: 5}
s: {type: HTTPS, value: {svcpriority: 1, targetname: x., svcparams: {alpn: [h2], port: 1}}}
n: {type: NAPTR, value: {order: 1, preference: 2, flags: U, service: s, regexp: '!a!b!', replacement: .}}
"""


def check(read: Callable[..., WantedZone], text: str) -> None:
    found = outcome(lambda: read(text, "example.org"), ZoneFileError)
    lines = [found.line] if isinstance(found, ZoneFileError) else [int(one.where[5:]) for one in found]
    assert all(1 <= line <= text.count("\n") + 1 for line in lines)


def texts(whole: bytes) -> st.SearchStrategy[str]:
    near = scrambled(whole).map(lambda data: data.decode("utf-8", "surrogateescape"))
    lines = st.lists(st.sampled_from(whole.decode().splitlines()), max_size=8).map("\n".join)
    return near | lines | st.sampled_from(ODD_TEXTS)


@given(texts(ZONE_FILE))
@example("$TTL 99999999999999999999\n")
@example("$TTL 5\n$GENERATE 1-2 ${0,99999999,d} A 192.0.2.1\n")
def test_zone_files(text: str) -> None:
    """Any text is a zone file, or a `ZoneFileError` with a line of it."""
    check(from_bind, text)


@given(texts(YAML))
@example("[" * 100_000)
@example("a: &a [*a]\n")
def test_files_of_octodns(text: str) -> None:
    """Any text is a file of octoDNS, or a `ZoneFileError` with a line of it."""
    check(from_octodns, text)


@pytest.mark.parametrize("read", [from_bind, from_octodns])
@pytest.mark.parametrize("text", ODD_TEXTS)
def test_odd_values(read: Callable[..., WantedZone], text: str) -> None:
    """A value that is odd text is a record's data, or a `ZoneFileError`."""
    for form in ("$TTL 5\nx {0} {0}", "$TTL 5\nx TXT {}", "{0}: {{type: TXT, value: {0}}}", "x: {}"):
        check(read, form.format(text))

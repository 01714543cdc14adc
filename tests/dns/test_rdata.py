"""Values of records: from rdata and to rdata, by dnspython or by the plain spellings."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given

from polycloud.dns.content import Content
from polycloud.dns.drivers.dummy import DummyDNSDriver
from polycloud.dns.drivers.rfc2136 import RFC2136Driver
from polycloud.dns.names import check_name
from polycloud.dns.objects import Zone
from polycloud.dns.rdata import OPAQUE, READERS, TEXTS, read_rdata, write_rdata
from polycloud.dns.types import RecordType
from polycloud.errors import InvalidArgumentError
from support.records import VALUES, RecordValue

PLAIN = READERS.keys() - {RecordType.A, RecordType.AAAA, *OPAQUE}
ZONE = Zone("1", "example.org", "master", 300, DummyDNSDriver("key"))


@given(VALUES)
@example((RecordType.TXT, "", {}))
@example((RecordType.TXT, '"\\; $ORIGIN', {}))
def test_values_are_the_same_after_rdata(value: RecordValue) -> None:
    """What is written as rdata is read as the same data and fields, and written the same again."""
    type_, data, extra = value
    written = write_rdata(type_, data, extra)
    read = read_rdata(type_, written.rdata)
    assert (read.data, read.fields) == (data, extra)
    assert read == written
    assert written.rdata.isascii() or type_ in OPAQUE


@given(VALUES.filter(lambda value: value[0] in PLAIN))
def test_plain_spellings(value: RecordValue) -> None:
    """The plain spellings are read as dnspython reads them."""
    type_, data, extra = value
    text = write_rdata(type_, data, extra).rdata
    spaced = text.replace(" ", "  ", 1) if type_ not in TEXTS and " " in text else f"{text} "
    assert READERS[type_](spaced) is None
    assert read_rdata(type_, text) == read_rdata(type_, spaced)


@pytest.mark.parametrize(
    ("type_", "text", "data", "fields"),
    [
        ("TXT", '"a" "b"', "ab", {}),
        ("TXT", r'"\195\169 \"q\" \\"', 'é "q" \\', {}),
        ("TXT", "bare", "bare", {}),
        ("MX", "10 Mail.Example.ORG.", "mail.example.org", {"priority": 10}),
        ("MX", "0 .", ".", {"priority": 0}),
        ("MX", "nonsense", "nonsense", {}),
        ("CAA", '0 ISSUE "ca.example"', "ca.example", {"flags": 0, "tag": "issue"}),
        ("A", "not an address", "not an address", {}),
        ("TYPE65534", r"\# 2 0102", r"\# 2 0102", {}),
        ("NOSUCH", "anything", "anything", {}),
    ],
)
def test_what_providers_send(type_: str, text: str, data: str, fields: dict[str, Any]) -> None:
    """Rdata in any spelling is read; what is not valid stays as it is."""
    assert read_rdata(type_, text)[:2] == (data, fields)


def test_text_that_is_not_utf8() -> None:
    """Bytes of a text that are not UTF-8 are the same after the text is written again."""
    text = r'"\255\254 caf\233"'
    assert write_rdata("TXT", read_rdata("TXT", text).data, {}).rdata == text


@pytest.mark.parametrize(
    ("type_", "data", "message"),
    [
        ("A", "2001:db8::1", "data of type A must be an IPv4 address, got '2001:db8::1'"),
        ("AAAA", "192.0.2.1", "data of type AAAA must be an IPv6 address, got '192.0.2.1'"),
        ("CNAME", "@", "data of type CNAME must be a host name in full, got '@'"),
        ("CNAME", f"{'a' * 64}.org", "cannot be in DNS: A DNS label is > 63 octets long"),
        ("CNAME", "ä" * 64, "cannot be in DNS"),
        ("SSHFP", "4 2\n", "data of type SSHFP must not contain control characters"),
        ("DS", "1 13 2 zz", "data of type DS must be as in zone files, got '1 13 2 zz'"),
        ("URL", "a\nb", "data of type URL must not contain control characters"),
    ],
)
def test_data_that_is_not_valid(type_: str, data: str, message: str) -> None:
    """Data that is not valid for its type is refused with what it must be."""
    with pytest.raises(InvalidArgumentError, match=message):
        Content.of("www", type_, data, {})


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (r"\042.shop", "*.shop"),
        ("Straße", "xn--strae-oqa"),
        ("BÜCHER.example.org.", "xn--bcher-kva.example.org."),
        ("a\\.b.c", "a\\.b.c"),
        ("@", ""),
    ],
)
def test_names_are_those_of_dns(name: str, expected: str) -> None:
    """Names are lower case and punycode by the rules of 2008, with no escapes but those that they need."""
    assert check_name(name) == expected


@pytest.mark.parametrize(
    ("type_", "data", "extra"),
    [
        ("CAA", "ca.example.org", {"flags": 0, "tag": "not a tag"}),
        ("CAA", "ca.example.org", {"flags": 256, "tag": "issue"}),
        ("URI", "https://example.org/", {"priority": 65536, "weight": 1}),
        ("MX", "mail.example.org", {"priority": "high"}),
    ],
)
def test_fields_that_are_not_valid(type_: str, data: str, extra: dict[str, Any]) -> None:
    """Fields that a provider has and DNS does not allow are an error of ours where rdata is made of them."""
    with pytest.raises(InvalidArgumentError, match=f"data of type {type_} is not valid with"):
        write_rdata(type_, data, extra)


@pytest.mark.parametrize("data", ["", "https://example.org/a b", "https://例え/", 'a"b', "a\\b"])
def test_uris_that_are_not_valid(data: str) -> None:
    """The data of URI must be a URI in ASCII, since zone files cannot have others."""
    with pytest.raises(InvalidArgumentError, match="data of type URI must be a URI in ASCII"):
        write_rdata("URI", data, {"priority": 1, "weight": 1})


def test_keys_of_updates() -> None:
    """The name of a key must be a name of DNS."""
    with pytest.raises(InvalidArgumentError, match="key_name must consist of labels"):
        RFC2136Driver("a..b", "c2VjcmV0")

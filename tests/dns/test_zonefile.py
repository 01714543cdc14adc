"""Zone files: what is read from them, what is written, and the errors that name a line."""

from __future__ import annotations

import pickle
from pathlib import Path

import dns.zone
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from polycloud.dns.drivers.dummy import DummyDNSDriver
from polycloud.dns.lines import ZoneFileError
from polycloud.dns.names import relative_name
from polycloud.dns.objects import Record, Zone
from polycloud.dns.octoyaml import from_octodns, to_octodns
from polycloud.dns.rdata import ALIASES, OPAQUE, read_rdata
from polycloud.dns.types import RecordType
from polycloud.dns.wanted import WantedZone
from polycloud.dns.zonefile import from_bind, to_bind
from polycloud.errors import InvalidArgumentError
from support.records import NAMES, VALUES, RecordValue

ZONE = Zone("1", "example.org", "master", 300, DummyDNSDriver("key"))
TEXT = """\
; a zone with most of what the format has
$ORIGIN example.org.
$TTL 1h
@       IN SOA ns1 hostmaster.example.org. (
            2026010100 ; serial
            3600 600 86400 300 )
        IN NS  ns1
        IN NS  ns.example.net.
ns1 300 IN A   192.0.2.1 ; lenient
WWW.example.org. IN 60 A 192.0.2.2
        AAAA 2001:DB8::1
text    TXT    ( "one; two"
                 " three" )   ;  lenient
$ORIGIN sub.example.org.
@       MX     10 mail ; not lenient
*       CNAME  example.org.
$GENERATE 1-3 host-$ A 192.0.2.1$
bücher.example.org. A 192.0.2.9
"""


def rows(zone: WantedZone) -> list[tuple[object, ...]]:
    return [(one.where, one.content.name, one.content.type, one.content.data) for one in zone]


def test_what_is_read(tmp_path: Path) -> None:
    """Every record of a file is read with its absolute values, and with the line where it begins."""
    path = tmp_path / "zone.db"
    path.write_text("\ufeff" + TEXT, encoding="utf-8")
    zone = from_bind(path)
    found = [(where.removeprefix(f"{path}:"), *rest) for where, *rest in rows(zone) if isinstance(where, str)]
    assert (zone.domain, zone.ttl) == ("example.org", 3600)
    assert found == [
        ("4", "", "SOA", "ns1.example.org. hostmaster.example.org. 2026010100 3600 600 86400 300"),
        ("7", "", "NS", "ns1.example.org"),
        ("8", "", "NS", "ns.example.net"),
        ("9", "ns1", "A", "192.0.2.1"),
        ("10", "www", "A", "192.0.2.2"),
        ("11", "www", "AAAA", "2001:db8::1"),
        ("12", "text", "TXT", "one; two three"),
        ("15", "sub", "MX", "mail.sub.example.org"),
        ("16", "*.sub", "CNAME", "example.org"),
        ("17", "host-1.sub", "A", "192.0.2.11"),
        ("17", "host-2.sub", "A", "192.0.2.12"),
        ("17", "host-3.sub", "A", "192.0.2.13"),
        ("18", "xn--bcher-kva", "A", "192.0.2.9"),
    ]
    assert [one.content.extra["ttl"] for one in zone] == [3600, 3600, 3600, 300, 60, *[3600] * 8]
    assert [one.lenient for one in zone] == [number in {3, 6} for number in range(13)]
    assert zone.records[7].content.extra == {"ttl": 3600, "priority": 10}
    assert rows(from_bind(TEXT))[0][0] == "line 4"


def test_the_domain() -> None:
    """The domain is the one that is given, or that of the SOA, or the first $ORIGIN."""
    soa = "Example.ORG. 60 IN SOA ns. admin. 1 2 3 4 5\n"
    assert from_bind(soa).domain == "example.org"
    assert from_bind("$ORIGIN org.\n" + soa + "www.example 60 A 192.0.2.1").domain == "example.org"
    assert from_bind("$ORIGIN a.example.\n$ORIGIN b.a.example.\n@ 5 A 192.0.2.1").domain == "a.example"
    (record,) = from_bind("www 60 A 192.0.2.1", "Example.org.")
    assert (record.content.name, record.content.extra["ttl"]) == ("www", 60)
    for text in ["", "www 60 A 192.0.2.1", "@ 60 SOA ns. admin. 1 2 3 4 5"]:
        with pytest.raises(ZoneFileError, match="domain must be given"):
            from_bind(text)
    with pytest.raises(InvalidArgumentError, match="domain must not contain spaces"):
        from_bind("", "a b")
    assert len(from_bind("", "example.org")) == 0


def test_output_of_a_transfer() -> None:
    """The SOA that ends a transfer's output counts once; any other repeated record is an error."""
    soa = "example.org. 60 IN SOA ns. admin. 1 2 3 4 5\n"
    assert len(from_bind(soa + "www.example.org. 60 IN A 192.0.2.1\n" + soa)) == 2
    with pytest.raises(ZoneFileError, match="line 2: '@' has this SOA record already, on line 1"):
        from_bind(soa * 3)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("www A 192.0.2.256", "data of type A must be an IPv4 address, got '192.0.2.256'"),
        ("www AAAA 192.0.2.1", "data of type AAAA must be an IPv6 address, got '192.0.2.1'"),
        ("www.example.com. A 192.0.2.1", "'www.example.com.' is outside the zone example.org"),
        ("here A 192.0.2.1", "'here' has this A record already, on line 3"),
        (
            "here 60 IN CNAME www",
            "'here' has a record of type A on line 3, beside which no CNAME record can stand",
        ),
        ("also TXT x", "'also' has a record of type CNAME on line 4, beside which no TXT record can stand"),
        ("also CNAME www", "'also' has a record of type CNAME on line 4, and can have one only"),
        (
            "; also 60 IN ALIAS www.",
            "'also' has a record of type CNAME on line 4, beside which no ALIAS record",
        ),
        (f"{'x' * 64} A 192.0.2.1", "A DNS label is > 63 octets long"),
        (f"www CNAME {'x' * 64}", "A DNS label is > 63 octets long"),
        (f"{'.'.join(['x' * 60] * 4)} A 192.0.2.1", "A DNS name is > 255 octets long"),
        (f'www TXT "{"x" * 256}"', "string too long"),
        ("www 2147483648 A 192.0.2.1", "ttl must be an int from 0 to 2147483647, got 2147483648"),
        ("www 4294967296 A 192.0.2.1", "unknown rdatatype '4294967296': 'www 4294967296 A 192.0.2.1'"),
        ("www MX 65536 mail", "65536"),
        ("www MX mail", "expecting an integer: 'www MX mail'"),
        ("www NOSUCH x", "unknown rdatatype 'NOSUCH'"),
        ("www SOA ns. admin. 1 2 3 4 5", "the SOA record must be that of the zone itself, got one of 'www'"),
        ("www TYPE65534 \\# 1 00", "type must be a RecordType, got 'TYPE65534'"),
        ("www CH A 192.0.2.1", "RR class is not zone's class"),
        ('www TXT "open', "newline in quoted string"),
        ("www TXT ( x", "unbalanced parentheses"),
        ("www A ; none", "expecting an identifier: 'www A ; none'"),
        ("$INCLUDE /etc/passwd", r"\$INCLUDE is refused: put the records into this file"),
        ("$NOSUCH x", "directive '\\$NOSUCH' is not allowed"),
        ("$TTL soon", "TTL"),
        ("$GENERATE 1-99999999 h$ A 192.0.2.1", r"\$GENERATE must make at most 16384 records"),
        ("www TXT \udc80", "surrogates not allowed"),
    ],
)
def test_errors_name_the_line(line: str, message: str, tmp_path: Path) -> None:
    """What is not valid is an error that names the file and the line where the record begins."""
    text = f"$TTL 1h\n\nhere A 192.0.2.1\nalso CNAME here\n{line}\nwww A 192.0.2.1\n"
    with pytest.raises(ZoneFileError, match=f"^line 5: .*{message}") as caught:
        from_bind(text, "example.org")
    assert (caught.value.path, caught.value.line) == ("", 5)
    if "\udc80" not in text:
        path = tmp_path / "zone.db"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ZoneFileError, match=f"zone.db:5: .*{message}") as caught:
            from_bind(path, "example.org")
        assert (caught.value.path, caught.value.line) == (str(path), 5)
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize("line", ["@ CNAME www ; lenient\n@ TXT x", "@ TXT x\n@ CNAME www ; lenient"])
def test_lenient_conflicts(line: str) -> None:
    """A lenient CNAME can be beside other data, as some providers allow it, but not beside a second CNAME."""
    assert len(from_bind(f"$TTL 1h\n{line}\n@ MX 10 mail\n", "example.org")) == 3
    with pytest.raises(
        ZoneFileError, match=r"line 4: '@' has a record of type CNAME on line \d, and can have one only"
    ):
        from_bind(f"$TTL 1h\n{line}\n@ CNAME mail ; lenient\n", "example.org")


def test_no_ttl() -> None:
    """A record without a TTL, in a file without one, is an error that says where it can stand."""
    with pytest.raises(ZoneFileError, match=r"line 1: there is no TTL: give the record one, or begin"):
        from_bind("www A 192.0.2.1", "example.org")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """A file that is missing or not UTF-8 is an error, and so is what is neither a text nor a path."""
    with pytest.raises(InvalidArgumentError, match=r"zone\.db cannot be read"):
        from_bind(tmp_path / "zone.db")
    (tmp_path / "latin.db").write_bytes(b"; a\n; caf\xe9\n")
    with pytest.raises(ZoneFileError, match=r"latin\.db:2: the file must be UTF-8"):
        from_bind(tmp_path / "latin.db")
    with pytest.raises(InvalidArgumentError, match=r"write Path\('zones/my-zone\.db'\) if it is a file"):
        from_bind("zones/my-zone.db")
    with pytest.raises(InvalidArgumentError, match="source must be the text of a zone or the Path of a file"):
        from_bind(b"")  # type: ignore[arg-type]


@given(NAMES, VALUES, st.none() | st.integers(0, 2**31 - 1), st.booleans())
@example("old", (RecordType.URL, "https://example.net/ ; lenient", {}), None, True)
@example("", (RecordType.TXT, '"; lenient\\', {}), 0, False)
@example("*", (RecordType.TXT, "\udcff\udc80\x00\n", {}), 60, True)
def test_round_trip(name: str, value: RecordValue, ttl: int | None, lenient: bool) -> None:
    """A record of any type is the same after it was in a zone file."""
    type_, data, extra = value
    name = "" if type_ == RecordType.SOA else name
    wanted = WantedZone("example.org", 300)
    wanted.add(name, type_, data, extra if ttl is None else {"ttl": ttl, **extra}, lenient=lenient)
    text = to_bind(wanted)
    read = from_bind(text)
    assert (read.domain, read.ttl, len(read)) == ("example.org", 300, 1)
    assert read.records[0] == wanted.records[0]._replace(where="line 3")
    assert to_bind(read) == text
    record = Record("1", name, type_, data, ZONE, ZONE.driver, 300 if ttl is None else ttl, extra)
    assert to_bind(ZONE, [record]).replace(" ; lenient", "") == to_bind(wanted).replace(" ; lenient", "")


@given(NAMES, VALUES.filter(lambda value: value[0] not in ALIASES | OPAQUE))
def test_zone_files_of_others(name: str, value: RecordValue) -> None:
    """A record of a type that DNS has is read by dnspython as it was written."""
    type_, data, extra = value
    name = "" if type_ == RecordType.SOA else name
    record = Record("1", name, type_, data, ZONE, ZONE.driver, 60, {"ttl": 60, **extra})
    parsed = dns.zone.from_text(to_bind(ZONE, [record]), relativize=False, check_origin=False)
    ((owner, ttl, rdata),) = parsed.iterate_rdatas()
    read = read_rdata(type_, rdata.to_text(chunksize=0))
    assert (relative_name(owner.to_text(), ZONE), ttl, read.data, read.fields) == (name, 60, data, extra)


@given(st.text(st.sampled_from('$(){}";\\\n\t @.*aA1- ORIGINTTLGENERATESOAINTXTMX\x00ü\udc80'), max_size=80))
@example("$TTL 99999999999999999999\n")
@example("$GENERATE 1-2 ${0,999999,d} A 1.2.3.4\n")
def test_any_text(text: str) -> None:
    """Any text is a zone, or a `ZoneFileError` with a line of it."""
    try:
        lines = [int(one.where.removeprefix("line ")) for one in from_bind(text, "example.org")]
    except ZoneFileError as error:
        lines = [error.line]
    assert all(1 <= line <= text.count("\n") + 1 for line in lines)


def test_disabled_records() -> None:
    """A disabled record is a comment of a zone file, which is not read, and not in a file of octoDNS."""
    wanted = WantedZone("example.org", 60)
    wanted.add("www", "A", "192.0.2.1")
    wanted.add("www", "A", "192.0.2.2", {"disabled": True})
    wanted.add("old", "ALIAS", "host.example.net", {"disabled": True})
    text = to_bind(wanted)
    assert text.splitlines()[2:] == [
        "; disabled: old 60 IN ALIAS host.example.net.",
        "www 60 IN A 192.0.2.1",
        "; disabled: www 60 IN A 192.0.2.2",
    ]
    for written in (from_bind(text), from_octodns(to_octodns(wanted), "example.org")):
        assert [(one.content.name, one.content.data) for one in written] == [("www", "192.0.2.1")]


def test_order_and_comments() -> None:
    """SOA comes first; comments that only look like records of types that DNS lacks are not read."""
    wanted = WantedZone("example.org", 60)
    wanted.add("", "A", "192.0.2.1")
    wanted.add("", "SOA", "ns. admin. 1 2 3 4 5")
    wanted.add("", "ALIAS", "host.example.net", lenient=True)
    text = to_bind(wanted)
    assert text.splitlines()[2:] == [
        "@ 60 IN SOA ns. admin. 1 2 3 4 5",
        "@ 60 IN A 192.0.2.1",
        "; @ 60 IN ALIAS host.example.net. ; lenient",
    ]
    others = "; www IN URL a text\n;www IN ALIAS host.\n; see www IN ALIAS host.\n; www IN A 192.0.2.1\n"
    assert len(from_bind(text + others)) == 3

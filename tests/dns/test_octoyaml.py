"""octoDNS's YAML: what is read and written, errors that name a line, and octoDNS itself as the peer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from polycloud.dns.drivers.dummy import DummyDNSDriver
from polycloud.dns.lines import ZoneFileError
from polycloud.dns.octovalues import TYPES
from polycloud.dns.octoyaml import from_octodns, to_octodns
from polycloud.dns.rdata import TEXTS, read_rdata
from polycloud.dns.types import RecordType
from polycloud.dns.wanted import WantedZone
from polycloud.errors import InvalidArgumentError
from support.records import NAMES, VALUES, RecordValue

TEXT = r"""---
? ''
: - type: A
    values:
      - 192.0.2.1
      - 192.0.2.2
  - type: CAA
    value: {tag: issue, value: ca.example; x}
  - ttl: 60
    type: MX
    values:
    - exchange: mx1.example.com.
      preference: 10
    - {priority: 20, value: mx2.example.com.}
  - octodns: {lenient: true, healthcheck: {path: /}}
    type: TXT
    values:
      - v=DKIM1\; k=rsa
      - '"quoted" "pieces"'
'*': {type: CNAME, value: www.example.org.}
1: &one
  type: A
  value: 192.0.2.3
bücher:
  <<: *one
  ttl: 5
gone:
  octodns: {ignored: true}
  type: A
  value: 192.0.2.4
some:
  octodns: {excluded: [here]}
  type: AAAA
  value: 2001:db8::1
others:
  octodns: {included: [here, there]}
  type: AAAA
  value: 2001:db8::2
svc:
  type: HTTPS
  value:
    svcparams: {alpn: [h2, h3], no-default-alpn: null, port: 8443}
    svcpriority: 1
    targetname: svc.example.org.
"""


def rows(zone: WantedZone) -> list[tuple[Any, ...]]:
    return [
        (
            one.where.removeprefix("line "),
            one.content.name,
            one.content.type,
            one.content.data,
            one.content.extra,
        )
        for one in zone
    ]


def test_what_is_read() -> None:
    """Every value of a set is a record with the line of that value, and the TTL of the set or the default."""
    found = rows(from_octodns(TEXT, "example.org", target="here"))
    assert found == [
        ("5", "", "A", "192.0.2.1", {"ttl": 3600}),
        ("6", "", "A", "192.0.2.2", {"ttl": 3600}),
        ("8", "", "CAA", "ca.example; x", {"ttl": 3600, "flags": 0, "tag": "issue"}),
        ("12", "", "MX", "mx1.example.com", {"ttl": 60, "priority": 10}),
        ("14", "", "MX", "mx2.example.com", {"ttl": 60, "priority": 20}),
        ("18", "", "TXT", "v=DKIM1; k=rsa", {"ttl": 3600}),
        ("19", "", "TXT", "quotedpieces", {"ttl": 3600}),
        ("20", "*", "CNAME", "www.example.org", {"ttl": 3600}),
        ("23", "1", "A", "192.0.2.3", {"ttl": 3600}),
        ("23", "xn--bcher-kva", "A", "192.0.2.3", {"ttl": 5}),
        ("38", "others", "AAAA", "2001:db8::2", {"ttl": 3600}),
        (
            "42",
            "svc",
            "HTTPS",
            "svc.example.org. alpn=h2,h3 no-default-alpn port=8443",
            {"ttl": 3600, "priority": 1},
        ),
    ]
    other = from_octodns(TEXT, "example.org", target="elsewhere", ttl=None)
    assert [row[1] for row in rows(other)][-2:] == ["some", "svc"]
    assert [one.lenient for one in other] == [5 <= number <= 6 for number in range(12)]
    assert other.records[0].content.extra == {}


def test_the_domain(tmp_path: Path) -> None:
    """The domain is the one that is given, or that in the name of the file."""
    path = tmp_path / "example.org.yaml"
    path.write_text("--- {www: {type: A, value: 192.0.2.1}}\n")
    assert from_octodns(path).domain == "example.org"
    assert from_octodns(path).records[0].where == f"{path}:1"
    assert from_octodns(path, "example.com").domain == "example.com"
    assert len(from_octodns("", "example.com")) == len(from_octodns("---\n", "example.com")) == 0
    with pytest.raises(InvalidArgumentError, match="domain must be given: octoDNS has it in the name"):
        from_octodns("---")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("www: {type: A, value: 192.0.2.256}", 1, "data of type A must be an IPv4 address"),
        (
            "www:\n  type: A\n  values:\n  - 192.0.2.1\n  - 192.0.2.1",
            5,
            "'www' has this A record already, on line 4",
        ),
        (
            "www: {type: A, value: 192.0.2.1}\nwww: {type: TXT, value: x}",
            2,
            "the key 'www' is on line 1 already",
        ),
        (
            "www:\n- {type: A, value: 192.0.2.1}\n- {type: A, value: 192.0.2.2}",
            3,
            "'www' has a set of A records already",
        ),
        (
            "www:\n- {type: A, value: 192.0.2.1}\n- {type: CNAME, value: x.}",
            3,
            "'www' has a record of type A on line 2, beside which no CNAME record can stand",
        ),
        (
            "www:\n  type: A\n  tll: 5\n  value: 192.0.2.1",
            3,
            "there is no field 'tll' here, only type, ttl, value",
        ),
        ("www:\n  type: A\n  geo: {}\n  value: 192.0.2.1", 3, "there is no field 'geo' here"),
        ("www: {type: URLFWD, value: x}", 1, "type must be one of A, AAAA, .*, got 'URLFWD'"),
        ("www: {value: x}", 1, "the set has no type"),
        ("www: {type: A}", 1, "the A records of 'www' have neither value nor values"),
        ("www: {type: A, value: null}", 1, "have neither value nor values"),
        ("www: {type: A, values: [null]}", 1, "the value must be a text, got None"),
        ("www: {type: A, value: {a: b}}", 1, "the value must be a text, got {'a': 'b'}"),
        (
            "www: {type: MX, value: x.}",
            1,
            "the value of type MX must be a mapping of preference, exchange, got 'x.'",
        ),
        ("www: {type: MX, value: {exchange: x.}}", 1, "the value of type MX lacks preference"),
        ("www: {type: MX, value: {exchange: x., preference: a}}", 1, "priority must be a number, got 'a'"),
        (
            "www: {type: MX, value: {exchange: x, preference: 1}}",
            1,
            "exchange must be a host name in full, with a dot",
        ),
        (
            "www: {type: CNAME, value: x}",
            1,
            "the value must be a host name in full, with a dot at its end, got 'x'",
        ),
        ("www: {type: A, ttl: x, value: 192.0.2.1}", 1, "ttl must be a number, got 'x'"),
        ("www: {type: A, ttl: -1, value: 192.0.2.1}", 1, "ttl must be an int from 0 to 2147483647, got -1"),
        (
            "www: {type: HTTPS, value: {svcpriority: 1, targetname: x., svcparams: a}}",
            1,
            "svcparams must be a mapping",
        ),
        (
            "www: {type: A, octodns: {lenient: maybe}, value: 192.0.2.1}",
            1,
            "lenient must be true or false, got 'maybe'",
        ),
        (
            "www:\n  type: A\n  octodns: {excluded: [here]}\n  value: 192.0.2.1",
            3,
            "target must be given: the set is excluded for 'here' only",
        ),
        (
            "www.example.com.: {type: A, value: 192.0.2.1}",
            1,
            "'www.example.com.' is outside the zone example.org",
        ),
        (f"{'x' * 64}: {{type: A, value: 192.0.2.1}}", 1, "labels of 1 to 63 characters"),
        ("a: 1\nb: [", 2, "this is not YAML"),
        ("a: b", 1, "each set of 'a' must be a mapping, got 'b'"),
        ("[a]", 1, "the file must be a mapping, got a list"),
        ("[a]: {}", 1, "a key must be a text"),
        ("\nwww: !include other.yaml", 2, "each set of 'www' must be a mapping, got 'other.yaml'"),
        (
            "www: {type: A, value: !!python/object:os.system x}",
            1,
            "the tag .*python/object:os.system is not supported",
        ),
        ("www: {type: TXT, value: !include /etc/passwd}", 1, "the tag !include is not supported"),
        ("www: &a {type: A, <<: *a}", 1, "this is too deep"),
        ("www: {type: TXT, value: &a [*a]}", 1, "this is too deep"),
        ("[" * 100_000 + "]" * 100_000, 1, "this is not YAML: it is nested too deeply"),
        ("a: b\n--- {}", 2, "this is not YAML"),
    ],
)
def test_errors_name_the_line(text: str, line: int, message: str) -> None:
    """What is not valid is an error that names the line of the value, and nothing but data is loaded."""
    with pytest.raises(ZoneFileError, match=f"^line {line}: .*{message}") as caught:
        from_octodns(text, "example.org")
    assert caught.value.line == line


def test_aliases_are_bounded() -> None:
    """Aliases that repeat a part of a file without end are refused before memory is."""
    values = ["x: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    values += [f"x{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    bomb = (
        "www:\n  type: TXT\n  octodns:\n" + "\n".join(f"    {line}" for line in values) + "\n  value: *a8\n"
    )
    with pytest.raises(
        ZoneFileError, match="the file has more than 1000000 values, with those of its aliases"
    ):
        from_octodns(bomb, "example.org")


def test_what_is_written() -> None:
    """Names are in natural order, SOA is left out, and a set has the lowest TTL of its records."""
    zone = WantedZone("example.org")
    zone.add("", "SOA", "ns. admin. 1 2 3 4 5")
    zone.add("web10", "TXT", "a;b", lenient=True)
    zone.add("web2", "A", "192.0.2.1", {"ttl": 60})
    zone.add("web2", "A", "192.0.2.2", {"ttl": 30})
    zone.add("", "MX", "mx.example.com", {"priority": 10})
    assert to_octodns(zone) == (
        "---\n'':\n  type: MX\n  value:\n    exchange: mx.example.com.\n    preference: 10\n"
        "web2:\n  ttl: 30\n  type: A\n  values:\n  - 192.0.2.1\n  - 192.0.2.2\n"
        "web10:\n  octodns:\n    lenient: true\n  type: TXT\n  value: a\\;b\n"
    )
    assert "value: a;b\n" in to_octodns(zone, escaped_semicolons=False)
    live = DummyDNSDriver("key").create_zone("example.org")
    live.create_record("www", RecordType.A, "192.0.2.1", {"ttl": 5})
    assert to_octodns(live) == "---\nwww:\n  ttl: 5\n  type: A\n  value: 192.0.2.1\n"


@pytest.mark.parametrize(
    ("type_", "data", "message"),
    [
        ("HINFO", '"a" "b"', "the HINFO record 'x' of example.org cannot be written: octoDNS has no records"),
        ("TXT", 'a" "b', "octoDNS would drop"),
        ("TXT", "\udcff", "YAML can have UTF-8 only"),
    ],
)
def test_what_cannot_be_written(type_: str, data: str, message: str) -> None:
    """What octoDNS would not read as it is, is an error that names the record."""
    with pytest.raises(InvalidArgumentError, match=message):
        to_octodns(WantedZone("example.org").add("x", type_, data))


OCTODNS_VALUES = VALUES.filter(lambda value: value[0] in TYPES).filter(
    lambda value: '" "' not in value[1] and not any("\udc80" <= one <= "\udcff" for one in value[1])
)


@given(NAMES, OCTODNS_VALUES, st.booleans(), st.booleans())
@example("x", (RecordType.TXT, '"', {}), False, False)
@example("x", (RecordType.TXT, '"; \\;" x', {}), False, False)
@example("x", (RecordType.TXT, "\\;", {}), False, True)
def test_round_trip(name: str, value: RecordValue, lenient: bool, escaped: bool) -> None:
    """A record is the same after it was in octoDNS's YAML."""
    type_, data, extra = value
    zone = WantedZone("example.org", 300).add(name, type_, data, extra, lenient=lenient)
    (read,) = from_octodns(
        to_octodns(zone, escaped_semicolons=escaped), "example.org", escaped_semicolons=escaped
    )
    assert read[:2] == zone.records[0][:2]


@given(st.text(st.sampled_from("{}[]:,-?&*!|>'\"%@`#\n\t atypevlu.0"), max_size=60))
def test_any_text(text: str) -> None:
    """Any text is a zone, or a `ZoneFileError` with a line of it."""
    try:
        lines = [int(one.where.removeprefix("line ")) for one in from_octodns(text, "example.org")]
    except ZoneFileError as error:
        lines = [error.line]
    assert all(1 <= line <= text.count("\n") + 1 for line in lines)


# octoDNS itself


def octodns_zone(text: str, folder: Path, copies: Path) -> Any:
    """Return the zone that octoDNS reads from a file of ours; it also writes that to `copies`."""
    pytest.importorskip("octodns", reason="octoDNS is the peer")
    from octodns.provider.yaml import YamlProvider  # type: ignore[import-untyped]
    from octodns.zone import Zone  # type: ignore[import-untyped]

    (folder / "example.org.yaml").write_text(text, encoding="utf-8")
    zone = Zone("example.org.", [])
    YamlProvider("ours", str(folder), escaped_semicolons=True).populate(zone)
    copy = YamlProvider("copy", str(copies), escaped_semicolons=True)
    plan = copy.plan(zone)
    if plan:
        copy.apply(plan)
    return zone


@given(name=NAMES, value=OCTODNS_VALUES.filter(lambda value: value[1] != ""), ttl=st.integers(0, 2**31 - 1))
@example(name="x", value=(RecordType.TXT, '"; \\;" x', {}), ttl=60)
@example(name="x", value=(RecordType.TXT, "v=DKIM1; k=rsa; p=" + "a" * 600, {}), ttl=60)
@example(name="", value=(RecordType.MX, ".", {"priority": 0}), ttl=0)
def test_octodns_reads_and_writes_the_same(
    name: str, value: RecordValue, ttl: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """OctoDNS reads from our files what we mean, and we read the same from the files that it writes."""
    type_, data, extra = value
    ours = WantedZone("example.org").add(name, type_, data, {**extra, "ttl": ttl}, lenient=True)
    folder, copies = tmp_path_factory.mktemp("ours"), tmp_path_factory.mktemp("copies")
    (found,) = octodns_zone(to_octodns(ours), folder, copies).records
    content = ours.records[0].content
    assert (found.name, found._type, found.ttl, found.lenient) == (content.name, type_, ttl, True)
    (one,) = getattr(found, "values", None) or [found.value]
    if type_ in TEXTS:
        assert one.to_raw_text() == data
    elif type_ == RecordType.CAA:
        assert (one.flags, one.tag, one.value) == (extra["flags"], extra["tag"], data)
    else:
        assert read_rdata(type_, one.to_rdata_text()).rdata == content.rdata
    if data.startswith('"') or not data.isprintable():
        return  # octoDNS drops quotes from its own files, and PyYAML writes NEL as a space
    (read,) = from_octodns(copies / "example.org.yaml")
    assert read[:2] == ours.records[0][:2]

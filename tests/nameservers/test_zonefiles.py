"""Zone files that BIND reads and writes. Run it by `make nameservers`."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycloud.dns.content import DNSSEC
from polycloud.dns.rdata import ALIASES, OPAQUE
from polycloud.dns.types import RecordType
from polycloud.dns.wanted import WantedZone
from polycloud.dns.zonefile import from_bind, to_bind
from support.nameservers import nameserver
from support.records import VALUES, RecordValue

HEAD = "$TTL 1h\n@ SOA ns admin 1 2h 3m 4w 5\n@ NS ns.example.net.\n"
WRITTEN = (
    HEAD
    + r"""
$ORIGIN sub.example.org.
a 1h30m IN A 192.0.2.1 ; comment
  IN 5 AAAA 2001:DB8::1
  TXT ( "one; two" ; comment
    bare \"quoted\" "\200\\" )
$ORIGIN deep
b.c MX 10 @
    MX 20 example.net.
a\.b CNAME \*.example.org.
$ORIGIN example.org.
* 60 CNAME www
$GENERATE 1-5/2 ${10,3,x}.gen PTR host-$
www A 192.0.2.2
$TTL 9
last A 192.0.2.3
l LOC 52 22 23.000 N 4 53 32.000 E -2.00m
u SRV 1 2 3 .
h HTTPS 1 . alpn="h2,h3" port=1 ipv4hint=192.0.2.1,192.0.2.2
"""
)


def compiled(text: str, folder: Path) -> str:
    """Return a zone as BIND writes it, after it has read our file."""
    nameserver("bind")
    program = shutil.which("named-compilezone", path="/usr/bin:/usr/sbin:/usr/local/bin")
    if program is None:
        pytest.skip("named-compilezone is not installed")
    source, target = folder / "source", folder / "target"
    source.write_text(text, encoding="utf-8")
    relaxed = ["-i", "none", "-k", "ignore", "-m", "ignore", "-n", "ignore", "-r", "ignore"]
    run = subprocess.run(
        [program, *relaxed, "-o", str(target), "example.org", str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, f"{run.stdout}{run.stderr}\n{text}"
    return target.read_text(encoding="utf-8")


def rows(zone: WantedZone) -> list[tuple[str, ...]]:
    contents = [one.content for one in zone]
    return sorted((one.name, one.type, one.rdata, str(sorted(one.extra.items()))) for one in contents)


def test_what_bind_reads(tmp_path: Path) -> None:
    """Directives, relative names, TTLs in units and long records mean to us what they mean to BIND."""
    found = rows(from_bind(WRITTEN, "example.org"))
    assert found == rows(from_bind(compiled(WRITTEN, tmp_path)))
    assert ("00b.gen", "PTR", "host-1.example.org.", "[('ttl', 3600)]") in found


BOTH = VALUES.filter(lambda value: value[0] not in {*ALIASES, *OPAQUE, *DNSSEC, RecordType.SOA})


@given(values=st.lists(BOTH, min_size=1, max_size=20))
def test_what_we_write(values: list[RecordValue], tmp_path_factory: pytest.TempPathFactory) -> None:
    """BIND reads our files, and we read its own: a record of any type is the same afterwards."""
    zone = from_bind(HEAD, "example.org")
    for number, (type_, data, extra) in enumerate(values):
        zone.add(f"{number}.n", type_, data, {**extra, "ttl": 60 + number})
    text = compiled(to_bind(zone), tmp_path_factory.mktemp("bind"))
    assert rows(from_bind(text)) == rows(zone)

"""Values of every record type, for Hypothesis."""

from __future__ import annotations

import socket
from typing import Any

from hypothesis import strategies as st

from polycloud.dns.types import RecordType

RecordValue = tuple[RecordType, str, dict[str, Any]]

WORDS = st.text("abcxyz0189-_", min_size=1, max_size=12)
HOSTS = st.lists(WORDS, min_size=1, max_size=4).map(".".join)
FULL = HOSTS.map("{}.".format)
NUMBERS = st.integers(0, 65535)
SERIALS = st.integers(0, 2**31 - 1)
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=600)
ANY_BYTES = st.binary(max_size=600).map(lambda raw: raw.decode(errors="surrogateescape"))
PRINTABLE = st.text(st.characters(exclude_categories=["Cs"]).filter(str.isprintable), max_size=300)
DIGESTS = st.binary(min_size=32, max_size=32).map(bytes.hex)
KEYS = st.sampled_from(["AQID", "BAUGBwg=", "/+//"])


def values(type_: str, data: st.SearchStrategy[str], **extra: st.SearchStrategy[Any]) -> Any:
    return st.tuples(st.just(RecordType(type_)), data, st.fixed_dictionaries(extra))


def filled(form: str, *parts: st.SearchStrategy[Any]) -> st.SearchStrategy[str]:
    return st.tuples(*parts).map(lambda found: form.format(*found))


VALUES = st.one_of(
    values("A", st.ip_addresses(v=4).map(str)),
    values("AAAA", st.ip_addresses(v=6).map(lambda one: socket.inet_ntop(socket.AF_INET6, one.packed))),
    values("AFSDB", filled("{} {}", NUMBERS, FULL)),
    values("ALIAS", HOSTS),
    values("ANAME", HOSTS),
    values("CAA", ANY_TEXT, flags=st.integers(0, 255), tag=st.sampled_from(["issue", "issuewild", "iodef"])),
    values("CERT", filled("PKIX {} RSASHA256 {}", NUMBERS, KEYS)),
    values("CNAME", HOSTS),
    values("DNAME", HOSTS),
    values("DNSKEY", filled("257 3 13 {}", KEYS)),
    values("DS", filled("{} 13 2 {}", NUMBERS, DIGESTS)),
    values("GEO", PRINTABLE),
    values("HINFO", filled('"{}" "{}"', WORDS, WORDS)),
    values("HTTPS", FULL.map("{} alpn=h2,h3 port=8443".format), priority=NUMBERS.filter(bool)),
    values("KEY", filled("512 255 1 {}", KEYS)),
    values(
        "LOC", st.integers(0, 89).map("{} 22 23.000 N 4 53 32.000 E -2.00m 1.00m 10000.00m 20.00m".format)
    ),
    values("MX", HOSTS, priority=NUMBERS),
    values("NAPTR", filled('{} 10 "U" "E2U+sip" "!^.*$!sip:info@example.org!" {}', NUMBERS, FULL)),
    values("NS", HOSTS),
    values("NSEC", FULL.map("{} A TXT".format)),
    values("OPENPGPKEY", KEYS),
    values("PTR", HOSTS),
    values("REDIRECT", PRINTABLE),
    values("RP", filled("{} {}", FULL, FULL)),
    values("RRSIG", filled("A 8 3 {} 20300101000000 20200101000000 {} {} {}", SERIALS, NUMBERS, FULL, KEYS)),
    values("SMIMEA", DIGESTS.map("3 1 1 {}".format)),
    values("SOA", filled("{} {} {} 2 3 4 5", FULL, FULL, SERIALS)),
    values("SPF", ANY_TEXT),
    values("SRV", HOSTS, priority=NUMBERS, weight=NUMBERS, port=NUMBERS),
    values("SSHFP", DIGESTS.map("4 2 {}".format)),
    values("SVCB", FULL.map("{} port=53".format), priority=NUMBERS.filter(bool)),
    values("TLSA", DIGESTS.map("3 1 1 {}".format)),
    values("TXT", ANY_TEXT | ANY_BYTES),
    values("URI", HOSTS.map("https://{}/?a=b%20c".format), priority=NUMBERS, weight=NUMBERS),
    values("URL", PRINTABLE),
    values("WKS", filled("{} 6 25 80", st.ip_addresses(v=4))),
)

NAMES = st.sampled_from(
    [
        "",
        "www",
        "*",
        "*.www",
        "_sip._tcp",
        "a.b.c",
        "xn--mnchen-3ya",
        r"a\.b",
        r"a\032b",
        "0",
        "in",
        "ttl",
        "a",
    ]
)

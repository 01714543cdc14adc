from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from polycloud.dns.drivers.route53 import Route53DNSDriver, Route53Response
from polycloud.dns.objects import Zone
from polycloud.errors import PolycloudError
from support.fuzz import answer, outcome, scrambled

NAMESPACE = "https://route53.amazonaws.com/doc/2013-04-01/"
DRIVER = Route53DNSDriver("key", "secret")
ZONE = Zone("Z1", "example.com", "master", None, DRIVER)
PIECES = (
    *("<", ">", "&amp;", "&quot;", "&#65;", "<!-- ", " -->", "<![CDATA[", "]]>", "<?x ", "?>", "\n  ", "\0"),
    *("</ResourceRecordSet>", "<ResourceRecordSet>", "</ResourceRecordSets>", "<ResourceRecordSets>", "é"),
    *("<ResourceRecord><Value>192.0.2.9</Value></ResourceRecord>", "<TTL>5</TTL>", r"\052", "example.org."),
)


class Slow(Route53Response):
    """A response that only the parser reads."""

    def divided(self, name: str) -> tuple[str, int, int]:
        return "", 0, 0


def record_set(name: str, type_: str, *values: str, more: str = "") -> str:
    records = "".join(f"<ResourceRecord><Value>{value}</Value></ResourceRecord>" for value in values)
    inner = f"<Name>{name}.example.com.</Name><Type>{type_}</Type>{more}<TTL>60</TTL>"
    return f"<ResourceRecordSet>{inner}<ResourceRecords>{records}</ResourceRecords></ResourceRecordSet>"


SETS = (
    record_set("a", "A", "192.0.2.1", "192.0.2.2"),
    record_set(r"\052", "CNAME", "host.example.net"),
    record_set("t", "TXT", '"a b" "c"', more="<SetIdentifier>x</SetIdentifier><Weight>1</Weight>"),
    record_set("m", "MX", "10 mail.example.net."),
)
PAGE = (
    f'<?xml version="1.0"?>\n<ListResourceRecordSetsResponse xmlns="{NAMESPACE}"><ResourceRecordSets>'
    f"{''.join(SETS)}</ResourceRecordSets><IsTruncated>true</IsTruncated><NextRecordName>z.example.com."
    "</NextRecordName><NextRecordType>A</NextRecordType></ListResourceRecordSetsResponse>"
)


@st.composite
def changed(draw: st.DrawFn) -> bytes:
    """The page with some pieces put into it, at any place, in the place of what is there."""
    text = PAGE
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(st.sampled_from(PIECES)) + text[at + draw(st.integers(0, 12)) :]
    return text.encode()


def read(kind: type[Route53Response], body: bytes) -> Any:
    """What the driver makes of a page: its records and where the next one begins, or an error."""

    def page() -> tuple[list[tuple[Any, ...]], str]:
        response = answer(kind, body)
        sets, following = DRIVER._page(response, ZONE)
        records = DRIVER._records(ZONE, sets)
        return [(one.id, one.data, one.ttl, one.extra) for one in records], following

    return outcome(page)


@given(changed() | scrambled(PAGE.encode()))
def test_pages_of_record_sets(body: bytes) -> None:
    """What the pattern for plain sets reads of a page is what the parser reads of it."""
    fast, slow = read(Route53Response, body), read(Slow, body)
    assert isinstance(slow, PolycloudError) or fast == slow


def test_the_page_is_divided() -> None:
    """The page that is changed is one that the pattern reads."""
    assert answer(Route53Response, PAGE.encode()).divided("ResourceRecordSets") != ("", 0, 0)
    assert len(read(Route53Response, PAGE.encode())[0]) == len(read(Slow, PAGE.encode())[0]) == 5

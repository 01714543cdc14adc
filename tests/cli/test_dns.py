"""`polycloud dns zones` and `polycloud dns records`."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from polycloud.sandbox import Sandbox
from support.dnsserver import NameServer

Run = Callable[..., subprocess.CompletedProcess[str]]
AtTerminal = Callable[..., str]

STYLE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
OWN_FIELDS = """
import sys, types
from polycloud.dns.drivers.dummy import DummyDNSDriver
from polycloud.dns.providers import set_driver

class Names(DummyDNSDriver):
    name = "Names"
    own_extra = frozenset({"proxied", "note"})

    def __init__(self, *credentials, **options):
        super().__init__(*credentials, **options)
        zone = self.create_zone("example.com")
        self.create_record("www", zone, "A", "203.0.113.7", {"proxied": True, "ttl": 60})
        self.create_record("raw", zone, "TXT", "caf\\udce9 \\u202ecod \\x1b[31m")
        self.create_record("quoted", zone, "TXT", '"x"')

drivers = sys.modules["names"] = types.ModuleType("names")
drivers.Names = Names
set_driver("names", "names", "Names")
from polycloud.cli.main import run
run()
"""
"""The command with a driver whose records have two fields beyond DNS, and a zone with three records."""


@pytest.fixture(scope="module")
def cloud() -> Iterator[Sandbox]:
    with Sandbox("digitalocean", ssh="off") as cloud:
        yield cloud


@pytest.fixture
def account(cloud: Sandbox, configured: Callable[[str], Path]) -> dict[str, str]:
    """The environment of a user with an account at a cloud without zones."""
    cloud.reset()
    file = configured(
        '[profiles.prod]\nprovider = "digitalocean"\nservice = "dns"\n'
        f'url = "{cloud.url}/v2"\ntoken = "{cloud.credentials[0]}"\n'
    )
    return {"POLYCLOUD_CONFIG": str(file)}


@pytest.fixture
def dns(run: Run, account: dict[str, str]) -> Run:
    """Runs `polycloud dns` with that account, and expects its success unless told otherwise."""

    def do(*arguments: str, status: int = 0, **options: str) -> subprocess.CompletedProcess[str]:
        done = run("dns", *arguments, **account, **options)
        assert done.returncode == status, done.stdout + done.stderr
        return done

    return do


@pytest.fixture
def zone(dns: Run) -> str:
    """A zone with the domain `example.com`, and the addresses of `www`."""
    dns("zones", "create", "example.com")
    dns("records", "create", "example.com", "www", "A", "203.0.113.7", "203.0.113.8", "--ttl", "300")
    return "example.com"


@pytest.fixture
def names(run: Run, configured: Callable[[str], Path]) -> Run:
    """Runs `polycloud dns` at a provider whose records have fields beyond DNS."""
    file = configured('[profiles.names]\nprovider = "names"\nservice = "dns"\nkey = "x"\n')

    def do(*arguments: str, **options: str) -> subprocess.CompletedProcess[str]:
        return run("dns", *arguments, program=OWN_FIELDS, POLYCLOUD_CONFIG=str(file), **options)

    return do


def listed(dns: Run, *selected: str) -> list[tuple[str, str, Any]]:
    """The names, types and values in a zone but for SOA and NS."""
    rows = json.loads(dns("records", "list", "example.com", *selected, "--json").stdout)
    return [(row["name"], row["type"], row["value"]) for row in rows if row["type"] not in {"SOA", "NS"}]


def test_a_life_of_zones(dns: Run) -> None:
    """Zones, also of other scripts, are created, listed, shown and deleted by domains in any spelling."""
    dns("zones", "create", "example.com", "bücher.example")
    rows = json.loads(dns("zones", "list", "--json").stdout)
    assert {row["domain"] for row in rows} == {"example.com", "xn--bcher-kva.example"}
    shown = json.loads(dns("zones", "show", "BÜCHER.example.", "--json").stdout)
    assert (shown["domain"], "extra" in shown) == ("xn--bcher-kva.example", True)
    assert "delete 1 zone of prod?" in dns("zones", "delete", "bücher.example", status=2).stderr
    deleted = dns("zones", "delete", "bücher.example", "Example.COM.", "--yes").stdout.splitlines()
    assert deleted == ["deleted zone xn--bcher-kva.example", "deleted zone example.com"]
    assert json.loads(dns("zones", "list", "--json").stdout) == []


def test_an_update_of_a_zone(names: Run) -> None:
    """A zone is changed where an option is given; without one nothing is sent."""
    done = names("zones", "update", "example.com", "--ttl", "60", "--set", 'kind="5"', "--json")
    assert (json.loads(done.stdout)["ttl"], json.loads(done.stdout)["extra"]) == (60, {"kind": "5"})
    would = names("zones", "update", "example.com", "--ttl", "60", "--dry-run").stdout
    assert would == "would change zone example.com\n"
    refused = names("zones", "update", "example.com")
    assert (refused.returncode, "nothing to change: give --type" in refused.stderr) == (2, True)


def test_a_zone_that_fails(dns: Run) -> None:
    """If one of several zones cannot be created, the others are, it is named, and the exit status is 1."""
    dns("zones", "create", "example.com")
    done = dns("zones", "create", "example.com", "example.org", "--json", status=1)
    assert [zone["domain"] for zone in json.loads(done.stdout)] == ["example.org"]
    assert "example.com: ZoneAlreadyExistsError: " in done.stderr


def test_a_life_of_records(dns: Run, zone: str) -> None:
    """Records are created, changed and deleted by name, type and value; the siblings stay as they are."""
    done = dns("records", "create", zone, "Www.example.com", "aaaa", "2001:db8:0::1")
    assert done.stdout == "created record www AAAA 2001:db8::1\n"
    assert listed(dns) == [
        ("www", "A", "203.0.113.7"),
        ("www", "A", "203.0.113.8"),
        ("www", "AAAA", "2001:db8::1"),
    ]
    changed = dns(
        "records", "update", zone, "www", "A", "203.0.113.8", "--value", "203.0.113.9", "--ttl", "60"
    )
    assert changed.stdout == "updated record www A: value 203.0.113.8 to 203.0.113.9, TTL 300 to 60\n"
    assert dns("records", "update", zone, "www", "A", "--ttl", "90").stdout.splitlines() == [
        "updated record www A 203.0.113.7: TTL 300 to 90",
        "updated record www A 203.0.113.9: TTL 60 to 90",
    ]
    deleted = dns("records", "delete", zone, "www", "A", "203.0.113.7", "--yes")
    assert deleted.stdout == "deleted record www A 203.0.113.7\n"
    assert listed(dns, "www", "A") == [("www", "A", "203.0.113.9")]
    moved = dns("records", "update", zone, "www", "AAAA", "--name", "ipv6", "--json")
    assert [(one["name"], one["extra"]["ttl"]) for one in json.loads(moved.stdout)] == [("ipv6", 1800)]
    dns("records", "delete", zone, "www", "--yes")
    assert listed(dns) == [("ipv6", "AAAA", "2001:db8::1")]


@pytest.mark.parametrize(
    ("type_", "given", "options", "value", "fields"),
    [
        ("MX", "10 mail.example.com.", (), "10 mail.example.com.", {"priority": 10}),
        ("MX", "mail.example.com", ("--priority", "20"), "20 mail.example.com.", {"priority": 20}),
        ("SRV", "1 2 3 a.example.", (), "1 2 3 a.example.", {"priority": 1, "weight": 2, "port": 3}),
        ("CAA", '0 issue "ca.example"', (), '0 issue "ca.example"', {"flags": 0, "tag": "issue"}),
        ("CAA", "ca.example", ("--flags", "0", "--tag", "issue"), '0 issue "ca.example"', {"tag": "issue"}),
        ("TXT", 'say "hi"', (), 'say "hi"', {"data": 'say "hi"'}),
        ("TXT", '"one" "two \\"2\\""', (), 'onetwo "2"', {"data": 'onetwo "2"'}),
        ("CNAME", "Www.Example.org", (), "www.example.org.", {"data": "www.example.org"}),
    ],
)
def test_values(
    dns: Run, zone: str, type_: str, given: str, options: tuple[str, ...], value: str, fields: dict[str, Any]
) -> None:
    """A value is given as zone files write it or with options, TXT as it is; a list shows it so."""
    (made,) = json.loads(dns("records", "create", zone, "x", type_, given, *options, "--json").stdout)
    (row,) = json.loads(dns("records", "list", zone, "x", "--json").stdout)
    assert (made["value"], row["value"]) == (value, value)
    assert {name: row[name] for name in fields} == fields
    dns("records", "delete", zone, "x", type_, value, "--yes")
    assert listed(dns, "x") == []


def test_a_new_priority(dns: Run, zone: str) -> None:
    """A new value keeps the priority that the record has; a new priority keeps its value."""
    dns("records", "create", zone, "@", "MX", "10 a.example.")
    assert dns("records", "update", zone, "@", "MX", "--value", "b.example").stdout == (
        "updated record @ MX: value 10 a.example. to 10 b.example.\n"
    )
    dns("records", "update", zone, "@", "MX", "--priority", "5")
    assert listed(dns, "@", "MX") == [("@", "MX", "5 b.example.")]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("list", "exmple.com"), 3, "DigitalOcean has no zone 'exmple.com'; the nearest are example.com"),
        (("show", "example.com", "ww"), 3, "example.com has no record 'ww'; the nearest are www"),
        (("show", "example.com", "www", "MX"), 3, "there are www A 203.0.113.7, www A 203.0.113.8"),
        (
            ("show", "example.com", "www"),
            2,
            "more than one record 'www'; give the type and value of one, or its",
        ),
        (("delete", "example.com", "www", "A", "203.0.113.1"), 3, "no A record 'www' with the value"),
        (("create", "example.com", "a", "ZZ", "x"), 2, "TYPE must be a type of records"),
        (("create", "example.com", "a", "TLSA", "3 1 1 aa"), 1, "has no records of type TLSA, only A, AAAA"),
        (("create", "example.com", "a", "MX", "a.example"), 2, "must be like '10 mail.example.com.'"),
        (("create", "example.com", "a", "MX", "1 a.", "--priority", "1"), 2, "has a --priority already"),
        (("create", "example.com", "a", "A", "203.0.113.1", "--port", "1"), 2, "of type A has no --port"),
        (
            ("create", "example.com", "a", "TXT", '"open'),
            2,
            "that begins with a quote must be as in zone files",
        ),
        (("create", "example.com", "a", "CNAME", "www"), 2, "'www' must be the whole name"),
        (
            ("create", "example.com", "a.example.org.", "A", "203.0.113.1"),
            2,
            "is outside the zone example.com",
        ),
        (("create", "example.com", "a", "A", "203.0.113.1", "--ttl", "-1"), 2, "ttl must be an int from 0"),
        (
            ("create", "example.com", "a", "A", "203.0.113.1", "--set", "x=1"),
            2,
            "they have nothing beyond DNS",
        ),
        (
            ("create", "example.com", "www", "A", "203.0.113.7"),
            1,
            "RecordAlreadyExistsError: 'www' has this A",
        ),
        (("create", "example.com", "www", "CNAME", "a.example"), 1, "RecordConflictError: "),
        (("update", "example.com", "www"), 2, "nothing to change: give --value"),
        (("update", "example.com", "www", "--value", "203.0.113.1"), 2, "more than one record 'www'"),
        (("update", "example.com", "@", "--ttl", "60"), 2, "has only SOA and NS itself; give the type"),
        (
            ("delete", "example.com", "www"),
            2,
            "delete 2 records of example.com of prod? There is no terminal",
        ),
    ],
)
def test_bad_input(dns: Run, zone: str, arguments: tuple[str, ...], status: int, message: str) -> None:
    """What cannot be done ends with one line that says why, and the status of its kind; nothing changes."""
    done = dns("records", *arguments, status=status)
    lines = [line for line in done.stderr.splitlines() if not line.endswith(" ...")]
    assert len(lines) == 1
    assert message in lines[0]
    assert listed(dns) == [("www", "A", "203.0.113.7"), ("www", "A", "203.0.113.8")]


def test_ids(dns: Run, zone: str) -> None:
    """A record is named by its id too, also where several have its name."""
    rows = json.loads(dns("records", "list", zone, "www", "--json").stdout)
    for row in rows:
        shown = json.loads(dns("records", "show", zone, row["id"], "--json").stdout)
        assert shown["value"] == row["value"]
    dns("records", "delete", zone, rows[0]["id"], "--yes")
    assert listed(dns) == [("www", "A", rows[1]["value"])]


def test_the_zone_itself(dns: Run, zone: str) -> None:
    """A delete at the zone itself leaves its SOA and NS, unless the type is given."""
    dns("records", "create", zone, "@", "A", "203.0.113.1")
    assert dns("records", "delete", zone, "@", "--yes").stdout == "deleted record @ A 203.0.113.1\n"
    kept = [row["type"] for row in json.loads(dns("records", "list", zone, "@", "--json").stdout)]
    assert sorted(kept) == ["NS", "NS", "NS", "SOA"]
    dns("records", "delete", zone, "@", "NS", "ns3.digitalocean.com", "--yes")
    left = dns("records", "list", zone, "example.com", "ns", "--output", "value", "--columns", "data").stdout
    assert left.split() == ["ns1.digitalocean.com", "ns2.digitalocean.com"]


def test_a_dry_run(dns: Run, zone: str, cloud: Sandbox) -> None:
    """`--dry-run` prints each change, refuses what the real run would, and sends nothing but questions."""
    start = len(cloud.requests)
    for command, printed in (
        (("create", zone, "a", "A", "203.0.113.1"), "would create record a A 203.0.113.1\n"),
        (
            ("update", zone, "www", "A", "203.0.113.7", "--ttl", "5"),
            "would update record www A 203.0.113.7: TTL 300 to 5\n",
        ),
        (("delete", zone, "www", "A", "203.0.113.8"), "would delete record www A 203.0.113.8\n"),
    ):
        assert dns("records", *command, "--dry-run").stdout == printed
    refused = dns("records", "create", zone, "www", "CNAME", "a.example", "--dry-run", status=1)
    assert refused.stderr.startswith("RecordConflictError: ")
    assert dns("zones", "create", "example.org", "--dry-run").stdout == (
        "would create the zone example.org at DigitalOcean\n"
    )
    assert {request.method for request in cloud.requests[start:]} == {"GET"}


def test_one_of_several_fails(dns: Run, zone: str) -> None:
    """If one of several values cannot be created, the others are, it is named, and the exit status is 1."""
    done = dns("records", "create", zone, "www", "A", "203.0.113.6", "203.0.113.7", status=1)
    assert done.stdout == "created record www A 203.0.113.6\n"
    assert "create record www A 203.0.113.7: RecordAlreadyExistsError: " in done.stderr


def test_lists_of_records(dns: Run, zone: str) -> None:
    """Records are sorted, the zone itself first; lists have filters, columns and formats, tables no parts."""
    dns("records", "create", zone, "@", "MX", "10 a.example.")
    text = dns("records", "list", zone).stdout.splitlines()
    assert text[0].split() == ["name", "type", "ttl", "value"]
    assert [line.split()[:2] for line in text[1:]] == [
        ["@", "SOA"],
        *[["@", "NS"]] * 3,
        ["@", "MX"],
        *[["www", "A"]] * 2,
    ]
    found = dns("records", "list", zone, "--filter", "type=MX", "--columns", "priority,data", "--csv").stdout
    assert found == "priority,data\n10,a.example\n"
    sorted_ = dns("records", "list", zone, "www", "--sort", "value", "--reverse", "--output", "value").stdout
    assert sorted_ == "www\tA\t300\t203.0.113.8\nwww\tA\t300\t203.0.113.7\n"


def test_what_a_provider_has_beyond(names: Run) -> None:
    """Fields beyond DNS are columns, `--set` takes them with a type, and help lists them."""
    rows = json.loads(names("records", "list", "example.com", "--filter", "proxied=true", "--json").stdout)
    assert [(row["name"], row["proxied"], row["note"]) for row in rows] == [("www", True, None)]
    table = names("records", "list", "example.com", "www").stdout.splitlines()
    assert [line.split() for line in table] == [
        ["name", "type", "ttl", "value", "proxied"],
        ["www", "A", "60", "203.0.113.7", "true"],
    ]
    made = names(
        "records", "create", "example.com", "a", "A", "203.0.113.1",
        "--set", "proxied=false", "--set", 'note="5"', "--json",
    )  # fmt: skip
    assert json.loads(made.stdout)[0]["extra"] == {"proxied": False, "note": "5"}
    changed = names("records", "update", "example.com", "www", "--set", "proxied=false")
    assert changed.stdout == "updated record www A 203.0.113.7: proxied true to false\n"
    assert re.search(r"--set for Names:\n +note *\n +proxied", names("records", "create", "--help").stdout)
    refused = names("records", "update", "example.com", "www", "--set", "proxid=true")
    assert refused.returncode == 2
    assert "records of Names have no 'proxid'; the nearest are proxied" in refused.stderr


def test_texts_that_cannot_be_shown(names: Run) -> None:
    """A text that is not UTF-8, or has control or invisible characters, has escapes that name it."""
    text = '"caf\\233 \\226\\128\\174cod \\027[31m"'
    table = names("records", "list", "example.com", "raw").stdout.splitlines()
    assert table[1].split(None, 3)[-1] == text
    raw = names("records", "list", "example.com", "raw", "--json").stdout
    assert raw.rstrip("\n").isprintable()
    assert json.loads(raw)[0]["value"] == text
    assert names("records", "delete", "example.com", "raw", "TXT", text, "--yes").returncode == 0
    quoted = json.loads(names("records", "list", "example.com", "quoted", "--json").stdout)[0]
    assert (quoted["value"], quoted["data"]) == ('"\\"x\\""', '"x"')


def test_at_a_terminal(
    terminal: Any, dns: Run, zone: str, account: dict[str, str], at_terminal: AtTerminal
) -> None:
    """At a terminal types have colours, and a delete shows the records and asks."""
    assert "\x1b[32mA   " in at_terminal("dns", "records", "list", zone, **account)
    started = terminal("dns", "records", "delete", zone, "www", **account)
    shown = STYLE.sub("", started.until("[y/N] "))
    assert "delete 2 records of example.com of prod:" in shown
    assert len(re.findall(r"│ www +│ A +│ +300 │ 203\.0\.113\.[78] +│", shown)) == 2
    started.type("y\r")
    assert started.end() == 0
    assert listed(dns) == []


def test_a_zone_with_records_at_a_terminal(
    terminal: Any, dns: Run, zone: str, account: dict[str, str]
) -> None:
    """The question whether to delete a zone says how many records go with it."""
    started = terminal("dns", "zones", "delete", zone, **account)
    assert re.search(r"│ example\.com +│ +6 │", STYLE.sub("", started.until("[y/N] ")))
    started.type("n\r")
    assert started.end() == 1
    assert len(listed(dns)) == 2


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("records list ", ["example.com"]),
        ("records show example.com ", ["@", "www"]),
        ("records show example.com w", ["www"]),
        ("records delete example.com www ", ["A"]),
        ("records delete example.com www A ", ["203.0.113.7", "203.0.113.8"]),
        ("records create example.com new M", ["MX"]),
        ("zones delete ", ["example.com"]),
        ("records show none.example ", []),
    ],
)
def test_completion(run: Run, zone: str, account: dict[str, str], line: str, names: list[str]) -> None:
    """The shell completes zones, the names in one, the types of a name and their values."""
    words = f"polycloud dns {line}"
    done = run(
        _POLYCLOUD_COMPLETE="complete_bash",
        COMP_WORDS=words,
        COMP_CWORD=str(len(words.split(" ")) - 1),
        **account,
    )
    assert (done.stdout.split(), done.stderr) == (names, "")


@pytest.fixture
def server() -> Iterator[NameServer]:
    """A name server of `example.com` that serves one address of `www`."""
    answers = {("example.com", "NS"): ["ns."], ("www.example.com", "A"): ["203.0.113.7"]}
    with NameServer(answers).running() as server:
        yield server


def test_waits(dns: Run, zone: str, server: NameServer) -> None:
    """`wait` ends when the name servers serve what the zone has, or with --gone serve a value no longer."""
    at = ("--nameserver", f"[127.0.0.1]:{server.address[1]}")
    late = dns("records", "wait", zone, "www", *at, "--timeout", "0.3", status=1)
    assert "gave up after 0.3 s waiting for A www of example.com and 1 more to be served" in late.stderr
    assert (
        dns("records", "wait", zone, "www", "A", "203.0.113.7", *at).stdout
        == "1 record of example.com: served\n"
    )
    gone = ("records", "wait", zone, "www", "a", "--gone", *at)
    assert dns(*gone[:5], "203.0.113.9", *gone[5:]).stdout == "record www A 203.0.113.9: gone\n"
    assert "--gone needs name, type and value" in dns(*gone, status=2).stderr
    for wrong in ("", "a:b", "host:99999"):
        refused = dns("records", "wait", zone, "--nameserver", wrong, status=2)
        assert "--nameserver must be a host or an address" in refused.stderr


def test_changes_that_wait(dns: Run, zone: str, server: NameServer) -> None:
    """With --wait a change ends when it is served; one that is not served in time has been made."""
    at = ("--wait", "--nameserver", f"127.0.0.1:{server.address[1]}", "--timeout", "0.3")
    server.answers["new.example.com", "TXT"] = ['"x"']
    assert dns("records", "create", zone, "new", "TXT", "x", *at).stdout == "created record new TXT x\n"
    late = dns("records", "create", zone, "new", "TXT", "y", *at, status=1)
    assert late.stdout == "created record new TXT y\n"
    assert 'answers "x" for TXT of new.example.com' in late.stderr
    dns("records", "delete", zone, "new", "TXT", "y", "--yes", *at)
    dns("records", "delete", zone, "new", "TXT", "x", "--yes", *at, status=1)
    assert listed(dns, "new") == []

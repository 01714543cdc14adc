"""`polycloud dns export`, `import`, `plan`, `apply` and `copy`."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from polycloud.cli import statuses
from polycloud.sandbox import Sandbox
from support.dnsserver import NameServer

Run = Callable[..., subprocess.CompletedProcess[str]]

STYLE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
ACCOUNT = """
[profiles.{name}]
provider = "digitalocean"
service = "dns"
url = "{url}/v2"
token = "dop_v1_sandbox"
"""
ZONE = """\
$ORIGIN example.com.
$TTL 300
@ IN MX 10 mail
mail IN A 203.0.113.9
www IN A 203.0.113.7
www IN A 203.0.113.8
"""
OTHER = "$TTL 60\n@ A 203.0.113.1\n"


@pytest.fixture(scope="module")
def clouds() -> Iterator[tuple[Sandbox, Sandbox]]:
    with Sandbox("digitalocean", ssh="off") as one, Sandbox("digitalocean", ssh="off") as other:
        yield one, other


@pytest.fixture
def accounts(clouds: tuple[Sandbox, Sandbox], configured: Callable[[str], Path]) -> dict[str, str]:
    """The environment of a user with two accounts without zones; the first is the default."""
    for cloud in clouds:
        cloud.reset()
    tables = [
        ACCOUNT.format(name=name, url=cloud.url) for name, cloud in zip(("prod", "home"), clouds, strict=True)
    ]
    return {"POLYCLOUD_CONFIG": str(configured("".join(['default = "prod"\n', *tables])))}


@pytest.fixture
def dns(run: Run, accounts: dict[str, str]) -> Run:
    """Runs `polycloud dns` with these accounts, and expects its success unless told otherwise."""

    def do(*arguments: str, status: int = 0, **options: str) -> subprocess.CompletedProcess[str]:
        done = run("dns", *arguments, **{**accounts, **options})
        assert done.returncode == status, done.stdout + done.stderr
        return done

    return do


@pytest.fixture
def file(tmp_path: Path) -> str:
    """A file of the zone `example.com`."""
    path = tmp_path / "zones" / "example.com.zone"
    path.parent.mkdir()
    path.write_text(ZONE)
    return str(path)


@pytest.fixture
def zone(dns: Run, file: str) -> str:
    """A zone with the domain `example.com` that is like the file."""
    dns("apply", file, "--create", "--yes")
    return "example.com"


def listed(dns: Run, *account: str) -> list[str]:
    """The records of the zone but for its own SOA and NS."""
    text = dns("records", "list", "example.com", "--output", "value", *account).stdout
    return [line for line in text.splitlines() if not re.match(r"@\t(SOA|NS)\t", line)]


def test_a_life(dns: Run, file: str) -> None:
    """A plan shows what would change, `apply` makes it, and then there is nothing to do."""
    new = dns("plan", file, "--create").stdout.splitlines()
    assert new == [
        "example.com (a new zone) at DigitalOcean: 4 to create, 0 to update, 0 to delete, 0 unchanged",
        "+ @     MX        300  10 mail.example.com.",
        "+ mail  A         300  203.0.113.9",
        "+ www   A         300  203.0.113.7",
        "+ www   A         300  203.0.113.8",
    ]
    done = dns("apply", file, "--create", "--yes").stdout.splitlines()
    assert done == [*new, "example.com at DigitalOcean: 4 created"]
    Path(file).write_text(
        ZONE.replace("113.8", "113.6").replace("10 mail", "20 mail").replace("mail IN A", "m IN A")
    )
    done = dns("apply", file, "--yes", "--lenient").stdout.splitlines()
    assert done[-1] == "example.com at DigitalOcean: 1 created, 2 updated, 1 deleted"
    assert listed(dns) == [
        "@\tMX\t300\t20 mail.example.com.",
        "m\tA\t300\t203.0.113.9",
        "www\tA\t300\t203.0.113.6",
        "www\tA\t300\t203.0.113.7",
    ]
    nothing = "example.com at DigitalOcean: 0 to create, 0 to update, 0 to delete, 4 unchanged\n"
    assert dns("plan", file).stdout == dns("apply", file).stdout == nothing


def test_exit_code(dns: Run, zone: str, file: str) -> None:
    """With --exit-code a plan ends with 4 if there are changes, and with 0 if there are none."""
    dns("plan", file, "--exit-code")
    Path(file).write_text(ZONE + "new A 203.0.113.5\n")
    dns("plan", file)
    dns("plan", file, "--exit-code", status=statuses.CHANGES)


def test_json(dns: Run, zone: str, file: str) -> None:
    """With --json `plan` prints a list of plans, and `apply` what was done, with its plan on stderr."""
    Path(file).write_text(ZONE + "new A 203.0.113.5\n")
    (plan,) = json.loads(dns("plan", file, "--json").stdout)
    assert (plan["zone"], plan["creates"], plan["unchanged"]) == ("example.com", 1, 4)
    done = dns("apply", file, "--json", "--yes")
    (report,) = json.loads(done.stdout)
    assert (report["zone"], report["created"], report["failed"]) == ("example.com", 1, [])
    assert "+ new  A         300  203.0.113.5\n" in done.stderr


def test_export(dns: Run, zone: str, tmp_path: Path) -> None:
    """An export is a file like the zone, and does not replace one that exists without --force."""
    there = str(tmp_path / "exported")
    assert dns("export", zone, there).stdout == f"wrote example.com to {there}\n"
    text = Path(there).read_text()
    assert dns("export", "EXAMPLE.com.").stdout == text
    dns("plan", there, "--exit-code")
    assert f"{there} exists; give --force to replace it" in dns("export", zone, there, status=2).stderr
    dns("export", zone, there, "--force")


def test_sets_for_a_provider_of_octodns(dns: Run, tmp_path: Path) -> None:
    """Sets that are for some providers only need --octodns-target, which leaves out those of others."""
    file = tmp_path / "example.com.yaml"
    file.write_text(
        "www: {type: A, value: 203.0.113.7, octodns: {included: [prod]}}\n"
        "old: {type: A, value: 203.0.113.8, octodns: {excluded: [prod]}}\n"
    )
    refused = dns("import", str(file), "--create", "--yes", status=2).stderr
    assert "--octodns-target must be given: the set is included for 'prod' only" in refused
    dns("import", str(file), "--create", "--yes", "--octodns-target", "prod")
    rows = json.loads(dns("records", "list", "example.com", "--json").stdout)
    assert [row["name"] for row in rows if row["type"] == "A"] == ["www"]


@pytest.mark.parametrize("form", ["bind", "yaml", "json"])
def test_formats(dns: Run, zone: str, tmp_path: Path, form: str) -> None:
    """A zone is exported in each format, by --format or the file's name, and read again, also from a pipe."""
    there = tmp_path / f"example.com.{form}"
    dns("export", zone, str(there))
    text = there.read_text()
    assert text.startswith({"bind": "$ORIGIN", "yaml": "---", "json": "{"}[form])
    assert dns("export", zone, "--format", form).stdout == text
    dns("plan", str(tmp_path), "--exit-code")
    dns("plan", "-", "--format", form, "--zone", zone, "--exit-code", input=text)
    if form != "bind":
        assert "--zone must be given" in dns("plan", "-", "--format", form, input=text, status=2).stderr


def test_import(dns: Run, zone: str, tmp_path: Path) -> None:
    """An import adds what a zone lacks, with the TTL of its siblings, and changes and deletes nothing."""
    before = listed(dns)
    more = (
        "$TTL 60\n@ SOA a. b. 1 2 3 4 5\n@ NS ns.example.net.\nwww A 203.0.113.7\nwww A 203.0.113.5\n"
        "new TXT x\n"
    )
    done = dns("import", "-", "--zone", zone, "--yes", input=more).stdout.splitlines()
    assert done == [
        "example.com at DigitalOcean: 2 to create, 0 to update, 0 to delete, 4 unchanged",
        '+ new  TXT        60  "x"',
        "+ www  A         300  203.0.113.5",
        "example.com at DigitalOcean: 2 created",
    ]
    assert listed(dns) == sorted([*before, "new\tTXT\t60\tx", "www\tA\t300\t203.0.113.5"])
    refused = dns("import", "-", "--zone", zone, "--yes", input="$TTL 60\nwww CNAME x\n", status=1)
    assert "RecordConflictError: 'www' has a" in refused.stderr
    assert "line 2: CNAME record 'www'" in refused.stderr


def test_several_zones_and_accounts(dns: Run, zone: str, file: str) -> None:
    """A folder is all zone files in it, by their names; several accounts each get all zones."""
    folder = Path(file).parent
    (folder / "db.other.example").write_text(OTHER)
    (folder / "README.md").write_text("no zone")
    missing = dns("plan", str(folder), status=1)
    assert "db.other.example: NotFoundError: DigitalOcean has no zone 'other.example'; " in missing.stderr
    assert "\n--create makes a plan that creates it\n" in missing.stderr
    assert dns("apply", str(folder), "--yes", status=1).stderr.endswith("nothing was done\n")
    done = dns("apply", str(folder), "--create", "--yes", "-p", "prod", "-p", "home").stdout.splitlines()
    assert done[-3:] == [
        "prod: other.example at DigitalOcean: 1 created",
        "home: other.example at DigitalOcean: 1 created",
        "home: example.com at DigitalOcean: 4 created",
    ]
    assert listed(dns, "-p", "home") == listed(dns, "-p", "prod")


def test_copy(dns: Run, zone: str) -> None:
    """A copy makes the zone of another account like that of the first, or creates it."""
    dns("copy", "prod:example.com", "home:", "--dry-run")
    assert json.loads(dns("zones", "list", "-p", "home", "--json").stdout) == []
    dns("copy", "prod:example.com", "home:", "--yes")
    dns("records", "create", "example.com", "more", "A", "203.0.113.4", "-p", "home")
    dns("copy", "prod:Example.com", "home:example.com", "--yes")
    assert listed(dns, "-p", "home") == listed(dns, "-p", "prod")


def test_patterns_and_owners(dns: Run, zone: str, file: str) -> None:
    """`--only` and `--ignore` limit a plan to names, `--owner` to records that this owner has created."""
    Path(file).write_text("$ORIGIN example.com.\n$TTL 300\nnew A 203.0.113.5\n")
    only = dns("plan", file, "--only", "w*").stdout.splitlines()
    assert [line[:7] for line in only[1:]] == ["- www  "] * 2
    ignored = dns("plan", file, "--ignore", "*/MX", "--ignore", "www").stdout.splitlines()
    assert [line.split()[:2] for line in ignored[1:]] == [["-", "mail"], ["+", "new"]]
    owned = dns("apply", file, "--owner", "me", "--yes").stdout.splitlines()
    assert [line.split()[:2] for line in owned[1:-1]] == [["+", "new.a._polycloud"], ["+", "new"]]
    assert len(listed(dns)) == 6


def test_limits(dns: Run, zone: str, file: str) -> None:
    """A plan that deletes too much is refused before the question, unless told; `plan` says so."""
    Path(file).write_text(ZONE + "".join(f"h{at} A 203.0.113.5\n" for at in range(10)))
    dns("apply", file, "--yes")
    Path(file).write_text(ZONE)
    assert "only with --force" in dns("plan", file).stderr
    refused = dns("apply", file, "--yes", status=1).stderr
    assert "UnsafePlanError: the plan would delete 10 of the 18 records of example.com" in refused
    assert "--most-deleted 1" in refused
    both = dns("apply", file, "--force", "--most-deleted", "1", "--yes", status=2)
    assert "give either --force or the parts" in both.stderr
    dns("apply", file, "--most-deleted", "0.1", "--yes", status=1)
    assert dns("apply", file, "--force", "--yes").stdout.endswith("10 deleted\n")


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        ("", (), "example.com.zone has no records"),
        ("$TTL 1\nwww A 203.0.113.300\n", (), "example.com.zone:2: data of type A must be an IPv4 address"),
        (
            ZONE + "x CNAME y.example.\nx TXT a\n",
            (),
            "'x' has a record of type CNAME on line 7, beside which no TXT",
        ),
        (ZONE, ("--owner", "a b"), "owner must be a str of up to 100 letters"),
        (ZONE, ("nothing.zone",), "nothing.zone cannot be read"),
    ],
)
def test_bad_files(
    dns: Run, zone: str, file: str, text: str, arguments: tuple[str, ...], message: str
) -> None:
    """A file that is no zone is refused with its name and line, and nothing is done."""
    before = listed(dns)
    Path(file).write_text(text)
    done = dns("apply", file, *arguments, "--yes", status=1 if "nothing.zone" in arguments else 2)
    assert message in done.stderr
    assert listed(dns) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("copy", "prod:", "home:"), "'prod:' must name a zone: profile:example.com"),
        (("copy", "prod:example.com", "home"), "'home' must be profile:zone"),
        (
            ("plan", "{folder}", "{folder}/example.com", "--zone", "example.com"),
            "--zone is for one file, got 2",
        ),
        (
            ("copy", "prod:example.com", "prod:other.example"),
            "are of example.com, but the zone is other.example",
        ),
        (("plan", "{folder}/.."), "has no files of zones, such as example.com.zone"),
        (("plan", "{folder}", "{folder}/example.com"), "are both of the zone example.com"),
    ],
)
def test_bad_input(dns: Run, zone: str, file: str, arguments: tuple[str, ...], message: str) -> None:
    """Wrong addresses and files are refused with what is right."""
    folder = str(Path(file).parent)
    Path(folder, "example.com").write_text(ZONE)
    dns("zones", "create", "other.example")
    assert message in dns(*(text.format(folder=folder) for text in arguments), status=2).stderr


def test_problems(dns: Run, zone: str, file: str) -> None:
    """Each problem of a wanted zone is a line with its place, after the options that help."""
    Path(file).write_text(ZONE + 'a TXT v=spf1\na TXT "v=spf1 x"\n_x SRV 1 2 3 www\n')
    lines = dns("plan", file, status=2).stderr.splitlines()
    assert lines[0].endswith("the wanted zone has 2 problems; --lenient lets pass what the provider takes")
    assert sorted(re.sub(r".*zone:(\d+): (\w+) record .*", r"\1 \2", line) for line in lines[1:]) == [
        "8 TXT",
        "9 SRV",
    ]
    assert len(re.findall("^lenient: ", dns("plan", file, "--lenient").stdout, re.MULTILINE)) == 2


def test_types_that_the_provider_lacks(dns: Run, zone: str, file: str) -> None:
    """Types that the provider does not have are problems, unless --skip-unsupported leaves them out."""
    Path(file).write_text(ZONE + "a HINFO b c\n")
    refused = dns("plan", file, "--lenient", status=2).stderr.splitlines()
    assert refused[0].endswith("has a problem; --skip-unsupported leaves out types that the provider lacks")
    assert "HINFO record 'a': DigitalOcean has no records of type HINFO" in refused[1]
    dns("plan", file, "--skip-unsupported", "--exit-code")


def test_failures(dns: Run, zone: str, file: str) -> None:
    """What was not made is named with its error, the rest is made, and a second run makes what is left."""
    Path(file).write_text("$ORIGIN example.com.\n$TTL 300\nnew TXT x\nwww CNAME mail\n")
    done = dns("apply", file, "--ignore", "*/A", "--ignore", "*/MX", "--yes", status=1)
    assert done.stdout.endswith("example.com at DigitalOcean: 1 created, 1 failed\n")
    first, second = done.stderr.splitlines()
    assert first == "1 change failed; the same command makes what was not made"
    assert second.startswith("example.com at DigitalOcean: create CNAME www: RecordConflictError: ")
    assert dns("apply", file, "--yes").stdout.endswith("example.com at DigitalOcean: 1 updated, 3 deleted\n")


def test_at_a_terminal(terminal: Any, dns: Run, zone: str, file: str, accounts: dict[str, str]) -> None:
    """At a terminal the changes have colours, and are made only after a yes, to what was shown."""
    before = listed(dns)
    Path(file).write_text(ZONE.replace("113.8", "113.6") + "new A 203.0.113.5\n")
    started = terminal("dns", "apply", file, **accounts)
    shown = started.until("[y/N] ")
    assert "\x1b[32m+ new  A" in shown
    assert "\x1b[33m~ www  A" in shown
    assert "make 2 changes of example.com at DigitalOcean:" in STYLE.sub("", shown)
    started.type("n\r")
    assert started.end() == statuses.FAILED
    assert listed(dns) == before
    started = terminal("dns", "apply", file, **accounts)
    started.until("[y/N] ")
    dns("records", "update", zone, "www", "A", "203.0.113.8", "--value", "203.0.113.1")
    started.type("y\r")
    assert started.end() == statuses.FAILED
    assert "the zones have changed meanwhile, so nothing was done" in started.sent
    started = terminal("dns", "apply", file, **accounts)
    started.until("[y/N] ")
    started.type("y\r")
    assert started.end() == 0
    assert len(listed(dns)) == 5
    assert "no terminal" in dns("apply", "-", "--zone", zone, input=ZONE, status=2).stderr


def test_completion_of_addresses(run: Run, dns: Run, zone: str, accounts: dict[str, str]) -> None:
    """The shell completes accounts, then the zones of one."""
    for begun, names in (("", ["prod:", "home:"]), ("prod:", ["prod:example.com"])):
        line = f"polycloud dns copy {begun}"
        done = run(_POLYCLOUD_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD="3", **accounts)
        assert (done.stdout.split(), done.stderr) == (names, "")


def test_a_wait(dns: Run, zone: str, file: str) -> None:
    """With --wait `apply` ends when the name servers serve what was made, and no longer what was deleted."""
    Path(file).write_text(ZONE.replace("mail IN A", "m IN A"))
    answers = {("example.com", "NS"): ["ns."], ("m.example.com", "A"): ["203.0.113.9"]}
    with NameServer(answers).running() as server:
        at = ("--nameserver", f"127.0.0.1:{server.address[1]}", "--timeout", "5")
        dns("apply", file, "--lenient", "--yes", "--wait", *at)
        assert {*server.asked} == {("m.example.com", "A"), ("mail.example.com", "A")}

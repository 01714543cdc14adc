"""`polycloud lb`."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from polycloud.cli import finding
from polycloud.cli.balancersettings import health_check, listener, sticky, written
from polycloud.cli.membertexts import joined, parsed, spelled
from polycloud.cli.nouns import BALANCERS
from polycloud.cli.rollouts import Program
from polycloud.compute.drivers.ec2 import EC2NodeDriver
from polycloud.errors import InvalidArgumentError
from polycloud.loadbalancer.drivers.rackspace import RackspaceLBDriver
from polycloud.loadbalancer.objects import Member
from polycloud.loadbalancer.settings import HealthCheck, Listener, StickySessions
from polycloud.sandbox import Sandbox
from polycloud.tracing.hooks import add_hook
from support.haproxy import LISTENING, haproxy

Run = Callable[..., subprocess.CompletedProcess[str]]
AtTerminal = Callable[..., str]

STYLE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
PROGRAM = """
import json, os, sys, types
from pathlib import Path
from polycloud.loadbalancer.base import Algorithm, Member
from polycloud.loadbalancer.drivers.dummy import DummyLBDriver
from polycloud.loadbalancer.providers import set_driver
from polycloud.loadbalancer.settings import HealthCheck
from polycloud.loadbalancer.types import MemberHealth, State

SEEN = Path(os.environ["SEEN"])

class Fronts(DummyLBDriver):
    name = "Fronts"

    def __init__(self, *credentials, **options):
        super().__init__(*credentials, **options)
        for number, name in enumerate(("web", "api", "twin", "twin "), 1):
            made = super().create_balancer(name.strip() + ("2" if name != name.strip() else ""), 80)
            if name.startswith("twin"):
                self._balancers[made.id].name = "twin"
            if name == "web":
                for ip, port in (("10.0.0.1", 8080), ("10.0.0.2", 8080), ("10.0.0.2", 8081)):
                    self.balancer_attach_member(made, Member(None, ip, port, extra={"weight": 3}))
                self.balancer_attach_member(made, Member(None, "2001:db8::1", 8080))
                self._members[made.id]["10.0.0.2:8081"].health = MemberHealth.DOWN
            if name == "api":
                self._balancers[made.id].state = State.PENDING
                check = HealthCheck(protocol="http", path="/up", port=81)
                self._balancers[made.id].extra["health_check"] = check
                self.balancer_attach_member(made, Member(None, "10.0.0.5", 9090))

    def create_balancer(self, name, port, protocol="http", algorithm=Algorithm.ROUND_ROBIN, members=(), *,
                        ex_health_check: HealthCheck | None = None,
                        ex_certificate: str | None = None, ex_private_key: str | None = None,
                        ex_zones: int = 1, ex_public: bool = True):
        check = repr(ex_health_check)
        SEEN.write_text(json.dumps([ex_zones, ex_public, check, ex_certificate, ex_private_key]))
        return super().create_balancer(name, port, protocol, algorithm, members)

    def balancer_detach_member(self, balancer, member, wait_drained=None):
        with SEEN.open("a") as seen:
            seen.write(f"{member.ip}:{member.port} {wait_drained}\\n")
        return super().balancer_detach_member(balancer, member, wait_drained)

drivers = sys.modules["fronts"] = types.ModuleType("fronts")
drivers.Fronts = Fronts
set_driver("fronts", "fronts", "Fronts")
from polycloud.cli.main import run
run()
"""
"""The command with a driver that has four balancers, two of one name, and four members behind one."""


@pytest.fixture
def seen(tmp_path: Path) -> Path:
    """The file into which that driver writes what it was given."""
    return tmp_path / "seen"


@pytest.fixture
def lb(run: Run, configured: Callable[[str], Path], seen: Path) -> Run:
    """Runs `polycloud lb` with that driver, and an account of nodes; it must succeed by default."""
    file = configured(
        'default = "prod"\n[profiles.prod]\nprovider = "fronts"\nservice = "loadbalancer"\nkey = "x"\n'
        '[profiles.nodes]\nprovider = "dummy"\nkey = "x"\n'
    )

    def do(*arguments: str, status: int = 0, **options: str) -> subprocess.CompletedProcess[str]:
        done = run(
            *(["lb", *arguments] if arguments else []),
            program=PROGRAM,
            POLYCLOUD_CONFIG=str(file),
            SEEN=str(seen),
            **options,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done

    return do


@pytest.fixture(scope="module")
def amazon(aws: Sandbox) -> Sandbox:
    with EC2NodeDriver(*aws.credentials, region="us-east-1", **aws.options) as ec2:
        size = next(one for one in ec2.list_sizes() if one.id == "t3.micro")
        for name in ("web-1", "web-2"):
            ec2.create_node(name=name, image=ec2.list_images()[0], size=size)
    return aws


@pytest.fixture
def balanced(amazon: Sandbox, run: Run, configured: Callable[[str], Path]) -> Iterator[dict[str, str]]:
    """The environment of a user with an account at Amazon whose balancer `front` has two nodes of `ec2`."""
    key, secret = amazon.credentials
    tables = [
        f'[profiles.{name}]\nprovider = "{provider}"\nkey = "{key}"\nsecret = "{secret}"\n'
        f'host = "127.0.0.1"\nport = {amazon.options["port"]}\nsecure = false\nregion = "us-east-1"\n'
        for name, provider in (("front", "elb"), ("ec2", "ec2"))
    ]
    variables = {"POLYCLOUD_CONFIG": str(configured("".join(['default = "front"\n', *tables])))}
    nodes = ("--node", "ec2:web-1:8080", "--node", "ec2:web-2")
    more = ("--health-check", "http:/healthz", "--sticky", "cookie", "--wait")
    made = run("lb", "create", "front", "--port", "80", *nodes, *more, **variables)
    assert made.returncode == 0, made.stderr
    yield variables
    run("lb", "destroy", "front", "--yes", **variables)


def test_lists(lb: Run) -> None:
    """A list has states and algorithms by their names, filters and formats, and columns of settings."""
    rows = json.loads(lb("list", "--filter", "name=web", "--json").stdout)
    assert [(row["name"], row["state"], row["address"], row["port"]) for row in rows] == [
        ("web", "running", "192.0.2.1", 80)
    ]
    assert (rows[0]["protocol"], rows[0]["algorithm"]) == ("http", "round_robin")
    chosen = lb("list", "--filter", "state=pending", "--output", "value", "--columns", "name,health_check")
    assert chosen.stdout == "api\thttp:81/up\n"


def test_a_balancer_with_members(lb: Run) -> None:
    """`show` has the members with their health below the balancer; in JSON settings have their parts."""
    lines = lb("show", "web").stdout.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("address") and "health" in line)
    assert [line.split()[1] for line in lines[:at] if line.startswith(("name", "state"))] == [
        "web",
        "running",
    ]
    assert [line.split()[:3] for line in lines[at + 1 : at + 4]] == [
        ["10.0.0.1", "8080", "up"],
        ["10.0.0.2", "8080", "up"],
        ["10.0.0.2", "8081", "down"],
    ]
    shown = json.loads(lb("show", "api", "--json").stdout)
    assert [member["address"] for member in shown["members"]] == ["10.0.0.5"]
    assert shown["extra"]["algorithm"] == "round_robin"
    assert shown["extra"]["health_check"] == {"protocol": "http", "port": 81, "path": "/up"}


def test_members(lb: Run) -> None:
    """`members` is a list as any other, and `show --columns` prints only these."""
    rows = lb("members", "web", "--filter", "health=down", "--output", "value", "--columns", "address,port")
    assert rows.stdout == "10.0.0.2\t8081\n"
    assert lb("show", "web", "--columns", "id,state", "--output", "value").stdout == "1\trunning\n"


def test_names(lb: Run) -> None:
    """A name of two balancers is refused with their ids, and one that there is not with the nearest."""
    refused = lb("destroy", "twin", "--yes", status=2).stderr
    assert "more than one balancer is called 'twin'; give the id of one: 3 (twin), 4 (twin)" in refused
    assert "has no balancer 'wbe'; the nearest are web" in lb("show", "wbe", status=3).stderr


def test_a_new_balancer(lb: Run, seen: Path) -> None:
    """Options become the driver's arguments, of its types; a member without a port has that of the first."""
    asked = (
        "--port",
        "80",
        "--member",
        "10.0.1.1:8080",
        "--member",
        "10.0.1.2,weight=5",
        "--node",
        "nodes:dummy-1",
    )
    more = ("--health-check", "http:/up,interval=5", "--set", "ex_zones=2", "--set", "ex_public=no")
    would = lb("create", "new", *asked, *more, "--dry-run").stdout
    assert would == (
        "would create the balancer new at Fronts: port 80, health_check http:/up,interval=5, zones 2, "
        "public False, members 10.0.1.1:8080, 10.0.1.2:8080, 127.0.0.1:8080\n"
    )
    assert not seen.exists()
    made = json.loads(lb("create", "new", *asked, *more, "--wait", "--json").stdout)
    assert (made["name"], made["address"], made["state"]) == ("new", "192.0.2.5", "running")
    assert json.loads(seen.read_text())[:2] == [2, False]
    assert "path='/up', interval=5" in json.loads(seen.read_text())[2]


def test_certificates(lb: Run, seen: Path, tmp_path: Path) -> None:
    """A certificate is an id or, with its key, a file; a key is not printed, nor is it a word."""
    (tmp_path / "cert.pem").write_text("CERT\n")
    (tmp_path / "key.pem").write_text("KEY")
    files = ("--certificate", f"@{tmp_path}/cert.pem", "--private-key", f"{tmp_path}/key.pem")
    would = lb("create", "new", "--port", "443", *files, "--dry-run").stdout
    assert would.endswith("port 443, certificate given, private_key given, members none\n")
    lb("create", "new", "--port", "443", *files)
    assert json.loads(seen.read_text())[3:] == ["CERT\n", "KEY"]
    lb("create", "new", "--port", "443", "--certificate", "arn:1")
    assert json.loads(seen.read_text())[3:] == ["arn:1", None]
    refused = lb("create", "new", "--port", "443", "--set", "ex_private_key=KEY", status=2).stderr
    assert "ex_private_key has an option of its own" in refused
    refused = lb("create", "new", "--port", "443", "--private-key", f"{tmp_path}/none.pem", status=2).stderr
    assert f"{tmp_path}/none.pem cannot be read: No such file or directory" in refused


def test_what_a_driver_does_not_have(lb: Run, seen: Path) -> None:
    """An option that the driver does not have is refused by its name; `--help` lists what `--set` takes."""
    refused = lb("create", "new", "--port", "80", "--sticky", "cookie", status=1).stderr
    assert "Fronts does not take --sticky when a balancer is created" in refused
    refused = lb("create", "new", "--port", "80", "--set", "ex_zone=2", status=2).stderr
    assert "create_balancer of Fronts has no 'ex_zone'; the nearest are ex_zones" in refused
    section = lb("create", "--help").stdout.partition("--set for Fronts:")[2]
    assert section.split() == ["ex_zones", "a", "number", "ex_public", "true", "or", "false"]
    assert not seen.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("create", "x", "--port", "80", "--member", "10.0.0.1:0"),
            "the port of '10.0.0.1:0' must be an int from 1",
        ),
        (("create", "x", "--port", "80", "--member", "a:b:c"), "a member must be ADDRESS:PORT, such as"),
        (("create", "x", "--port", "80", "--member", "i-1"), "the member's port must not be None"),
        *(
            (
                ("create", "x", "--port", "80", "--health-check", f"http:/up{wrong}"),
                "--health-check must be PROTO",
            )
            for wrong in (",interval=soon", ",intervall=5", ",interval=5,")
        ),
        (
            ("create", "x", "--port", "80", "--listener", "443:https-"),
            "--listener must be PORT:PROTOCOL[=PORT",
        ),
        (
            ("create", "x", "--port", "80", "--sticky", "ip"),
            "--sticky must be cookie[:NAME][,ttl=SECONDS] or",
        ),
        (
            ("create", "x", "--port", "80", "--health-check", "http:x"),
            "--health-check must be PROTOCOL[:PORT]",
        ),
        (
            ("create", "x", "--port", "80", "--algorithm", "best"),
            "--algorithm must be one of random, round_robin",
        ),
        (("update", "web"), "nothing to change: give --name, --port"),
        (("attach", "web"), "give a MEMBER or --node"),
        (("drain", "web"), "give either a MEMBER or --node"),
        (("detach", "web", "10.0.0.2"), "give the id of one: 10.0.0.2:8080, 10.0.0.2:8081"),
        (("attach", "web", "--node", "dummy-1"), "the nodes of another account are --node PROFILE:NAME"),
        (("attach", "web", "i-1:80"), "MEMBER must be ADDRESS:PORT, such as 10.0.0.1:8080 or"),
    ],
)
def test_wrong_calls(lb: Run, arguments: tuple[str, ...], message: str) -> None:
    """What cannot be meant is refused with 2 and a message that says what is right."""
    assert message in lb(*arguments, status=2).stderr


def test_attaching(lb: Run) -> None:
    """Members are attached by address, at the port of the others by default, and nodes by name."""
    done = lb(
        "attach", "api", "10.0.0.9:90", "--node", "nodes:dummy-1", "--node", "nodes:dummy-2:81", "--wait"
    )
    where = "to balancer api (id 2)"
    assert done.stdout.splitlines() == [
        f"attached member 10.0.0.9:90 {where}",
        f"attached node dummy-1 (id 1) {where}",
        f"attached node dummy-2 (id 2) {where}",
        "member 10.0.0.9:90 of balancer api (id 2) is up",
        "member 127.0.0.1:80 of balancer api (id 2) is up",
        "member 127.0.0.2:81 of balancer api (id 2) is up",
    ]
    web = "balancer web (id 1)"
    assert (
        lb("attach", "api", "10.0.0.9", "--dry-run").stdout == f"would attach member 10.0.0.9:9090 {where}\n"
    )
    assert (
        lb("attach", "web", "10.0.0.9", "--dry-run").stdout == f"would attach member 10.0.0.9:80 to {web}\n"
    )
    failed = lb("attach", "web", "10.0.0.9:80", "10.0.0.1:8080", "[2001:db8:0::2]:80", status=1)
    assert failed.stdout.splitlines() == [
        f"attached member 10.0.0.9:80 to {web}",
        f"attached member [2001:db8::2]:80 to {web}",
    ]
    assert "member 10.0.0.1:8080: MemberAlreadyExistsError: " in failed.stderr


def test_detaching(lb: Run, seen: Path) -> None:
    """Members are named by address, alone if only one has it, in any spelling; --drain reaches the driver."""
    done = lb("detach", "web", "10.0.0.1", "[2001:DB8:0::1]:8080", "10.0.0.2:8081", "--drain", "30")
    assert done.stdout.splitlines() == [
        f"detached member {one} from balancer web (id 1)"
        for one in ("10.0.0.1:8080", "[2001:db8::1]:8080 (id 2001:db8::1:8080)", "10.0.0.2:8081")
    ]
    assert seen.read_text().splitlines() == [
        "10.0.0.1:8080 30.0",
        "2001:db8::1:8080 30.0",
        "10.0.0.2:8081 30.0",
    ]
    missing = lb("detach", "web", "10.0.0.7", status=3).stderr
    assert "balancer web (id 1) has no member '10.0.0.7'; the nearest are" in missing
    assert (
        "node dummy-1 (id 1) is no member of"
        in lb("detach", "web", "--node", "nodes:dummy-1", status=3).stderr
    )


def test_draining(lb: Run, seen: Path) -> None:
    """`drain` takes a member out, and says the command that puts it back, with its weight."""
    done = lb("drain", "web", "10.0.0.1", "--timeout", "9")
    assert done.stdout == "drained member 10.0.0.1:8080 of balancer web (id 1)\n"
    assert seen.read_text() == "10.0.0.1:8080 9.0\n"
    assert done.stderr.endswith("to put it back: polycloud lb attach 1 10.0.0.1:8080,weight=3\n")
    assert lb("drain", "web", "10.0.0.1", "--dry-run").stderr == ""


def test_rolling(lb: Run, seen: Path) -> None:
    """Members are taken out, changed by a command, and put back in turn; a failure ends that."""
    would = lb("rolling", "web", "10.0.0.1", "--run", "echo {address}", "--dry-run").stdout
    assert (
        would
        == "would take member 10.0.0.1:8080 out of balancer web (id 1), run echo 10.0.0.1, put it back\n"
    )
    assert not seen.exists()
    done = lb(
        "rolling", "web", "10.0.0.1", "10.0.0.2:8080", "--run", "echo {name} '{id} {else}'", "--drain", "7"
    )
    assert done.stdout.splitlines() == [
        "10.0.0.1:8080: 10.0.0.1:8080 10.0.0.1:8080 {else}",
        "member 10.0.0.1:8080 is changed",
        "10.0.0.2:8080: 10.0.0.2:8080 10.0.0.2:8080 {else}",
        "member 10.0.0.2:8080 is changed",
    ]
    assert seen.read_text().splitlines() == ["10.0.0.1:8080 7.0", "10.0.0.2:8080 7.0"]
    failed = lb("rolling", "web", "10.0.0.1", "10.0.0.2:8080", "--run", "sh -c 'exit 3'", status=1).stderr
    assert (
        "10.0.0.1:8080 failed: sh -c 'exit 3' ended with 3 (done: none; left as they were: 10.0.0.2" in failed
    )
    assert failed.endswith("to look: polycloud lb members 1\n")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("", "--run must be a command"),
        ("echo '", "--run must be a command, got"),
        ("no-such-program", "--run must be a program with its arguments, 'no-such-program' is none"),
        ("ssh {name}", "'-oProxy' of member -oProxy would be an option of ssh"),
        ("ssh {address}", "the address of member -oProxy is not known; name it by --node"),
    ],
)
def test_commands_that_are_refused(command: str, message: str) -> None:
    """A command is refused before anything is done if it is no program, or a member does not fit into it."""
    with pytest.raises(InvalidArgumentError, match=re.escape(message)):
        Program.of(command).words_for(Member("-oProxy", None, 80))


def test_an_update(lb: Run) -> None:
    """A balancer is changed where an option is given."""
    would = lb("update", "web", "--port", "81", "--dry-run").stdout
    assert would == "would change balancer web (id 1)\n"
    changed = json.loads(
        lb("update", "web", "--port", "81", "--algorithm", "least-connections", "--json").stdout
    )
    assert (changed["name"], changed["port"], changed["algorithm"]) == ("web", 81, "least_connections")


def test_waits(lb: Run) -> None:
    """`wait` says where balancers are when they run; with --healthy a member that is down ends it with 1."""
    assert lb("wait", "web").stdout == "balancer web (id 1) is running at 192.0.2.1\n"
    failed = lb("wait", "web", "--healthy", "--timeout", "0.05", status=1)
    assert "OperationTimeoutError: " in failed.stderr
    assert "not healthy: 10.0.0.2:8081" in failed.stderr


def test_destroying(lb: Run, terminal: Callable[..., Any]) -> None:
    """Balancers are destroyed after a question only, unless --yes says so."""
    refused = lb("destroy", "web", status=2)
    assert "destroy 1 balancer of prod? There is no terminal to ask at" in refused.stderr
    assert lb("destroy", "web", "--dry-run").stdout == "would destroy balancer web (id 1)\n"
    done = lb("destroy", "web", "api", "--yes").stdout.splitlines()
    assert done == ["destroyed balancer web (id 1)", "destroyed balancer api (id 2)"]


def test_hostile_names(lb: Run, at_terminal: AtTerminal, dummies: dict[str, str]) -> None:
    """What would act on a terminal in a name is neither printed nor executed."""
    made = lb("create", "a\x1b[31mb", "--port", "80", "--dry-run").stdout
    assert "\x1b" not in made
    shown = at_terminal("lb", "create", "a\u202eb", "--port", "80", **dummies)
    assert "\u202e" not in shown
    assert "a b" in STYLE.sub("", shown)


def test_at_a_terminal(terminal: Callable[..., Any], balanced: dict[str, str]) -> None:
    """The question whether to destroy a balancer counts its members; states and health have colours."""
    shown = terminal("lb", "show", "front", columns=100, **balanced)
    assert shown.end() == 0
    assert re.search(r"\x1b\[32mrunning +\x1b\[0m", shown.sent)
    assert re.search(r"\x1b\[32mup +\x1b\[0m", shown.sent)
    asked = terminal("lb", "destroy", "front", columns=100, **balanced)
    asked.until("Are you sure? [y/N] ")
    rows = [re.split(r" *│ *", line) for line in STYLE.sub("", asked.sent).splitlines() if "│" in line]
    table = dict(zip(*rows, strict=True))
    assert (table["name" if "name" in table else "id"], table["members"]) == ("front", "2")
    asked.type("n\n")
    assert asked.end() == 1
    assert "nothing was done to 1 balancer of front" in asked.sent


def test_amazon(run: Run, balanced: dict[str, str]) -> None:
    """Nodes of another account become members by their names, and leave so; options reach the provider."""

    def lb(*arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        done = run("lb", *arguments, **balanced)
        assert done.returncode == status, done.stderr
        return done

    shown = json.loads(lb("show", "front", "--json").stdout)
    assert (shown["health_check"], shown["sticky"], shown["member_count"]) == (
        "http:/healthz,interval=30,timeout=5,healthy=10,unhealthy=2",
        "cookie",
        2,
    )
    assert shown["listeners"] == "80:http=8080"
    first = shown["members"][0]["id"]
    lb("detach", "front", "--node", "ec2:web-1")
    assert "is no member of balancer front" in lb("detach", "front", "--node", "ec2:web-1", status=3).stderr
    assert first not in lb("members", "front", "--output", "value").stdout
    lb("attach", "front", "--node", "ec2:web-1:8080", "--wait")
    assert first in lb("members", "front", "--output", "value").stdout
    done = lb("rolling", "front", "--node", "ec2:web-1", "--run", "echo {name}", "--drain", "1")
    assert done.stdout.startswith("web-1: web-1\n")
    refused = lb("update", "front", "--sticky", "cookie", status=1).stderr
    assert "does not take --sticky when a balancer is changed" in refused


@pytest.mark.parametrize("form", ["path", "port"])
def test_haproxy(run: Run, configured: Callable[[str], Path], form: str) -> None:
    """A running HAProxy is an account: its backends are listed, and their members come and go."""
    with haproxy(LISTENING) as running:
        where = f'path = "{running.path}"' if form == "path" else f'host = "127.0.0.1"\nport = {running.api}'
        file = configured(f'[profiles.edge]\nprovider = "haproxy"\n{where}\n')

        def lb(*arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
            done = run("lb", *arguments, POLYCLOUD_CONFIG=str(file))
            assert done.returncode == status, done.stderr
            return done

        assert lb("list", "--output", "value", "--columns", "name,algorithm").stdout.splitlines() == [
            "web\tround_robin",
            "other\tleast_connections",
        ]
        lb("attach", "web", "127.0.0.1:81,weight=7")
        shown = lb("members", "web", "--output", "value", "--columns", "address,port,weight").stdout
        assert shown == "127.0.0.1\t81\t7\n"
        assert "127.0.0.1:82 to balancer web" in lb("attach", "web", "127.0.0.1:82").stdout
        back = lb("drain", "web", "127.0.0.1:81", "--timeout", "5").stderr
        assert back.endswith("polycloud lb attach web 127.0.0.1:81,weight=7\n")
        lb("detach", "web", "127.0.0.1", "--drain", "5")
        assert lb("members", "web", "--output", "value").stdout == ""
        assert "does not offer create_balancer" in lb("create", "x", "--port", "80", status=1).stderr


def test_an_interrupted_round(terminal: Callable[..., Any], balanced: dict[str, str]) -> None:
    """Ctrl-C ends the command that runs, and says which member is out of the balancer."""
    words = ("front", "--node", "ec2:web-1", "--drain", "1", "--run", "sh -c 'echo begun; sleep 60'")
    begun = terminal("lb", "rolling", *words, columns=200, **balanced)
    begun.until("web-1: begun")
    begun.type("\x03")
    assert begun.end() == 130
    assert "web-1 is out of the balancer 'front'" in begun.sent
    assert "to look: polycloud lb members front" in STYLE.sub("", begun.sent)


def test_digitalocean(run: Run, configured: Callable[[str], Path]) -> None:
    """Nodes of the account itself become members by their names; the list says how many there are."""
    with Sandbox("digitalocean", ssh="off", build=0.1, balance=0.1, attach=0.1) as cloud:
        (token,) = cloud.credentials
        url = f"{cloud.url}/v2"
        file = configured(f'[profiles.prod]\nprovider = "digitalocean"\nurl = "{url}"\ntoken = "{token}"\n')

        def do(*arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
            done = run(*arguments, POLYCLOUD_CONFIG=str(file))
            assert done.returncode == status, done.stderr
            return done

        order = ("--size", "s-1vcpu-1gb", "--image", "ubuntu-24-04-x64", "--location", "nyc1")
        do("nodes", "create", "--name", "node", *order, "--count", "2", "--wait")
        one, two = "node-1", "node-2"
        do("lb", "create", "web", "--port", "80", "--node", f"{one}:8080", "--wait")
        do("lb", "attach", "web", "--node", two)
        columns = ("--output", "value", "--columns", "name,state,member_count,listeners")
        assert do("lb", "list", *columns).stdout == "web\trunning\t2\t80:http=8080\n"
        for words in (("detach", "--drain", "3"), ("drain", "--dry-run"), ("rolling", "--run", "true")):
            refused = do("lb", *words, "web", "--node", two, status=1).stderr
            advice = "use `lb detach` without --drain (for `lb rolling` give --cut) to detach it at once"
            assert advice in refused, words
        done = do("lb", "rolling", "web", "--node", one, "--node", two, "--run", "echo {address}", "--cut")
        assert [line.split(": ")[0] for line in done.stdout.splitlines()[::2]] == [one, two]
        do("lb", "detach", "web", "--node", two)
        assert len(json.loads(do("lb", "show", "web", "--json").stdout)["members"]) == 1
        do("lb", "destroy", "web", "--yes")


def test_linode(run: Run, configured: Callable[[str], Path]) -> None:
    """Weights, health and settings are the provider's; a failed wait names the unhealthy member."""
    with Sandbox("linode", ssh="off") as cloud:
        (token,) = cloud.credentials
        url = f"{cloud.url}/v4"
        file = configured(f'[profiles.prod]\nprovider = "linode"\nurl = "{url}"\ntoken = "{token}"\n')

        def lb(*arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
            done = run("lb", *arguments, POLYCLOUD_CONFIG=str(file))
            assert done.returncode == status, done.stderr
            return done

        more = ("--sticky", "source_ip", "--health-check", "http:/up,interval=9,timeout=3", "--wait")
        asked = ("--region", "us-east", "--member", "192.168.130.4:80,weight=5", *more)
        made = json.loads(lb("create", "webs", "--port", "80", *asked, "--json").stdout)
        assert (made["state"], made["sticky"]) == ("running", "source_ip")
        assert made["health_check"].startswith("http:/up,interval=9,timeout=3")
        failed = lb("attach", "webs", "192.168.130.5", "--wait", "--timeout", "0.1", status=1)
        assert "attached member 192.168.130.5:80 to balancer webs" in failed.stdout
        assert "not healthy: 192.168.130.5:80" in failed.stderr
        rows = json.loads(lb("members", "webs", "--json", "--columns", "address,weight,condition").stdout)
        assert [(row["address"], row["weight"]) for row in rows] == [
            ("192.168.130.4", 5),
            ("192.168.130.5", 100),
        ]
        assert {row["condition"] for row in rows} == {"enabled"}
        lb("update", "webs", "--port", "81", "--name", "webz")
        assert lb("list", "--output", "value", "--columns", "name,port").stdout == "webz\t81\n"
        drained = lb("drain", "webz", "192.168.130.4", "--timeout", "0.2")
        said, _, back = " ".join(drained.stderr.split()).partition(" to put it back: polycloud lb ")
        assert said.startswith(
            "Linode does not say when connections have ended: each member drains for 0.2 s drain member"
        )
        assert back.endswith(" 192.168.130.4:80,weight=5")
        lb(*shlex.split(back))
        lb("detach", "webz", "192.168.130.5", "--drain", "0.2")
        rows = json.loads(lb("members", "webz", "--json", "--columns", "address,weight,condition").stdout)
        assert [list(row.values()) for row in rows] == [["192.168.130.4", 5, "enabled"]]


def test_completion(lb: Run) -> None:
    """The shell completes balancers, those of one name by their ids, members, algorithms and settings."""

    def offered(line: str) -> list[str]:
        words = f"polycloud lb {line}"
        cword = str(len(words.split(" ")) - 1)
        done = lb(_POLYCLOUD_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=cword)
        return done.stdout.split()

    assert offered("show ") == ["web", "api", "3", "4"]
    assert offered("detach web ") == [
        "10.0.0.1:8080",
        "10.0.0.2:8080",
        "10.0.0.2:8081",
        "\\[2001:db8::1\\]:8080",
    ]
    assert offered("create --algorithm rou") == ["round_robin"]
    assert offered("create --set ") == ["ex_zones=", "ex_public="]


@pytest.mark.parametrize(
    ("text", "setting", "read"),
    [
        ("443:https", Listener(port=443, protocol="https"), listener),
        (
            "443:https=8080:http",
            Listener(port=443, protocol="https", member_port=8080, member_protocol="http"),
            listener,
        ),
        ("tcp", HealthCheck(), health_check),
        (
            "http:8081/a,b,timeout=2",
            HealthCheck(protocol="http", port=8081, path="/a,b", timeout=2),
            health_check,
        ),
        ("cookie:srv,ttl=60", StickySessions(cookie="srv", ttl=60), sticky),
        ("source_ip", StickySessions(by="source_ip"), sticky),
    ],
)
def test_settings(text: str, setting: Any, read: Callable[[str], Any]) -> None:
    """A setting is read from one word, and what lists show of it is such a word again."""
    assert read(text) == setting
    assert written(setting) == text


@pytest.mark.parametrize(
    ("text", "member"),
    [
        ("10.0.0.1:80", (None, "10.0.0.1", 80)),
        ("10.0.0.1", (None, "10.0.0.1", None)),
        ("2001:db8::1", (None, "2001:db8::1", None)),
        ("[2001:DB8:0::1]:80", (None, "2001:db8::1", 80)),
        ("i-0abc", ("i-0abc", None, None)),
        ("i-0abc:80", ("i-0abc", None, 80)),
    ],
)
def test_members_as_texts(text: str, member: tuple[str | None, str | None, int | None]) -> None:
    """A member is an address or an id, and perhaps a port; an address of IPv6 has brackets before one."""
    found = parsed(text)
    assert (found.id, found.ip, found.port) == member
    if found.ip:
        assert joined(found.ip, found.port) == spelled(text)


@pytest.mark.parametrize("text", ["", "[10.0.0.1", "a:b", "[x]:80", "10.0.0.1:80:80", "10.0.0.1:80,height=2"])
def test_texts_that_are_no_members(text: str) -> None:
    """Other texts are refused, with the form of a member."""
    with pytest.raises(InvalidArgumentError, match="a member must be ADDRESS:PORT"):
        parsed(text)


def test_the_cost_of_a_name() -> None:
    """A balancer is found by its id with one request, by its name with three, and has all details."""
    with Sandbox("rackspace", ssh="off", balancing=0.0) as cloud:
        driver = RackspaceLBDriver(*cloud.credentials, **cloud.options)
        check = HealthCheck(protocol="http", path="/up", interval=15, timeout=5, unhealthy=4)
        made = [driver.create_balancer(f"web{number}", 80, ex_health_check=check) for number in range(6)]
        sent: list[str] = []
        remove = add_hook(lambda trace: sent.append(trace.path))
        try:
            for text, cost in ((made[3].id, 1), ("web3", 3)):
                sent.clear()
                found = finding.find(driver, BALANCERS, text)
                assert (found.id, found.extra["health_check"], len(sent)) == (made[3].id, check, cost)
        finally:
            remove()
        driver.close()

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from polycloud.compute.drivers.dummy import DummyNodeDriver
from polycloud.testing import ComputeConformance
from polycloud.testing.conformance.base import rules

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    AtTerminal = Callable[..., str]
    Run = Callable[..., subprocess.CompletedProcess[str]]

DRIVERS = '''
from polycloud.common.base import ConnectionKey, JsonResponse
from polycloud.compute.base import NodeDriver, NodeImage, NodeLocation
from polycloud.compute.drivers.dummy import DummyNodeDriver


class Lister(DummyNodeDriver):
    """Lists its images twice."""

    def list_images(self, location=None):
        return super().list_images() * 2


class Talkative(DummyNodeDriver):
    """Tells its key."""

    def list_locations(self):
        print("listing")
        raise ValueError(f"no locations for {self.key}")


class Line(ConnectionKey):
    host = "api.example.com"
    responseCls = JsonResponse


class Locator(NodeDriver):
    type, name, connectionCls = "locator", "Locator", Line

    def list_locations(self):
        locations = self.connection.request("/").object
        return [NodeLocation(one["id"], one["name"], "US", self) for one in locations]


class Unmade(NodeDriver):
    def __init__(self, *args, **options):
        raise KeyError(f"no endpoint for {args[0]}")


class Creator(Locator):
    def create_node(self, *args, **options): ...


class Undead(DummyNodeDriver):
    """Says that it destroys."""

    def destroy_node(self, node):
        return True


class Careless(DummyNodeDriver):
    """Has a mistake in what makes its nodes."""

    def create_node(self, name, *args, **options):
        node = super().create_node(name, *args, **options)
        return node if name.startswith("dummy") else node.ip4
'''
IMPORTS = "import pytest\nfrom drivers import Lister\n"
SUITES = """
import pytest
from polycloud.testing import ComputeConformance
from drivers import Lister


@pytest.fixture(scope="module")
def key():
    return "of the module"


class TestLister(ComputeConformance):
    over_http = False
    not_offered = frozenset({"reboot_node"})

    @pytest.fixture
    def driver(self, key):
        return Lister(key)


class TestBare(ComputeConformance):
    pass


class TestNothing(ComputeConformance):
    @pytest.fixture
    def driver(self):
        raise RuntimeError("the server did not start")
"""


FAKES = """
import json
import pytest
from polycloud.common.base import ConnectionKey, JsonResponse, quote_segment
from polycloud.compute.base import Node, NodeDriver, NodeState
from polycloud.testing import ComputeConformance
from polycloud.testing.loopback import Answer, LoopbackServer


class Fake(LoopbackServer):
    def answer(self, request):
        if request.method == "POST":
            return self.made[7]
        return Answer(200, [("Content-Type", "application/json")], b'{"servers": []}')


class Line(ConnectionKey):
    host = "api.example.com"
    responseCls = JsonResponse


class Driver(NodeDriver):
    type, name, connectionCls = "faked", "Faked", Line

    def list_nodes(self):
        return [Node(one["id"], "", NodeState.RUNNING, [], [], self) for one in self._all()["servers"]]

    def _all(self):
        return self.connection.request("/servers").object

    def reboot_node(self, node):
        self.connection.request(f"/servers/{quote_segment(node.id)}/reboot", method="POST")
        return True

    stop_node = start_node = shutdown_node = reboot_node


class TestFaked(ComputeConformance):
    not_offered = frozenset(name for name in Driver.operations() if not Driver.offers(name))

    @pytest.fixture
    def driver(self):
        with Fake() as cloud, Driver("key", **cloud.options) as driver:
            yield driver
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the command runs, with drivers and test classes."""
    (tmp_path / "drivers.py").write_text(DRIVERS)
    (tmp_path / "suites.py").write_text(SUITES)
    (tmp_path / "imports.py").write_text(IMPORTS)
    (tmp_path / "broken.py").write_text("1 / 0\n")
    (tmp_path / "needy.py").write_text("import a_module_that_is_not_there\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def report(run: Run, *arguments: str, status: int = 0) -> dict[str, Any]:
    done = run("conform", *arguments, "--json")
    assert (done.returncode, done.stderr) == (status, "")
    data: dict[str, Any] = json.loads(done.stdout)
    return data


def test_every_rule_is_reported(run: Run) -> None:
    """Each rule of the suite is reported once, with its docstring as the sentence."""
    data = report(run, "dummy", "--credentials", "key")
    sentences = rules(ComputeConformance)
    assert [(rule["number"], rule["sentence"]) for rule in data["rules"]] == list(sentences.items())
    assert (data["broken"], data["kept"] + data["skipped"]) == (0, len(sentences))


def test_a_broken_rule_has_its_reason(run: Run) -> None:
    """A broken rule is reported with the reason, and the exit status is 1."""
    done = run("conform", "drivers:Lister", "--credentials", "key", "C06", "C07")
    assert done.returncode == 1
    kept, broken, reason, _, summary = done.stdout.splitlines()
    assert kept.startswith("kept     C06 There are sizes, cheapest first")
    assert broken == "broken   C07 There are images, with ids and names."
    assert reason.strip() == "an id comes twice in ['1', '2', '3', '1', '2', '3']"
    assert summary == "drivers:Lister: 1 kept, 1 broken, 0 skipped"


def test_a_rule_with_several_cases_says_which_broke_it(run: Run) -> None:
    """The reason of a rule with cases begins with the case."""
    data = report(
        run, "drivers:Locator", "--credentials", "key", "--url", "http://127.0.0.1:9", "C42", status=1
    )
    (rule,) = data["rules"]
    assert rule["status"] == "broken"
    assert {reason.partition(":")[0] for reason in rule["reasons"]} == {"fields", "items", "null"}


def test_what_a_driver_class_does_not_offer(run: Run) -> None:
    """Rules about operations that a driver class does not offer are skipped, with that reason."""
    arguments = ("drivers:Locator", "--credentials", "key", "--url", "http://127.0.0.1:9", "C02", "C06")
    supports, sizes = report(run, *arguments)["rules"]
    assert supports["status"] == "kept"
    assert (sizes["status"], sizes["reasons"]) == ("skipped", ["the driver does not offer list_sizes"])


def test_what_a_test_class_does_not_offer(run: Run) -> None:
    """A test class is run with the fixtures of its module and its own `not_offered`."""
    data = report(run, "suites:TestLister", "c2", "7", status=1)
    assert [rule["status"] for rule in data["rules"]] == ["broken", "broken"]
    assert "supports() is false for ['deploy_node'], which not_offered" in data["rules"][0]["reasons"][0]


def test_a_test_class_may_be_named_by_its_file(run: Run, folder: Path) -> None:
    """FILE.py:CLASS is the class of a file, in any folder."""
    (folder / "below").mkdir()
    for name in ("suites.py", "drivers.py"):
        (folder / name).rename(folder / "below" / name)
    assert report(run, "below/suites.py:TestLister", "C06")["kept"] == 1


def test_what_fails_before_a_test_breaks_its_rule(run: Run) -> None:
    """A fixture that fails, or is missing, breaks the rules that use it."""
    (rule,) = report(run, "suites:TestNothing", "C04", status=1)["rules"]
    assert rule["reasons"] == ["raised RuntimeError: the server did not start"]
    (rule,) = report(run, "suites:TestBare", "C04", status=1)["rules"]
    assert rule["reasons"] == ["there is no fixture 'driver'"]


def test_settings_of_other_plugins_do_not_matter(run: Run, folder: Path) -> None:
    """Options and settings of the folder's own tests do not change the run."""
    settings = "[pytest]\naddopts = -n 4 --no-such-option\ntimeout = 1\nfilterwarnings = error\n"
    (folder / "pytest.ini").write_text(settings)
    assert report(run, "suites:TestLister", "C06")["kept"] == 1


def test_leftovers_are_named(run: Run) -> None:
    """Nodes of the rules that still exist at the end are named, and the exit status is 1."""
    done = run("conform", "drivers:Undead", "--credentials", "key", "--patience", "0", "C15")
    assert (done.returncode, "1 kept, 0 broken" in done.stdout) == (1, True)
    last = done.stdout.splitlines()[-1]
    assert last.startswith("left over, remove by hand: conformance-")
    assert last.endswith("-asked-for (id 3): it was removed, and is still listed")


def test_an_error_has_its_place(run: Run) -> None:
    """An error of the driver's code is reported with file and line, in a rule and before one."""
    (line,) = (number for number, text in enumerate(DRIVERS.splitlines(), 1) if "node.ip4" in text)
    for rule in ("C15", "C04"):
        (rule_,) = report(run, "drivers:Careless", "--credentials", "key", rule, status=1)["rules"]
        assert "has no attribute 'ip4'" in rule_["reasons"][0]
        assert f"(drivers.py:{line})" in rule_["reasons"][0]


def test_a_driver_that_is_not_registered_is_named_with_its_module(run: Run) -> None:
    """Two classes of the same name are distinguished by their modules."""
    (rule,) = report(run, "drivers:Lister", "--credentials", "key", "C01", status=1)["rules"]
    expected = "returns polycloud.compute.drivers.dummy.DummyNodeDriver, not drivers.Lister"
    assert expected in rule["reasons"][0]


def test_a_sandbox_is_started(run: Run) -> None:
    """With --sandbox the driver gets a sandbox of its own."""
    assert report(run, "nephoscale", "--sandbox", "nephoscale", "C05", "C18", "C38")["kept"] == 3
    given = ("--sandbox", "digitalocean", "--region", "nyc1")
    assert report(run, "digitalocean", *given, "C33", "C38")["kept"] == 2


def test_a_profile_gives_the_driver(run: Run, folder: Path) -> None:
    """With --profile the driver is that of the account; an account of another driver is refused."""
    file = folder / "config.toml"
    file.write_text('[profiles.lab]\nprovider = "dummy"\nkey = "key"\n')
    file.chmod(0o600)
    done = run("conform", "dummy", "--profile", "lab", "C06", POLYCLOUD_CONFIG=str(file))
    assert (done.returncode, done.stderr) == (0, "")
    refused = run("conform", "nephoscale", "--profile", "lab", POLYCLOUD_CONFIG=str(file))
    assert refused.returncode == 2
    assert "the driver of the profile lab must be NephoscaleNodeDriver, got DummyNodeDriver" in refused.stderr


def test_the_environment_gives_credentials(run: Run) -> None:
    """Credentials that are not given are taken from the driver's variables."""
    done = run("conform", "dummy", "C06", POLYCLOUD_DUMMY_KEY="key")
    assert (done.returncode, done.stderr) == (0, "")


def test_no_nodes_are_made_elsewhere_without_consent(run: Run) -> None:
    """If nodes would be created on another machine, nothing is sent without confirmation."""
    refused = run("conform", "drivers:Creator", "--credentials", "key", "C01")
    assert refused.returncode == 2
    assert "This creates nodes at api.example.com, which may cost money" in refused.stderr
    done = run("conform", "drivers:Creator", "--credentials", "key", "--yes", "C03")
    assert done.stdout.startswith(("kept", "broken"))


def test_no_secret_is_shown(run: Run) -> None:
    """A reason shows neither a credential nor the output of a driver."""
    data = report(run, "drivers:Talkative", "--credentials", "very-secret", "C08", status=1)
    assert "very-secret" not in str(data)
    assert "no locations for" in data["rules"][0]["reasons"][0]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("drivers:Lister",), 2, "Lister needs key: give --credentials KEY, or set POLYCLOUD_DUMMY_KEY"),
        (("drivers:Lister", "--credentials", "a", "--credentials", "b"), 2, "Lister needs key"),
        (
            ("drivers:Lister", "--credentials", "a", "--sandbox", "nephoscale"),
            2,
            "give only one of --cred",
        ),
        (("drivers:Lister", "--credentials", "a", "C99"), 2, "there is no rule C99; there are C01 to C"),
        (("drivers:Listr", "--credentials", "a"), 2, "no test class 'Listr'; it has Lister, Talkative"),
        (("imports:NAME",), 2, "no test class 'NAME'; it has Lister of drivers"),
        (("json:NAME",), 2, "no test class 'NAME'; it has none"),
        (("drivers:Unmade", "--credentials", "hushed"), 1, "KeyError: 'no endpoint for REDACTED'"),
        (("suites:TestLister", "--url", "http://127.0.0.1:9"), 2, "which creates its driver itself"),
        (("nothing:Driver",), 1, "nothing cannot be imported: ModuleNotFoundError"),
        (("needy:Driver",), 1, "is a_module_that_is_not_there installed? (pip install -e .)"),
        (("broken:Driver",), 1, "broken cannot be imported: ZeroDivisionError: division by zero"),
        (("dumy",), 2, "no provider is called 'dumy'; the nearest names: dummy"),
        (("dummy", "--sandbox", "nowhere"), 2, "unknown cloud 'nowhere'"),
    ],
)
def test_what_cannot_be_tested_is_one_line(
    run: Run, arguments: tuple[str, ...], status: int, message: str
) -> None:
    """A driver that cannot be found, imported or created ends the command with one line that says why."""
    done = run("conform", *arguments)
    assert (done.returncode, done.stdout) == (status, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_without_pytest_it_says_what_to_install(run: Run) -> None:
    """Without pytest the command names the extra to install."""
    program = (
        "import sys; sys.modules['pytest'] = None\n"
        "from polycloud.cli.main import run\nsys.argv[:] = ['polycloud', 'conform', 'dummy']\nrun()"
    )
    done = run(fresh=program)
    assert (done.returncode, done.stdout) == (1, "")
    assert "pip install 'polycloud[testing]'" in done.stderr


def test_progress_at_a_terminal(at_terminal: AtTerminal) -> None:
    """At a terminal the current rule is shown, and the results afterwards."""
    sent = at_terminal("conform", "dummy", "--credentials", "key", "C11", "C18")
    assert sent.index("C18 `wait_until_running`") < sent.index("kept     C11")
    assert f"{DummyNodeDriver.api_name}: 2 kept, 0 broken, 0 skipped" in sent


def test_another_service(run: Run) -> None:
    """--service selects the driver and the rules of another service."""
    data = report(run, "dummy", "--service", "dns", "--credentials", "key", "d1", "D51")
    assert [(rule["number"], rule["status"]) for rule in data["rules"]] == [("D01", "kept"), ("D51", "kept")]
    balancers = ("dummy", "--service", "loadbalancer", "--unique-names", "--credentials", "key")
    found = {rule["number"]: rule["status"] for rule in report(run, *balancers, "21", "L31", "l56")["rules"]}
    assert found == dict.fromkeys(("L21", "L31", "L56"), "kept")
    done = run("conform", "dummy", "--service", "dns", "--credentials", "key", "C05")
    assert (done.returncode, "there is no rule C05; there are D01 to D" in done.stderr) == (2, True)


def test_a_driver_without_http(run: Run, tmp_path: Path) -> None:
    """Rules that need HTTP are skipped for a driver whose connection has no credentials, as that of files."""
    (files := tmp_path / "files").mkdir()
    data = report(run, "local", "--service", "storage", "--credentials", str(files), "S09", "S22", "S75")
    assert [(rule["number"], rule["status"]) for rule in data["rules"]] == [
        ("S09", "skipped"),
        ("S22", "kept"),
        ("S75", "skipped"),
    ]
    assert list(files.iterdir()) == []


def test_a_mistake_of_a_fake_is_shown(run: Run, folder: Path) -> None:
    """An exception in a fake server breaks the rule, at once, and is shown with its traceback."""
    (folder / "fakes.py").write_text(FAKES)
    (line,) = (number for number, text in enumerate(FAKES.splitlines(), 1) if "made[7]" in text)
    done = run("conform", "fakes:TestFaked", "C26")
    assert done.returncode == 1
    reason = "the fake server raised AttributeError(\"'Fake' object has no attribute 'made'\")"
    assert f"{reason} at POST /servers/999999999/reboot (fakes.py:{line})" in done.stdout
    assert f'fakes.py", line {line}, in answer\n    return self.made[7]' in done.stdout
    (rule,) = report(run, "fakes:TestFaked", "C26", status=1)["rules"]
    assert 0 < rule["seconds"] < 30
    assert rule["tracebacks"][0].endswith("AttributeError: 'Fake' object has no attribute 'made'\n")


def test_settings_of_a_test_class_may_be_options(run: Run) -> None:
    """--unique-names and --patience are the settings of their names, whatever creates the driver."""
    for target in (("dummy", "--credentials", "key"), ("suites:TestLister",)):
        broken, skipped = report(run, *target, "--unique-names", "C16", "C27", status=1)["rules"]
        assert "the second create returned" in broken["reasons"][0]
        assert skipped["reasons"] == ["the provider's names are unique"]
    refused = run("conform", "dummy", "--service", "dns", "--credentials", "key", "--unique-names")
    assert (refused.returncode, "--unique-names is about nodes and balancers" in refused.stderr) == (2, True)

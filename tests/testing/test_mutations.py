"""Mistakes of a kind that authors make, one line each, in a driver that keeps every rule."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from polycloud.testing.cleanup import RUN
from polycloud.testing.conformance.base import number_of
from support import good, suites

SOURCE = Path(good.__file__).read_text(encoding="utf-8")
RETRIED = """        try:
            return creation.send()
        except PolycloudError:
            return creation.send()
"""
SOCKET = "        socket.create_connection((self.connection.host, self.connection.port)).close()"
EMPTY_FOR_AN_ERROR = """try:
            images = self.connection.request("/images").decode(Images).images
        except PolycloudError:
            images = []"""
LOCK = """    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.lock = threading.Lock()

"""
DESTROYS = '        if action == "destroy":\n'
BUSY = """        if time.monotonic() < self.servers[id_].get("busy", 0.0):
            return 423, {"message": "it is locked"}
        if action == "reboot":
            self.servers[id_]["busy"] = time.monotonic() + 0.3
"""
CREATES = "        self.made += 1\n"
UNIQUE = """        if query["name"] in [one["name"] for one in self.servers.values()]:
            return 409, {"message": "the name is taken"}
"""
CREATE_ONCE = "        return self._create_once(creation, idempotency_key=idempotency_key)\n"
WHOLE = os.environ.get("POLYCLOUD_MUTATIONS") == "long"
"""Whether all rules are run for each mutation, as `make mutations` does."""

MUTATIONS = {
    "size ignored": ('"plan": size.id', '"plan": "s"', "C54"),
    "image ignored": ('"image": image.id', '"image": "debian"', "C54"),
    "location ignored": ("location.id if location else ", "", "C54"),
    "size of nodes not told": ("            server.plan,\n", "            None,\n", "C54"),
    "image of nodes not told": ("            server.image,\n", "            None,\n", "C54"),
    "price of a month": ("price = plan.usd_an_hour", "price = plan.usd_an_hour * 730", "C06"),
    "price of 1,000 hours": ("price = plan.usd_an_hour", "price = plan.usd_an_hour * 1000", "C06"),
    "RAM in GB": ("ram, disk = plan.memory,", "ram, disk = plan.memory // 1024,", "C06"),
    "RAM in bytes": ("ram, disk = plan.memory,", "ram, disk = plan.memory * 1024**2,", "C06"),
    "disk in MB": ("plan.memory, plan.disk", "plan.memory, plan.disk * 1024", "C06"),
    "sizes unsorted": ("return cheapest_first(sizes)", "return sizes", "C06"),
    "first page listed": ("pages = list(self._pages())", "pages = list(self._pages())[:1]", "C11"),
    "first page iterated": ("for page in self._pages():", "for page in list(self._pages())[:1]:", "C12"),
    "last page dropped": ("while number <= last", "while number < last", "C11 C15"),
    "path unquoted": ("id_ = quote_segment(node.id)", "id_ = node.id", "C55"),
    "path quoted twice": (
        "id_ = quote_segment(node.id)",
        "id_ = quote_segment(quote_segment(node.id))",
        "C55",
    ),
    "path of a read unquoted": ("id_ = quote_segment(node_id)", "id_ = node_id", "C55"),
    "sleep in an action": (
        "id_ = quote_segment(node.id)",
        "time.sleep(0.001); id_ = quote_segment(node.id)",
        "C56",
    ),
    "socket of its own": (
        "id_ = quote_segment(node.id)",
        f"id_ = quote_segment(node.id)\n{SOCKET}",
        "C56",
    ),
    "create sent again": (CREATE_ONCE, RETRIED, "C47"),
    "search without the marker": ("if self.tag in node.extra", "if node.extra", "C47"),
    "key not in the marker": ("marker_for(idempotency_key)", "marker_for(None)", "C48"),
    "auth ignored": ("key = self._require_auth(auth)", 'key = ""', "C51"),
    "list of nodes optional": ("servers: list[Server]\n", "servers: list[Server] = []\n", "C42"),
    "list of sizes optional": ("plans: list[Plan]\n", "plans: list[Plan] = []\n", "C42"),
    "root of XML unchecked": ('if root.tag != "regions":', "if root.tag is None:", "C42"),
    "XML error foreign": ("except ValueError as error:", "except KeyError as error:", "C42"),
    "empty for an error": (
        'images = self.connection.request("/images").decode(Images).images',
        EMPTY_FOR_AN_ERROR,
        "C42 C49",
    ),
    "error foreign": (
        'images = self.connection.request("/images").decode(Images).images',
        'images = [Image(**one) for one in self.connection.request("/images").object["images"]]',
        "C42",
    ),
    "state unknown": ('    "off": NodeState.STOPPED,\n', "", "C21 C22 C28"),
    "state wrong": ('"off": NodeState.STOPPED', '"off": NodeState.RUNNING', "C21 C22 C28"),
    "addresses mixed": ('if not one.startswith("10.")', "if one", "C05"),
    "time without a zone": ("tzinfo=UTC", "tzinfo=None", "C04"),
    "action returns None": (
        "idempotent=False)\n        return True",
        "idempotent=False)\n        return None",
        "C20 C21 C24",
    ),
    "action not sent": (
        'self.connection.request(f"/servers/{id_}/{action}", idempotent=False)',
        "assert id_",
        "C21 C24 C26",
    ),
    "action by name": (
        "id_ = quote_segment(node.id)",
        "id_ = next((one.id for one in self.list_nodes() if one.name == node.name), node.id)",
        "C27",
    ),
    "unknown node is None": (
        'return self._to_node(self.connection.request(f"/servers/{id_}").decode(Server))',
        "return next((one for one in self.list_nodes() if one.id == id_), None)",
        "C13",
    ),
    "name changed": ('"name": name,', '"name": name.upper(),', "C15 C17"),
    "name in ASCII": ('"name": name,', '"name": ascii(name)[1:-1],', "C17"),
    "country in full": ('"NO", self)', '"Norway", self)', "C08"),
    "credentials not sent": ("key = self.key\n", 'key = "key-of-good"\n', "C38"),
    "secret in the repr": (
        "    def list_nodes(self)",
        "    def __repr__(self) -> str:\n        return self.key\n\n    def list_nodes(self)",
        "C39",
    ),
    "lock on the driver": (
        "    def list_nodes(self)",
        f"{LOCK}    def list_nodes(self)",
        "C46",
    ),
}


Broken = Callable[..., dict[str, str]]


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Broken:
    """Returns why rules of these, or of all if there are none, are broken, or skipped, for a source."""
    # A faulty driver of an earlier test has left something over, after which a run waits no longer
    monkeypatch.setattr(RUN, "_patient", True)

    def run(source: str, rules: str, outcome: str = "failed") -> dict[str, str]:
        folder = tmp_path / str(len([*tmp_path.iterdir()]))  # a module is named after its folder, too
        folder.mkdir()
        file = folder / "mutated.py"
        file.write_text(source, encoding="utf-8")
        reports = suites.run(monkeypatch, folder, file, "Test*", rules.split())
        found = [report for report in reports if report.outcome == outcome]
        return {number_of(report.nodeid.rpartition("::")[2]): str(report.longrepr) for report in found}

    return run


def test_the_good_driver_keeps_the_rules(broken: Broken) -> None:
    """The driver that is mutated breaks no rule that a mutation is to break."""
    rules = "" if WHOLE else " ".join(rules for *_, rules in MUTATIONS.values())
    assert broken(SOURCE, rules).keys() <= {"C01"}  # it is not registered


@pytest.mark.parametrize("name", MUTATIONS)
def test_mutations_are_noticed(broken: Broken, name: str) -> None:
    """A mistake of one line breaks the rules that are about it."""
    old, new, rules = MUTATIONS[name]
    assert SOURCE.count(old) == 1
    assert {*rules.split()} <= broken(SOURCE.replace(old, new), "" if WHOLE else rules).keys()


def test_a_provider_that_is_busy_after_a_reboot(broken: Broken) -> None:
    """A provider that locks a node for a while after each reboot (423) makes no rule of actions fail."""
    source = SOURCE.replace(DESTROYS, f"{BUSY}{DESTROYS}").replace("patience = 0.0", "patience = 60.0")
    assert BUSY in source
    assert broken(source, "C20 C21 C22 C28 C56") == {}


def test_a_provider_whose_names_are_unique(broken: Broken) -> None:
    """Where the provider refuses a second node of one name, the failure says what to set."""
    posted = SOURCE.replace('"/create", self.body, idempotent=False', '"/create", self.body, method="POST"')
    source = posted.replace(CREATES, f"{UNIQUE}{CREATES}")
    found = broken(source, "C16 C27")
    assert found.keys() == {"C16", "C27"}
    assert all("set `unique_names = True` (conform: --unique-names)" in text for text in found.values())
    chosen = source.replace("    patience = ", "    unique_names = True\n    patience = ")
    assert broken(chosen, "C16 C27") == {}


def test_rules_that_were_not_reached(broken: Broken) -> None:
    """Where a login, or nothing at all, is what a fault would have hit, the rule is skipped, not kept."""
    stranger = SOURCE.replace('GoodNodeDriver("key-of-good"', 'GoodNodeDriver("another"')
    skipped = broken(stranger, "C41 C42", "skipped")
    assert skipped.keys() == {"C41", "C42"}
    assert all("not reached: the driver could not log in before" in text for text in skipped.values())

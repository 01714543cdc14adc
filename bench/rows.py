"""What `make bench` measures: each row is named here, and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["ROWS", "Row", "Way"]

PAIRS = 5


@dataclass(frozen=True)
class Way:
    """A program beside this one and its arguments, the server that it speaks to, and the Python that runs it.

    `server` are the arguments of `servers.py`. `python` is "dev" (.venv), "core" (polycloud with nothing but
    its own dependencies), "peer" (apache-libcloud 3.9.1) or "nephoscale" (2.8.3, the last with that driver).
    """

    program: str
    arguments: str = ""
    server: str | None = None
    python: str = "dev"


@dataclass(frozen=True)
class Row:
    """A task, and who does it.

    Attributes:
        name: For `make bench ROWS=...`, which selects all rows of that name.
        task: What is done, as the table says it.
        figures: Names of figures that the programs print, with their units.
        ours: How polycloud does it.
        peer: How apache-libcloud does it, or what `beside` says.
        limit: How it is done without a library for clouds, or what `at` says.
        pairs: How often each is measured, in turn.
    """

    name: str
    task: str
    figures: dict[str, str]
    ours: Way
    peer: Way | None = None
    limit: Way | None = None
    beside: str = "libcloud"
    at: str = ""
    pairs: int = field(default=PAIRS)


CALLS, ONE, TEN = "pages 10 0", "pages 1000 0", "pages 10000 0"
CPU_CALL = {"cpu_us": "CPU µs a call"}
CPU_NODE = {"cpu_us": "CPU µs a node"}
BYTES = {"bytes": "bytes a node"}
CPU_RECORD, BYTES_RECORD = {"cpu_us": "CPU µs a record"}, {"bytes": "bytes a record"}
CPU_OBJECT = {"cpu_us": "CPU µs an object"}
TRANSFER = {"cpu_ms": "CPU ms", "wall_s": "wall s", "growth_mb": "MB of growth"}
COMMAND = {"cpu_ms": "CPU ms"}


def _measure(task: str, server: str = TEN, python: str = "dev") -> Way:
    return Way("measure.py", task, server, python)


def _limit(step: str, server: str = TEN, python: str = "peer") -> Way:
    return Way("limits.py", step, server, python)


def _lists(name: str, task: str, provider: str, raw: str, at: str, peer: str = "peer") -> list[Row]:
    """CPU of a list of 10,000 nodes, and the memory of 1,000, which tracemalloc counts slowly and exactly."""
    listed, kept = f"list {provider} 10000", f"memory {provider} 1000"
    return [
        Row(
            name, task, CPU_NODE, _measure(listed), _measure(listed, TEN, peer), _limit(f"{raw} 10000"), at=at
        ),
        Row(name, "the memory of 1,000", BYTES, _measure(kept, ONE), _measure(kept, ONE, peer), pairs=1),
    ]


def _records(name: str, task: str, raw: str, at: str) -> list[Row]:
    """CPU of a list of 10,000 records of a zone, and the memory of 1,000."""
    listed, kept = "list 10000", "memory 1000"

    def by(arguments: str, server: str, python: str = "dev") -> Way:
        return Way(f"{name}.py", arguments, server, python)

    return [
        Row(name, task, CPU_RECORD, by(listed, TEN), by(listed, TEN, "peer"), _limit(f"{raw} 10000"), at=at),
        Row(name, "the memory of 1,000", BYTES_RECORD, by(kept, ONE), by(kept, ONE, "peer"), pairs=1),
    ]


def _at_once(number: int) -> Row:
    calls = f"calls {number}"
    return Row(
        "at-once",
        f"{number:,} calls at once: asyncio; 100 threads",
        CPU_CALL,
        _measure(calls, CALLS),
        _measure(calls, CALLS, "peer"),
        _limit(f"aiohttp {number}", CALLS),
        at="aiohttp",
    )


def _step(task: str, step: str, python: str = "dev") -> Row:
    """A step of the ladder from a socket to a driver's call, in times of the socket."""
    return Row(
        "ladder", task, CPU_CALL, _limit(step, CALLS, python), limit=_limit("bare", CALLS), at="socket"
    )


def _growth(figures: dict[str, str], task: str, what: str, pairs: int) -> Row:
    few, many = (
        Way("measure.py", f"{what} digitalocean {number}", f"pages {number} 0") for number in (1_000, 100_000)
    )
    return Row("growth", task, figures, many, few, beside="a list of 1,000", pairs=pairs)


def _command(task: str, what: str) -> Row:
    bare = Way("commands.py", "python")
    return Row("cli", task, COMMAND, Way("commands.py", what), limit=bare, at="python -c pass")


def _objects(task: str, do: str, figures: dict[str, str]) -> list[Row]:
    """A task with objects, beside Libcloud and obstore, and once more beside boto3."""

    def by(client: str, python: str = "peer") -> Way:
        return Way("objects.py", f"{client} {do}", "objects", python)

    ours = by("polycloud", "dev")
    return [
        Row("objects", task, figures, ours, by("libcloud"), by("obstore"), at="obstore", pairs=3),
        Row("objects", task, figures, ours, by("boto3"), beside="boto3", pairs=3),
    ]


def _zones() -> list[Row]:
    """A zone of 10,000 records, beside Libcloud and octoDNS, whose plans list the zone."""

    def by(client: str, do: str, python: str = "peer") -> Way:
        return Way("zones.py", f"{client} {do} 10000", "zone 10000", python)

    def row(task: str, do: str, peer: str, per: str = "record") -> Row:
        figures = {"cpu_us": f"CPU µs a {per}"}
        return Row("dns", task, figures, by("polycloud", do, "dev"), by(peer, do), beside=peer)

    return [
        row("list 10,000 records of PowerDNS", "list", "libcloud"),
        row("list them", "list", "octodns"),
        row("list and plan, 100 of them change", "plan", "octodns"),
        Row("dns", "plan alone", {"cpu_us": "CPU µs a record"}, by("polycloud", "compare", "dev")),
        row("change 100 of them", "apply", "libcloud", "change"),
        row("apply the plan", "apply", "octodns", "change"),
    ]


SLOW = "pages 10000 0.02"
ROWS = (
    Row(
        "import",
        "import and get_driver",
        {"cpu_ms": "CPU ms"},
        Way("importing.py", "polycloud", python="core"),
        Way("importing.py", "libcloud", python="peer"),
        pairs=15,
    ),
    Row(
        "call",
        "one list_locations, connection kept",
        CPU_CALL,
        _measure("call", CALLS),
        _measure("call", CALLS, "peer"),
        _limit("urllib3", CALLS),
        at="urllib3",
    ),
    _at_once(500),
    _at_once(2_000),
    *_lists("droplets", "list 10,000 droplets", "digitalocean", "droplets", "urllib3, msgspec"),
    Row(
        "wall",
        "list 10,000 droplets, 20 ms a page of 200",
        {"wall_s": "wall s"},
        _measure("list digitalocean 10000", SLOW),
        _measure("list digitalocean 10000", SLOW, "peer"),
        _limit("droplets 10000", SLOW),
        at="urllib3, 8 threads",
    ),
    *_lists(
        "nephoscale",
        "list 10,000 NephoScale servers",
        "nephoscale",
        "servers",
        "urllib3, msgspec",
        "nephoscale",
    ),
    *_lists("ec2", "list 10,000 EC2 instances", "ec2", "instances", "urllib3, ElementTree"),
    *_records("route53", "list 10,000 records of Route 53", "record-sets", "urllib3, ElementTree"),
    _growth(CPU_NODE, "list 100,000 droplets", "list", PAIRS),
    _growth(BYTES, "the memory of 100,000", "memory", 1),
    Row(
        "fleet",
        "1,000 accounts, one call each: asyncio; 100 threads",
        {"cpu_us": "CPU µs an account", "wall_s": "wall s"},
        _measure("fleet 1000", CALLS),
        _measure("fleet 1000", CALLS, "peer"),
    ),
    Row(
        "deployments",
        "50 deployments over SSH at once",
        {"wall_ms": "wall ms each", "cpu_ms": "CPU ms each"},
        Way("deployments.py", "once 50", "nodes"),
        Way("deployments.py", "each 5", "nodes"),
        beside="one by one",
    ),
    *_objects("put 1,000 objects of 1 KB", "puts", CPU_OBJECT),
    *_objects("get them", "gets", CPU_OBJECT),
    *_objects("put them, 32 at once", "puts32", CPU_OBJECT),
    *_objects("get them, 32 at once", "gets32", CPU_OBJECT),
    *_objects("list 100,000 keys", "list", {"cpu_us": "CPU µs a key"}),
    *_objects("upload a file of 256 MB", "up", TRANSFER),
    *_objects("download it to a file", "down", TRANSFER),
    *_zones(),
    _command("polycloud --version", "version"),
    _command("polycloud nodes list", "list"),
    _command("a TAB whose names are cached", "tab"),
    _step("a socket and httptools", "bare", "peer"),
    _step("http.client", "http.client", "peer"),
    _step("urllib3", "urllib3", "peer"),
    _step("our transport", "transport"),
    _step("connection.request", "request"),
    _step("driver.list_locations", "driver"),
    Row(
        "faults",
        "288 calls, 64 of them creates, while the network fails",
        dict.fromkeys(("duplicates", "losses", "hangs past the deadline", "foreign exceptions"), "count"),
        Way("storm.py", "", "faults 7"),
        Way("storm.py", "", "faults 7", "peer"),
        pairs=1,
    ),
)
"""All rows, in the order of the table."""

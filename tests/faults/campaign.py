"""Thousands of calls by several threads on one driver, while everything goes wrong on the way.

    python tests/faults/campaign.py --creates 1000 --others 10000 --seed 7 --routes plain tls proxy tunnel

Prints what was found for each provider and route, and fails unless it is nothing.
"""

from __future__ import annotations

import argparse
import base64
import random
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from rich.progress import Progress

from faults.clouds import PROVIDERS, ROUTES, Cloud, cloud_of, driver_of, patient, routed, until
from faults.ledger import Ledger
from polycloud.cli import output
from polycloud.concurrency.calls import call_options
from polycloud.errors import NotFoundError, PolycloudError
from polycloud.testing.faults import ALL, Fault, FaultPlan, FaultProxy

THREADS, POOL_SIZE = 48, 32
TIMEOUT, DEADLINE, SETTLE_TIME = 0.3, 2.5, 1.0
CUT_OFF = 30.0
FAULTS = [fault for fault in ALL if fault not in {Fault.TOO_MANY, Fault.TOO_MANY_AFTER}]
"""A 429 slows the whole account down, so that most calls would end before anything is sent."""
KEPT = 12
KINDS = ("duplicates", "losses", "hangs", "foreign exceptions", "wrong answers", "leaked", "over the pool")


class WrongAnswerError(Exception):
    """A call gave something that is not so."""


@dataclass
class Report:
    """What a campaign found: lines by kind, of which there should be none, and how much went on."""

    found: dict[str, list[str]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    figures: Counter[str] = field(default_factory=Counter)

    @property
    def is_clean(self) -> bool:
        return not any(self.found.values())

    def rows(self) -> list[tuple[str, int]]:
        return [*self.figures.items(), *((kind, len(lines)) for kind, lines in self.found.items())]


class Campaign:
    """One driver, its threads, and what they find."""

    def __init__(self, driver: Any, plain: Any, seed: int, grace: float) -> None:
        self.driver, self.seed, self.grace = driver, seed, grace
        self.ledger, self.report = Ledger(), Report()
        self.catalog = {name: _identities(getattr(plain, name)()) for name in CATALOG}
        self.order = plain.list_sizes()[0], plain.list_images()[0]
        self.begun: dict[int, float] = {}
        self.done = 0

    def run(self, jobs: list[str], tick: Callable[[int], object]) -> None:
        """Do the jobs; a call that never ends is left behind."""
        todo, lock = iter(enumerate(jobs)), threading.Lock()
        workers = [
            threading.Thread(target=self._work, args=(number, todo, lock), daemon=True)
            for number in range(THREADS)
        ]
        for worker in workers:
            worker.start()
        while any(worker.is_alive() for worker in workers):
            threading.Event().wait(0.05)
            tick(self.done)
            if self.begun and time.monotonic() - min(list(self.begun.values())) > DEADLINE + CUT_OFF:
                self.report.found["hangs"].append("a call has not ended")
                return

    def _work(self, number: int, todo: Iterator[tuple[int, str]], lock: threading.Lock) -> None:
        numbers = random.Random(f"{self.seed}/{number}")  # noqa: S311 - not a secret
        while True:
            with lock:
                index, job = next(todo, (0, ""))
            if not job:
                return
            self._watch(number, job, partial(getattr(self, f"_{job}"), numbers, index))
            self.done += 1

    def _watch(self, number: int, job: str, call: Callable[[], None]) -> None:
        began = self.begun[number] = time.monotonic()
        try:
            with call_options(deadline=DEADLINE):
                call()
        except PolycloudError:
            self.report.figures["errors"] += 1
        except WrongAnswerError as error:
            self.report.found["wrong answers"].append(f"{job}: {error}")
        except Exception as error:  # noqa: BLE001 - the campaign searches for them
            self.report.found["foreign exceptions"].append(f"{job}: {error!r}")
        took = time.monotonic() - self.begun.pop(number)
        if took > DEADLINE + self.grace:
            self.report.found["hangs"].append(f"{job} took {took:.1f} s (at {began:.1f})")

    # Jobs

    def _create(self, _: random.Random, index: int) -> None:
        name = f"{self.seed}-{index:06}"
        try:
            node = self.driver.create_node(name, *self.order)
        except Exception as error:
            self.ledger.failed[name] = error
            self.report.figures[f"creates: {type(error).__name__}"] += 1
            raise
        self.report.figures["creates: a node"] += 1
        self.ledger.add(name, node)
        _require(node.name == name, f"{name} is called {node.name}")

    def _destroy(self, numbers: random.Random, index: int) -> None:
        doomed = self.ledger.doom(numbers, KEPT)
        if doomed is None:
            return self._list(numbers, index)
        name, node = doomed
        _require(self.driver.destroy_node(node) is True, "destroy_node did not give True")
        self.ledger.gone.add(name)
        return None

    def _list(self, _: random.Random, __: int) -> None:
        before = self.ledger.snapshot()
        listed = {node.id: node.name for node in self.driver.list_nodes()}
        after = self.ledger.snapshot()
        wrong = [name for name in before.keys() & after.keys() if listed.get(before[name].id) != name]
        _require(not wrong, f"the list lacks {wrong}")

    def _get(self, numbers: random.Random, _: int) -> None:
        picked = self.ledger.pick(numbers)
        if picked is None:
            return
        name, node = picked
        try:
            found = self.driver.get_node(node.id)
        except NotFoundError as error:
            _require(name not in self.ledger.snapshot(), f"{name} is not found: {error}")
            raise
        _require((found.id, found.name) == (node.id, name), f"{found} is not {node}")

    def _get_nothing(self, *_: Any) -> None:
        found = self.driver.get_node("999999999")
        raise WrongAnswerError(f"there is no such node as {found}")

    def _catalog(self, numbers: random.Random, _: int) -> None:
        name = numbers.choice(CATALOG)
        _require(_identities(getattr(self.driver, name)()) == self.catalog[name], f"{name} is not as it was")

    def _reboot(self, numbers: random.Random, _: int) -> None:
        picked = self.ledger.pick(numbers)
        if picked is not None:
            _require(self.driver.reboot_node(picked[1]) is True, "reboot_node did not give True")

    def _key(self, numbers: random.Random, index: int) -> None:
        name = f"key-{self.seed}-{index}"
        pair = self.driver.import_key_pair_from_string(name, _public_key(numbers))
        _require(pair.name == name, f"{name} is called {pair.name}")
        _require(self.driver.delete_key_pair(pair) is True, "delete_key_pair did not give True")


CATALOG = ("list_sizes", "list_images", "list_locations")
OTHERS = {"destroy": 20, "list": 20, "get": 20, "get_nothing": 5, "catalog": 10, "reboot": 15, "key": 10}
"""The other jobs, and how many of a hundred."""


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise WrongAnswerError(what)


def _identities(things: list[Any]) -> list[tuple[str, str]]:
    return [(thing.id, thing.name) for thing in things]


def _public_key(numbers: random.Random) -> str:
    kind = b"ssh-ed25519"
    blob = struct.pack(">I", len(kind)) + kind + struct.pack(">I", 32) + numbers.randbytes(32)
    return f"ssh-ed25519 {base64.b64encode(blob).decode()} me@here"


def jobs_of(creates: int, others: int, seed: int) -> list[str]:
    """The jobs in order; the same for the same seed."""
    numbers = random.Random(seed)  # noqa: S311 - not a secret
    jobs = ["create"] * creates + numbers.choices(list(OTHERS), list(OTHERS.values()), k=others)
    numbers.shuffle(jobs)
    return jobs


def campaign(
    provider: str,
    *,
    seed: int,
    creates: int,
    others: int,
    route: str = "plain",
    rate: float = 0.3,
    grace: float = 1.0,
    tick: Callable[[int], object] = lambda _: None,
) -> Report:
    """Carry out a campaign; a call hangs when it ends more than `grace` seconds past its deadline."""
    with ExitStack() as stack:
        cloud = stack.enter_context(cloud_of(provider))
        plan = FaultPlan(seed, rate, FAULTS)
        way = routed(route, cloud.port, plan, outage=0.02, pause=0.05)
        proxy, options = stack.enter_context(way)
        plain = stack.enter_context(driver_of(cloud))
        limits = {"timeout": TIMEOUT, "pool_size": POOL_SIZE, "body_limit": 2**20}
        driver = driver_of(cloud, patient(cloud, SETTLE_TIME), **options, **limits)
        held = Campaign(driver, plain, seed, grace)
        held.run(jobs_of(creates, others, seed), tick)
        driver.close()
        _audit(held, cloud, proxy)
    return held.report


def _audit(held: Campaign, cloud: Cloud, proxy: FaultProxy) -> None:
    found, figures = held.report.found, held.report.figures
    until(lambda: not held.ledger.duplicates(cloud.servers), 2)
    found["duplicates"] = held.ledger.duplicates(cloud.servers)
    found["losses"] = held.ledger.losses(cloud.servers)
    until(lambda: not proxy.open_connections, 5)
    found["leaked"] = ["a connection"] * proxy.open_connections
    found["over the pool"] = ["a connection"] * (proxy.peak_connections - POOL_SIZE)
    figures["requests"] = len(proxy.requests)
    figures["requests with faults"] = sum(seen.fault is not None for seen in proxy.requests)
    figures["connections"] = proxy.connections


def main() -> None:
    """Carry out a campaign for each provider and route; print what was found, fail unless it is nothing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--creates", type=int, default=1000)
    parser.add_argument("--others", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 10_000)
    parser.add_argument("--routes", nargs="+", choices=ROUTES, default=ROUTES)
    chosen = parser.parse_args()
    output.line(f"seed {chosen.seed}")
    amounts = {"seed": chosen.seed, "creates": chosen.creates, "others": chosen.others}
    reports = {}
    with Progress(disable=not sys.stdout.isatty(), transient=True) as bar:
        for provider, route in product(PROVIDERS, chosen.routes):
            name = f"{provider}, {route}"
            task = bar.add_task(name, total=chosen.creates + chosen.others)

            def tick(done: int, task: Any = task) -> None:
                bar.update(task, completed=done)

            reports[name] = campaign(provider, route=route, **amounts, tick=tick)
    for name, report in reports.items():
        output.table([name, ""], [(what, f"{count:,}") for what, count in report.rows()])
        for kind, lines in report.found.items():
            for text in lines[:10]:
                output.line(f"{kind}: {text}")
    sys.exit(not all(report.is_clean for report in reports.values()))


if __name__ == "__main__":
    main()

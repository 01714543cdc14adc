from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from polycloud.sandbox import Sandbox

if TYPE_CHECKING:
    import subprocess

    Run = Callable[..., subprocess.CompletedProcess[str]]

PROD = ("-p", "prod")


def node_and_place(run: Run, both: dict[str, str]) -> tuple[str, str]:
    node = json.loads(run("nodes", "list", "--json", *PROD, **both).stdout)[0]
    return node["id"], node["location"]


def test_a_life(run: Run, both: dict[str, str], wait_for: Callable[[Callable[[], object]], None]) -> None:
    """A volume is created, attached, detached and destroyed, by its name."""
    node, place = node_and_place(run, both)
    made = run("volumes", "create", "--name", "data", "--size", "10", "--location", place, *PROD, **both)
    assert made.returncode == 0, made.stderr
    assert "size_gb" in made.stdout
    assert "data" in run("volumes", "show", "data", *PROD, **both).stdout
    attached = run("volumes", "attach", "data", node, *PROD, **both)
    assert re.match(r"attached volume data \(id .*\) to node seed-0000", attached.stdout)

    def listed() -> Any:
        (volume,) = json.loads(run("volumes", "list", "--json", *PROD, **both).stdout)
        return volume

    wait_for(lambda: listed()["attached_to"])  # the provider's lists have it a little later
    assert (listed()["attached_to"], listed()["location"]) == ([node], place)
    assert run("volumes", "detach", "data", *PROD, **both).stdout.startswith("detached volume data (id ")
    assert run("volumes", "destroy", "data", *PROD, **both).returncode == 2
    gone = run("volumes", "destroy", "data", "--yes", *PROD, **both)
    assert gone.stdout.startswith("destroyed volume data (id ")
    assert json.loads(run("volumes", "list", "--json", *PROD, **both).stdout) == []


def test_one_failure_stops_no_other(run: Run, both: dict[str, str]) -> None:
    """If one of several fails, the others are changed, it is named, and the exit status is 1."""
    node, place = node_and_place(run, both)
    for name in ("used", "free"):
        run("volumes", "create", "--name", name, "--size", "1", "--location", place, *PROD, **both)
    run("volumes", "attach", "used", node, *PROD, **both)
    done = run("volumes", "destroy", "used", "free", "--yes", *PROD, **both)
    assert done.returncode == 1
    assert done.stdout.startswith("destroyed volume free (id ")
    assert "\nvolume used (id " in done.stderr
    left = json.loads(run("volumes", "list", "--json", *PROD, **both).stdout)
    assert [volume["name"] for volume in left] == ["used"]


def test_a_dry_run_changes_nothing(run: Run, prod: Sandbox, both: dict[str, str]) -> None:
    """`--dry-run` prints what would be done, and changes nothing."""
    node, place = node_and_place(run, both)
    run("volumes", "create", "--name", "data", "--size", "10", "--location", place, *PROD, **both)
    before = [request.method for request in prod.requests if request.method != "GET"]
    for command, message in (
        (("create", "--name", "n", "--size", "5", "--location", place), "would create the volume n of 5 GB"),
        (("attach", "data", node), "would attach volume data (id "),
        (("detach", "data"), "would detach volume data (id "),
        (("destroy", "data"), "would destroy volume data (id "),
    ):
        done = run("volumes", *command, "--dry-run", *PROD, **both)
        assert (done.returncode, done.stdout.startswith(message)) == (0, True), done.stdout
    assert [request.method for request in prod.requests if request.method != "GET"] == before


def test_what_the_provider_does_not_offer(run: Run, both: dict[str, str]) -> None:
    """A driver without volumes is reported."""
    done = run("volumes", "list", "-p", "office", **both)
    assert done.returncode == 1
    assert done.stderr.startswith("UnsupportedOperationError: NephoScale does not offer list_volumes")
    assert done.stderr.endswith("; `polycloud providers` shows what it offers\n")

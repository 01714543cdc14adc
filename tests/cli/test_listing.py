from __future__ import annotations

import csv
import io
import json
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from polycloud import connect
from polycloud.cli import cells, listing, output
from polycloud.cli.listing import Listing, View, with_tags
from polycloud.sandbox import Sandbox

if TYPE_CHECKING:
    import contextlib
    import subprocess

    AtTerminal = Callable[..., str]
    Run = Callable[..., subprocess.CompletedProcess[str]]
    Start = Callable[..., contextlib.AbstractContextManager[subprocess.Popen[str]]]

STYLE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
NOUNS = ("nodes", "sizes", "images", "locations", "keys", "volumes")


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


@pytest.fixture
def silent() -> Any:
    """A cloud that does not respond until it is stopped."""
    with Sandbox("nephoscale", ssh="off", latency=600) as cloud:
        yield cloud


@pytest.mark.parametrize("noun", NOUNS)
def test_every_noun_has_a_list(run: Run, dummies: dict[str, str], noun: str) -> None:
    """Each noun lists the account's resources, as lines of text and as JSON with the account."""
    done = run(noun, "list", **dummies)
    assert (done.returncode, done.stderr) == (0, "")
    records = json.loads(run(noun, "list", "--json", **dummies).stdout)
    assert len(done.stdout.splitlines()) == len(records) + 1
    assert {one["account"] for one in records} == ({"home"} if records else set())


def test_one_account_has_no_account_column(run: Run, dummies: dict[str, str]) -> None:
    """A table of several accounts begins with their names; one of a single account has none."""
    assert rows(run("nodes", "list", **dummies).stdout)[0][:3] == ["name", "id", "state"]
    several = rows(run("nodes", "list", "-p", "work", "-p", "home", **dummies).stdout)
    assert [row[:2] for row in several] == [
        ["account", "name"],
        ["work", "dummy-1"],
        ["work", "dummy-2"],
        ["home", "dummy-1"],
        ["home", "dummy-2"],
    ]


def test_all_accounts_of_two_clouds(run: Run, both: dict[str, str]) -> None:
    """`--all` lists the nodes of every account."""
    done = run("nodes", "list", "--all", "--columns", "account,name,state", **both)
    assert rows(done.stdout)[1:] == [
        ["office", "seed-1", "running"],
        ["office", "seed-2", "running"],
        ["prod", "seed-00001", "running"],
        ["prod", "seed-00002", "running"],
    ]


def test_a_provider_with_the_environment(run: Run) -> None:
    """`--provider` takes credentials from the environment, and names the variables if they are missing."""
    done = run("nodes", "list", "--provider", "dummy", "--json", POLYCLOUD_DUMMY_KEY="x")
    assert [node["account"] for node in json.loads(done.stdout)] == ["dummy", "dummy"]
    done = run("nodes", "list", "--provider", "dummy")
    assert (done.returncode, done.stdout) == (2, "")
    assert "set POLYCLOUD_DUMMY_KEY" in done.stderr


def test_csv(run: Run, dummies: dict[str, str]) -> None:
    """CSV has a header, and one line for each row."""
    done = run("sizes", "list", "--csv", **dummies)
    sizes = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [(size["account"], size["name"], size["ram_mb"], size["usd_month"]) for size in sizes] == [
        ("home", "Small", "128", "2920"),
        ("home", "Medium", "512", "5840"),
        ("home", "Big", "4096", "23360"),
        ("home", "XXL Big", "8192", "46720"),
    ]


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (("--filter", "name=*m*"), ["Small", "Medium"]),
        (("--filter", "name=*m*", "--filter", "ram_mb=5*"), ["Medium"]),
        (("--sort", "name"), ["Big", "Medium", "Small", "XXL Big"]),
        (("--sort", "ram_mb", "--reverse"), ["XXL Big", "Big", "Medium", "Small"]),
        (("--reverse",), ["XXL Big", "Big", "Medium", "Small"]),
        (("--sort", "cpus"), ["Small", "Medium", "Big", "XXL Big"]),
        (("--limit", "1"), ["Small"]),
        (("--limit", "0"), []),
        (("--filter", "name=small"), []),
        (("--filter", "name!=*m*"), ["Big", "XXL Big"]),
        (("--filter", "name~^[SM].*l"), ["Small"]),
        (("--filter", "ram_mb>512"), ["Big", "XXL Big"]),
        (("--filter", "ram_mb<=512", "--filter", "id>1"), ["Medium"]),
        (("--filter", "cpus>0"), []),
    ],
)
def test_which_rows(run: Run, dummies: dict[str, str], arguments: tuple[str, ...], names: list[str]) -> None:
    """All filters must match, numbers are sorted as numbers, and the limit is applied last."""
    done = run("sizes", "list", "--columns", "name", *arguments, **dummies)
    assert done.stdout.splitlines() == ["name", *names]


def test_values_only(run: Run, dummies: dict[str, str]) -> None:
    """--output value prints values with tabs, and --no-header leaves out the names of a table or CSV."""
    columns = ("sizes", "list", "--columns", "id,cpus,name", "--limit", "1")
    assert run(*columns, "--output", "value", **dummies).stdout == "1\t\tSmall\n"
    assert run(*columns, "--no-header", **dummies).stdout == "1  -  Small\n"
    assert run(*columns, "--no-header", "--csv", **dummies).stdout == "1,,Small\n"
    assert run(*columns, "-o", "csv", **dummies).stdout == "id,cpus,name\n1,,Small\n"


def test_columns_of_one(run: Run, dummies: dict[str, str]) -> None:
    """`show` takes --columns, --no-header and the formats as `list` does; without names are values."""
    show = ("nodes", "show", "dummy-2", "--columns", "state,id")
    assert run(*show, **dummies).stdout == "node   2\nstate  running\nid     2\n"
    assert run(*show, "--output", "value", **dummies).stdout == "running\t2\n"
    assert run(*show, "--no-header", **dummies).stdout == "running\n2\n"
    assert run(*show, "--csv", **dummies).stdout == "state,id\nrunning,2\n"
    assert run(*show, "--csv-safe", "--no-header", **dummies).stdout == "running,2\n"
    assert json.loads(run(*show, "--json", **dummies).stdout) == {"state": "running", "id": "2"}
    assert "no column is called 'stat'" in run(*show[:3], "--columns", "stat", **dummies).stderr


def test_columns_of_tags(run: Run, prod: Sandbox, both: dict[str, str]) -> None:
    """A tag's value is a column, for lists, filters and order; a tag without a value is "yes"."""
    with connect("digitalocean", *prod.credentials, url=f"{prod.url}/v2") as driver:
        size = next(size for size in driver.list_sizes() if size.id == "s-1vcpu-1gb")
        for tags in (["env:prod", "front"], ["env:test"]):
            driver.create_node("w", size, driver.list_images()[0], driver.list_locations()[0], tags=tags)
    nodes = ("nodes", "list", "-p", "prod", "--columns", "tag:env,tag:front", "-o", "value")
    found = run(*nodes, "--filter", "tag:env~.", "--sort", "tag:env", **both).stdout
    assert found == "prod\tyes\ntest\t\n"
    assert run(*nodes, "--filter", "tag:env=t*", **both).stdout == "test\t\n"
    assert (
        "no column is called 'tag:env'"
        in run("sizes", "list", "-p", "prod", "--columns", "tag:env", **both).stderr
    )


@pytest.mark.parametrize(("tags", "value"), [(["a=b:c"], "b:c"), (["a"], "yes"), (["ab=c"], None)])
def test_values_of_tags(tags: list[str], value: str | None) -> None:
    """The value of a tag is what follows = or :, the first of them."""
    assert with_tags({"tags": tags}, ["tag:a"])["tag:a"] == value


def test_states_and_errors_have_colours(at_terminal: AtTerminal, dummies: dict[str, str]) -> None:
    """At a terminal a state has its colour, and the kind of an error is red; not with NO_COLOR."""
    assert "\x1b[32mrunning" in at_terminal("nodes", "list", "--columns", "state", **dummies)
    assert "\x1b[32mrunning" in at_terminal("nodes", "show", "dummy-1", **dummies)
    missing = ("nodes", "show", "zzz")
    assert "\x1b[1;31mNotFoundError\x1b[0m: Dummy" in at_terminal(*missing, status=3, **dummies)
    assert "\x1b[1;31m" not in at_terminal(*missing, status=3, NO_COLOR="1", **dummies)


def test_narrow_tables(at_terminal: AtTerminal, both: dict[str, str]) -> None:
    """A table of 60 columns has prices and states, and no names that are ids; --columns has them."""
    head = at_terminal("sizes", "list", "-p", "office", "--limit", "2", columns=60, **both)
    assert re.search(r"│ id .*│ usd_month", STYLE.sub("", head))
    shown = STYLE.sub("", at_terminal("sizes", "list", "-p", "prod", "--limit", "2", columns=60, **both))
    assert "usd_month" in shown
    assert "│ name " not in shown
    named = at_terminal("sizes", "list", "-p", "prod", "--columns", "id,name", columns=60, **both)
    assert "│ name " in STYLE.sub("", named)
    nodes = STYLE.sub("", at_terminal("nodes", "list", "--all", columns=44, **both))
    assert nodes.rpartition("state")[2].count("running") == 4


def test_public_keys_are_cut() -> None:
    """A table at a terminal has a public key's kind and end."""
    row = {"public_key": f"ssh-ed25519 {'A' * 68} me@home"}
    [[(text, _)]] = listing.cells([row], ["public_key"])
    assert text.startswith("ssh-ed25519 …")
    assert text.endswith(" me@home")
    assert len(text) < 40


def test_a_filter_looks_at_each_of_several_values() -> None:
    """A filter on a column of lists matches if one of the values does."""
    found = Listing(["a"], {"a": [{"ips": ["10.0.0.1", "192.0.2.1"]}, {"ips": []}]})
    assert found.rows(View(filters=["ips=192.*"])) == [{"ips": ["10.0.0.1", "192.0.2.1"]}]


def test_what_has_no_value_comes_last() -> None:
    """Rows without a value in the sorted column come last, in either order."""
    found = Listing(["a"], {"a": [{"n": None}, {"n": 10}, {"n": 9}]})
    assert [row["n"] for row in found.rows(View(sort="n"))] == [9, 10, None]
    assert [row["n"] for row in found.rows(View(sort="n", reverse=True))] == [10, 9, None]


def test_texts_of_others_are_harmless() -> None:
    """Text of a provider has no control characters in a table."""
    assert cells.cell("a\x1b[2Jb\n") == "a [2Jb "


INVISIBLE = "a\u009b2J\u202e\u2066\u200b\ufeff\x7f\U000e0001\ud83d\n\x1b]0;x\x07é€😀"
"""Controls, directions, signs without width, a tag, a half of a character; and three that can be seen."""


def test_json_shows_every_character(run: Run, at_terminal: AtTerminal, dummies: dict[str, str]) -> None:
    """JSON escapes what a terminal would execute or not show, at a terminal or elsewhere."""
    name = INVISIBLE.replace("\ud83d", "")  # no argument of a program may have it
    create = ("nodes", "create", "--name", name, "--size", "Small", "--image", "Slack", "--json")
    printed = run(*create, **dummies).stdout
    assert json.loads(printed)["name"] == name
    assert printed.removesuffix("\n").isprintable()
    assert "é€😀" in printed
    seen = STYLE.sub("", at_terminal(*create, **dummies))
    found = seen[seen.index("{") :]
    assert json.loads(found)["name"] == name
    assert found.replace("\r\n", "").isprintable()


def test_half_a_character_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON escapes what no encoding has."""
    output.json([INVISIBLE])
    printed = capsys.readouterr().out
    assert json.loads(printed) == [INVISIBLE]
    assert printed.removesuffix("\n").isprintable()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        *((text, f"'{text}") for text in ("=1", "+1", "-1", "@x", "\uff1d1", "  =1", "-", "=a b")),
        *(("\t=1", "' =1"), ("\r=1", "' =1"), (["=1", "b"], "'=1 b"), (["b", "=1"], "b =1")),
        *((-1, "-1"), (-1.5, "-1.5"), ("a=1", "a=1"), ("", ""), (None, ""), ("'=1", "'=1")),
    ],
)
def test_formulas(value: object, shown: str) -> None:
    """For a spreadsheet, text that begins like a formula has a ' before it; numbers have none."""
    assert cells.spreadsheet_cell(value) == shown


def test_csv_for_a_spreadsheet(
    run: Run, at_terminal: AtTerminal, office: Sandbox, both: dict[str, str]
) -> None:
    """`--csv` is as it is for programs, and for spreadsheets at a terminal; `--csv-safe` always is."""
    run("nodes", "create", "--name", "=1+1", "--size", "5", "--image", "49", "-p", "office", **both)
    lines = ("nodes", "list", "--filter", "name==1+1", "--columns", "name", "-p", "office")
    assert run(*lines, "--csv", **both).stdout == "name\n=1+1\n"
    assert run(*lines, "--csv-safe", **both).stdout == "name\n'=1+1\n"
    assert at_terminal(*lines, "--csv", **both) == "name\r\n'=1+1\r\n"
    assert run(*lines, "--csv-safe", "--json", **both).returncode == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--columns", "nam"), "no column is called 'nam'; did you mean name? there are account, name, id,"),
        (("--sort", "xyz"), "no column is called 'xyz'; there are account, name,"),
        (("--filter", "xyz=1"), "no column is called 'xyz'; "),
        (("--filter", "name~("), "--filter name~ must be a regular expression: missing )"),
        (("--filter", "name"), "--filter must be COLUMN=PATTERN, such as name=web*, got 'name'"),
        (("--json", "--csv"), "give only one of --output, --json and --csv"),
        (("--all", "-p", "home"), "give only one of --profile, --provider and --all"),
        (("-p", "home", "--provider", "dummy"), "give only one of --profile, --provider and --all"),
        (("-p", "hoem"), "no profile is called 'hoem' in "),
        (
            ("--provider", "dumy"),
            "no provider is called 'dumy'; the nearest names: dummy",
        ),
        (("--deadline", "0"), "deadline must be a number of seconds above 0, got 0.0"),
    ],
)
def test_a_wrong_call(run: Run, dummies: dict[str, str], arguments: tuple[str, ...], said: str) -> None:
    """A wrong call is one line that says what is right, and the exit status is 2."""
    done = run("nodes", "list", *arguments, **dummies)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_no_profiles(run: Run) -> None:
    """Without any account a list names the place of the configuration."""
    done = run("nodes", "list")
    assert done.returncode == 2
    assert "write [profiles.NAME] with its provider into /nowhere/polycloud/config.toml" in done.stderr
    assert run("nodes", "list", "--all").returncode == 2


def test_a_file_that_others_can_read(run: Run, dummies: dict[str, str]) -> None:
    """A warning of the configuration is one line on stderr, and the list is printed."""
    Path(dummies["POLYCLOUD_CONFIG"]).chmod(0o644)
    done = run("nodes", "list", **dummies)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 3)
    assert re.fullmatch(r"warning: others can read \S+: chmod 600 \S+\n", done.stderr)


# Accounts that fail


def failing(both: dict[str, str]) -> dict[str, str]:
    """The same with a third account, whose password is wrong."""
    file = Path(both["POLYCLOUD_CONFIG"])
    text = file.read_text()
    url = re.findall(r'url = "(.*)"', text)[0]
    file.write_text(
        f'[profiles.old]\nprovider = "nephoscale"\nurl = "{url}"\nuser = "me"\npassword = "wrong-one"\n{text}'
    )
    return both


def test_a_failure_hides_nothing(run: Run, both: dict[str, str]) -> None:
    """An account that fails is reported beside the results of the others, and the exit status is 1."""
    done = run("nodes", "list", "--all", "--json", **failing(both))
    assert done.returncode == 1
    assert {node["account"] for node in json.loads(done.stdout)} == {"office", "prod"}
    assert done.stderr.startswith("old: InvalidCredsError: ")
    assert len(done.stderr.splitlines()) == 1
    assert "wrong-one" not in done.stderr


def test_the_only_account_fails(run: Run, both: dict[str, str]) -> None:
    """If the only account fails, its error is the only output."""
    done = run("nodes", "list", "-p", "old", **failing(both))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("InvalidCredsError: ")


def test_a_deadline_gives_up(run: Run, dummies: dict[str, str], silent: Sandbox) -> None:
    """An account that has not responded by the deadline is reported as failed beside the others."""
    file = Path(dummies["POLYCLOUD_CONFIG"])
    file.write_text(
        f'{file.read_text()}[profiles.silent]\nprovider = "nephoscale"\nurl = "{silent.url}"\n'
        'user = "me"\npassword = "x"\n'
    )
    done = run("nodes", "list", "--all", "--json", "--deadline", "3", **dummies)
    assert done.returncode == 1
    assert {node["account"] for node in json.loads(done.stdout)} == {"home", "work"}
    assert done.stderr.startswith("silent: ")


def test_ctrl_c_does_not_wait(
    start: Start, configured: Callable[[str], Path], silent: Sandbox, wait_for: Callable[..., None]
) -> None:
    """Ctrl-C ends a list at once with 130, while it waits for a response."""
    file = configured(
        f'[profiles.a]\nprovider = "nephoscale"\nurl = "{silent.url}"\nuser = "u"\npassword = "p"\n'
    )
    with start("nodes", "list", POLYCLOUD_CONFIG=str(file)) as process:
        wait_for(lambda: silent.requests)
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=60)
    assert (process.returncode, out, errors) == (130, "", "interrupted\n")


def test_the_debug_file(run: Run, both: dict[str, str], tmp_path: Path) -> None:
    """POLYCLOUD_DEBUG records the requests of a command in a file, without the secret."""
    run("nodes", "list", "-p", "prod", **both, POLYCLOUD_DEBUG=str(tmp_path / "debug"))
    text = (tmp_path / "debug").read_text()
    assert "DigitalOcean list_nodes" in text
    assert "\ncurl " in text
    assert "dop_v1_sandbox" not in text


# At a terminal


def test_a_table_at_a_terminal(at_terminal: AtTerminal, dummies: dict[str, str]) -> None:
    """A table is not wider than the terminal; columns that do not fit are named."""
    sent = STYLE.sub("", at_terminal("nodes", "list", **dummies))
    assert max(map(len, sent.splitlines())) <= 80
    assert "dummy-1" in sent
    assert "127.0.0.1" in sent
    assert "2026-01-01" not in sent
    assert "a wider window shows" in sent


def test_columns_that_were_asked_for_are_shown(at_terminal: AtTerminal, dummies: dict[str, str]) -> None:
    """All requested columns are shown, folded if necessary."""
    sent = STYLE.sub("", at_terminal("nodes", "list", "--columns", "name,created_at,public_ips", **dummies))
    assert "2026-01-01" in sent
    assert "wider window" not in sent


def test_the_table_grows(terminal: Callable[..., Any], both: dict[str, str], silent: Sandbox) -> None:
    """At a terminal the rows so far are shown, with the names of the accounts that are missing."""
    file = Path(both["POLYCLOUD_CONFIG"])
    file.write_text(
        f'{file.read_text()}[profiles.slow]\nprovider = "nephoscale"\nurl = "{silent.url}"\n'
        'user = "me"\npassword = "x"\n'
    )
    screen = terminal("nodes", "list", "--all", columns=100, **both)
    screen.until("4 from 2 of 3 accounts; waiting for slow")
    assert "seed-00002" in screen.sent
    assert "seed-2" in screen.sent
    screen.type("\x03")
    assert screen.end() == 130
    assert "interrupted" in screen.sent


@pytest.mark.parametrize("calm", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_calm_terminals(at_terminal: AtTerminal, dummies: dict[str, str], calm: dict[str, str]) -> None:
    """With NO_COLOR, or at a terminal without these capabilities, nothing moves or is coloured."""
    sent = at_terminal("nodes", "list", "--all", **dummies, **calm)
    assert "waiting for" not in sent
    assert re.search(r"\x1b\[(?:\d+;)*(?:3|4|9)\d", sent) is None
    assert "\x1b[?25l" not in sent


def test_wide_signs(run: Run, configured: Callable[[str], Path]) -> None:
    """Characters of double width count as two columns, and are escaped if the encoding lacks them."""
    file = str(
        configured(
            '[profiles."名前"]\nprovider = "dummy"\nkey = "x"\n[profiles.lab]\nprovider = "dummy"\nkey="x"\n'
        )
    )
    command = ("nodes", "list", "--all", "--columns", "account,id")
    lines = run(*command, POLYCLOUD_CONFIG=file).stdout.splitlines()
    assert lines == ["account  id", "名前     1", "名前     2", "lab      1", "lab      2"]
    done = run(*command, POLYCLOUD_CONFIG=file, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stdout.splitlines()[1]) == (0, "\\u540d\\u524d     1")
    done = run(*command, "--json", POLYCLOUD_CONFIG=file, PYTHONIOENCODING="ascii")
    assert json.loads(done.stdout)[0]["account"] == "名前"


def test_a_table_has_room_for_wide_signs() -> None:
    """Columns with characters of double width are left out before they are folded."""
    row = [("名前" * 4, False), ("x" * 8, False), ("y" * 8, False)]
    assert output.fitted("abc", [row], 40, full=False)[1] == ["c"]
    assert output.fitted("abc", [row], 42, full=False)[1] == []


def test_failures_in_order() -> None:
    """Accounts that failed are reported in the requested order, like the results."""
    found = Listing(["a", "b", "c"], failures={"c": ValueError("late"), "a": ValueError("first")})
    assert list(found.errors()) == ["a: ValueError: first", "c: ValueError: late"]


def test_a_closed_pipe(start: Start, dummies: dict[str, str]) -> None:
    """A reader that goes away ends a list without a message."""
    for form in ("--json", "--csv", "--all"):
        with start("nodes", "list", form, fresh=True, **dummies) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.close()
            assert process.stderr.read() == ""
            process.wait(30)

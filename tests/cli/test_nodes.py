from __future__ import annotations

import json
import re
import shlex
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncssh
import pytest

from polycloud import connect
from polycloud.sandbox import Sandbox
from support.keypairs import key_pair
from support.opensshd import openssh

if TYPE_CHECKING:
    import contextlib
    import subprocess

    Run = Callable[..., subprocess.CompletedProcess[str]]
    Start = Callable[..., contextlib.AbstractContextManager[subprocess.Popen[str]]]

STYLE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
ORDER = ("--size", "5", "--image", "49", "--location", "SJC")
CHANGING = {"POST", "PUT", "PATCH", "DELETE"}


@pytest.fixture
def account(office: Sandbox, configured: Callable[[str], Path]) -> dict[str, str]:
    """The environment of a user with the account `office`."""
    user, password = office.credentials
    file = configured(
        f'[profiles.office]\nprovider = "nephoscale"\nurl = "{office.url}"\n'
        f'user = "{user}"\npassword = "{password}"\n'
    )
    return {"POLYCLOUD_CONFIG": str(file)}


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A private key in a file, without its public half."""
    file = tmp_path / "id"
    file.write_text(key_pair()[0])
    return file


def names(cloud: Sandbox) -> list[str]:
    return [server["name"] for server in cloud.servers if server["listed"]]


def changes(cloud: Sandbox) -> list[str]:
    return [request.path for request in cloud.requests if request.method in CHANGING]


# One life


def test_a_life(run: Run, office: Sandbox, account: dict[str, str], wait_for: Callable[..., None]) -> None:
    """A node is created, awaited, shown, changed and destroyed by its name."""
    created = run("nodes", "create", "--name", "web", *ORDER, "--wait", "--json", **account)
    assert created.returncode == 0, created.stderr
    assert "creating the node web ..." in created.stderr
    node = json.loads(created.stdout)
    assert (node["name"], node["state"], node["location"]) == ("web", "running", "SJC-1")
    assert json.loads(run("nodes", "show", "web", "--json", **account).stdout)["id"] == node["id"]
    assert f"\nid           {node['id']}\n" in run("nodes", "show", node["id"], **account).stdout
    waited = run("nodes", "wait", "web", **account)
    assert waited.stdout == f"node web (id {node['id']}) is running at {node['public_ips'][0]}\n"
    assert json.loads(run("nodes", "wait", "web", "--json", **account).stdout)[0]["id"] == node["id"]
    for command in ("reboot", "stop", "start", "shutdown"):
        done = run("nodes", command, "web", **account)
        assert (done.returncode, " requested: node web" in done.stdout) == (0, True)
    gone = run("nodes", "destroy", "web", "--yes", **account)
    assert gone.stdout == f"destroyed node web (id {node['id']})\n"
    wait_for(lambda: "web" not in names(office))


def test_a_key_gives_the_same_node(run: Run, office: Sandbox, account: dict[str, str]) -> None:
    """A create that is repeated with the same idempotency key returns the existing node."""
    create = ("nodes", "create", "--name", "web", *ORDER, "--json", "--idempotency-key", "k1")
    first, second = (json.loads(run(*create, **account).stdout)["id"] for _ in range(2))
    assert first == second
    assert names(office).count("web") == 1


def test_a_dry_run_changes_nothing(run: Run, office: Sandbox, account: dict[str, str], key: Path) -> None:
    """`--dry-run` prints what would be done, and changes nothing."""
    dry = [
        ("nodes", "create", "--name", "web", *ORDER, "--idempotency-key", "k"),
        ("nodes", "deploy", "--name", "web", *ORDER, "--key", str(key), "--script", __file__),
        *(("nodes", command, "seed-1") for command in ("reboot", "start", "stop", "shutdown", "destroy")),
        ("keys", "create", "k", "--to", "/nowhere/k"),
        ("keys", "import", "k", "/nowhere/k"),
    ]
    for command in dry:
        done = run(*command, "--dry-run", **account)
        assert (done.returncode, done.stdout.startswith("would ")) == (0, True), done.stderr
    assert changes(office) == []
    words = run(*dry[0], "--dry-run", **account).stdout
    assert "the node web at NephoScale: size CS05" in words
    assert "(id 49), location SJC-1 (id " in words
    assert "idempotency_key k" in words


# Names


def test_a_name_of_two_nodes(run: Run, office: Sandbox, account: dict[str, str]) -> None:
    """A name that two nodes have is refused with their ids; each id is taken."""
    ids = [
        json.loads(run("nodes", "create", "--name", "twin", *ORDER, "--json", **account).stdout)["id"]
        for _ in range(2)
    ]
    before = len(changes(office))
    done = run("nodes", "destroy", "twin", "--yes", **account)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"more than one node is called 'twin'; give the id of one: {ids[0]} (twin), {ids[1]} (twin)" in (
        done.stderr
    )
    assert len(changes(office)) == before
    assert run("nodes", "destroy", ids[0], "--yes", **account).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("show", "sed-1"), 3, "NephoScale has no node 'sed-1'; the nearest are seed-1, seed-2"),
        (("stop", "xyz"), 3, "NephoScale has no node 'xyz'; it has 2 nodes"),
        (("stop", "seed"), 3, "has no node 'seed'; the nearest are"),
        (("destroy", "seed-1", "xyz", "--yes"), 3, "has no node 'xyz'"),
        (("create", "--name", "w", "--size", "zzz", "--image", "49"), 3, "has no size 'zzz'; it has"),
        (
            ("create", "--name", "w", "--size", "CS", "--image", "49"),
            2,
            "more than one size begins with 'CS'",
        ),
        (("create", "--name", "w", "--size", "5", "--image", "Linx"), 3, "has no image 'Linx'"),
        (("create", "--name", "w", *ORDER[:4], "--location", "nyc"), 3, "has no location 'nyc'"),
        (("create", "--name", "", *ORDER), 2, "name must be a non-empty str, got ''"),
        (
            ("create", "--name", "w", *ORDER, "--tag", "t"),
            1,
            "NephoScale does not take --tag when a node is created",
        ),
        (("create", "--name", "w", *ORDER, "--key", "/no/key"), 2, "the key file /no/key cannot be read"),
        (("create", "--name", "w", *ORDER, "--key", __file__), 2, "not a public key in OpenSSH's format"),
        (("deploy", "--name", "w", *ORDER, "--key", "/k"), 2, "nothing to deploy: give --script FILE or"),
        (("deploy", "--name", "w", *ORDER, "--script", "/k"), 2, "there is no SSH key in "),
        (
            ("deploy", "--name", "w", *ORDER, "--key", "/k", "--script", "/no"),
            2,
            "the file /no cannot be read",
        ),
        (("deploy", "--name", "w", *ORDER, "--key", "/k", "--file", "a"), 2, "--file must be SRC:DST"),
        (("create", "--size", "5", "--image", "49"), 2, "Missing option '--name'"),
        (
            ("create", "--name", "w", "--image", "49"),
            2,
            "NephoScale needs --size; polycloud sizes list has the sizes",
        ),
        (("create", "--name", "w", *ORDER[:2]), 2, "NephoScale needs --image; polycloud images list has the"),
        (("wait", "seed-1", "--timeout", "-1"), 2, "'--timeout'"),
    ],
)
def test_what_cannot_be_done(
    run: Run, office: Sandbox, account: dict[str, str], arguments: tuple[str, ...], status: int, said: str
) -> None:
    """An unknown, ambiguous or unusable argument is an error before anything is changed."""
    done = run("nodes", *arguments, HOME="/nowhere", **account)
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert changes(office) == []


def test_a_dry_run_describes_the_order(run: Run, both: dict[str, str], key: Path) -> None:
    """A dry run describes the order, by the most distinctive names, and the steps of the deployment."""
    order = shlex.split("--name w --size s-1vcpu-1gb --image ubuntu-24 --location nyc1 -p prod")
    done = run("nodes", "create", *order, "--tag", "a", "--tag", "b", "--dry-run", **both)
    assert "size s-1vcpu-1gb, image ubuntu-24-04-x64 (id 155133621), location" in done.stdout
    assert done.stdout.endswith(", tags a b\n")
    steps = ("--key", str(key), "--file", f"{key}:/etc/k", "--script", __file__)
    done = run("nodes", "deploy", *order, *steps, "--dry-run", **both)
    assert done.stdout.endswith(f", then copy {key}:/etc/k, run {__file__}\n")
    done = run("nodes", "create", *order[:5], "ubuntu", *order[6:], **both)
    assert "give the id of one: 155133621 (ubuntu-24-04-x64), 1" in done.stderr


def test_how_many_there_are(run: Run, office: Sandbox, account: dict[str, str]) -> None:
    """If no name is near, the error says how many there are, and which command lists them."""
    done = run("sizes", "show", "zzz", **account)
    assert re.search(r"no size 'zzz'; it has \d+ sizes, see `polycloud sizes list`\n$", done.stderr)
    assert run("keys", "show", "zzz", **account).stderr.endswith("no key 'zzz'; it has no key\n")


def test_one_warning(run: Run, account: dict[str, str]) -> None:
    """A warning of the configuration is printed once."""
    Path(account["POLYCLOUD_CONFIG"]).chmod(0o644)
    done = run("nodes", "destroy", "seed-1", **account)
    assert done.stderr.count("warning: ") == 1


# Destruction asks


def test_destroy_asks(
    terminal: Callable[..., Any],
    office: Sandbox,
    account: dict[str, str],
    wait_for: Callable[..., None],
) -> None:
    """At a terminal the nodes are listed before the question; only yes destroys them."""
    for answer, status in (("n\r", 1), ("\r", 1), ("\x04", 1), ("y\r", 0)):
        screen = terminal("nodes", "destroy", "seed-1", columns=200, **account)
        screen.until("Are you sure? [y/N] ")
        assert "destroy 1 node of office:" in screen.sent
        assert re.search(r"seed-1 *│ 88001 *│ running", STYLE.sub("", screen.sent))
        assert names(office) == ["seed-1", "seed-2"]
        screen.type(answer)
        assert screen.end() == status, screen.sent
        assert ("\nnothing was done to 1 node of office" in screen.sent) == (status == 1)
    wait_for(lambda: names(office) == ["seed-2"])


def test_ctrl_c_at_the_question(
    terminal: Callable[..., Any], office: Sandbox, account: dict[str, str]
) -> None:
    """Ctrl-C at the question destroys nothing and exits with 130."""
    screen = terminal("nodes", "destroy", "seed-1", **account)
    screen.until("Are you sure? [y/N] ")
    screen.type("\x03")
    assert screen.end() == 130
    assert "\ninterrupted" in screen.sent
    assert changes(office) == []


def test_nobody_to_ask(run: Run, office: Sandbox, account: dict[str, str]) -> None:
    """Without a terminal nothing is destroyed without --yes, even if the input says y."""
    done = run("nodes", "destroy", "seed-1", "seed-2", input="y\n", **account)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "destroy 2 nodes of office? There is no terminal to ask at; --yes skips the question\n"
    )
    assert changes(office) == []


# Deployment


@pytest.fixture
def script(tmp_path: Path) -> Path:
    file = tmp_path / "setup.sh"
    file.write_text(
        "#!/bin/sh\ncat app.conf\necho to stderr >&2\nprintf 'a\\033[2Jb\\n'\nexit $(cat status)\n"
    )
    return file


def deploy(office: Sandbox, key: Path, script: Path, status: int) -> list[str]:
    """The arguments of a deployment of a script that ends with `status`."""
    folder = script.parent
    (folder / "app.conf").write_text("workers = 4\n")
    (folder / "status").write_text(f"{status}\n")
    files = [f"--file={folder / name}:{name}" for name in ("app.conf", "status")]
    order = ["nodes", "deploy", "--name", "app", *ORDER, "--key", str(key), "--script", str(script)]
    return [*order, *files, "--ssh-port", str(office.ssh_port)]


def test_deploy(run: Run, office: Sandbox, account: dict[str, str], key: Path, script: Path) -> None:
    """Files are copied, the script runs, and its output is shown without control characters."""
    done = run(*deploy(office, key, script, 0), **account)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("workers = 4\na\\x1b[2Jb\nnode")
    assert "deploying the node app ...\n" in done.stderr
    assert "to stderr\n" in done.stderr
    assert "app" in names(office)


def test_deploy_through_a_jump_host(
    run: Run, office: Sandbox, account: dict[str, str], key: Path, script: Path
) -> None:
    """A deployment goes through the jump hosts, as root where asked, and fails if one cannot be reached."""
    public = asyncssh.read_private_key(key).export_public_key().decode().strip()
    with openssh(public) as bastion:
        jump = f"{bastion.username}@{bastion.host}:{bastion.port}"
        done = run(*deploy(office, key, script, 0), "--ssh-jump", jump, "--sudo", **account)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("workers = 4\n")
    done = run(
        *deploy(office, key, script, 0),
        "--ssh-jump",
        jump,
        "--timeout",
        "2",
        "--destroy-on-failure",
        **account,
    )
    assert done.returncode == 1
    assert f"the jump host {bastion.host}:{bastion.port} cannot be reached" in done.stderr


def test_deploy_to_another_interface(
    run: Run, office: Sandbox, account: dict[str, str], key: Path, script: Path
) -> None:
    """`--ssh-interface` says which addresses of the node are used; there are two kinds."""
    order = [*deploy(office, key, script, 0), "--destroy-on-failure"]
    done = run(*order, "--ssh-interface", "private_ips", "--timeout", "2", **account)
    assert done.returncode == 1
    assert "app (id" in done.stderr
    assert "198.18." not in done.stderr
    assert run(*order, "--ssh-interface", "odd", **account).returncode == 2


def test_a_deployment_that_fails(
    run: Run,
    office: Sandbox,
    account: dict[str, str],
    key: Path,
    script: Path,
    wait_for: Callable[..., None],
) -> None:
    """A script that fails ends the command with 1 and a message that the node exists, or was destroyed."""
    done = run(*deploy(office, key, script, 3), **account)
    assert done.returncode == 1
    assert "exists, and its deployment failed" in done.stderr
    assert "exit status 3" in done.stderr
    assert "; --destroy-on-failure would have destroyed it" in done.stderr
    assert "app" in names(office)
    done = run(*deploy(office, key, script, 3), "--destroy-on-failure", **account)
    assert (done.returncode, "was destroyed" in done.stderr) == (1, True)
    wait_for(lambda: names(office).count("app") == 1)


def test_the_result_stays_apart(
    run: Run, office: Sandbox, account: dict[str, str], key: Path, script: Path
) -> None:
    """With --json stdout has only the node, and the output of the script goes to stderr."""
    done = run(*deploy(office, key, script, 0), "--json", **account)
    assert json.loads(done.stdout)["name"] == "app"
    assert "workers = 4\n" in done.stderr


def test_an_interrupted_deployment(
    start: Start, office: Sandbox, account: dict[str, str], key: Path, script: Path
) -> None:
    """Ctrl-C during a script exits with 130 and names the node that exists."""
    script.write_text("#!/bin/sh\necho begun\nsleep 60\n")
    with start(*deploy(office, key, script, 0), **account) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert re.search(r"the node app \(id \d+, .*\) exists", errors)


def test_several_deployments(
    start: Start, office: Sandbox, account: dict[str, str], key: Path, script: Path
) -> None:
    """Deployments run side by side, lines have the node's name, SIGTERM names all and exits with 143."""
    script.write_text("#!/bin/sh\nprintf 'begun\\nwait'\nsleep 60\n")
    with start(*deploy(office, key, script, 0), "--count", "3", **account) as process:
        assert process.stdout is not None
        lines = {process.stdout.readline() for _ in range(3)}
        assert lines == {f"app-{at}: begun\n" for at in (1, 2, 3)}
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "\nterminated\n" in errors
    ids = {server["name"]: str(server["id"]) for server in office.servers}
    for at in (1, 2, 3):
        assert f"node app-{at} (id {ids[f'app-{at}']})" in errors
    (command,) = re.findall(r"exist; to destroy them: polycloud nodes destroy (.*)$", errors, re.MULTILINE)
    assert {*command.split()} >= {ids[f"app-{at}"] for at in (1, 2, 3)}
    assert "to look: polycloud nodes list" in errors


def test_some_of_several_deployments_fail(
    run: Run, office: Sandbox, account: dict[str, str], key: Path, script: Path
) -> None:
    """Of several deployments failed ones are named, the others' nodes are printed, and the status is 1."""
    office.fault(400, method="POST", path="/server/cloud/")
    done = run(*deploy(office, key, script, 0), "--count", "3", "--json", **account)
    assert done.returncode == 1, done.stderr
    deployed = {node["name"] for node in json.loads(done.stdout)}
    (failed,) = re.findall(r"^(app-\d): \w+Error: ", done.stderr, re.MULTILINE)
    assert deployed | {failed} == {"app-1", "app-2", "app-3"}
    assert all(f"{name}: workers = 4\n" in done.stderr for name in deployed)
    again = run(*deploy(office, key, script, 3), "--count", "2", **account)
    assert again.returncode == 1
    assert len(re.findall(r"^app-\d: DeploymentError: .*exit status 3", again.stderr, re.MULTILINE)) == 2
    assert again.stderr.count("; --destroy-on-failure would have destroyed it") == 2


def test_deploy_at_a_terminal(
    terminal: Callable[..., Any], office: Sandbox, account: dict[str, str], key: Path, script: Path
) -> None:
    """At a terminal the progress is shown until the script prints something."""
    screen = terminal(*deploy(office, key, script, 0), **account)
    assert screen.end() == 0, screen.sent
    sent = STYLE.sub("", screen.sent)
    assert "deploying the node app 0:00:0" in sent
    assert "workers = 4" in sent
    assert sent.index("workers = 4") < sent.index("╭")


def test_an_interrupted_create(
    start: Start, configured: Callable[[str], Path], wait_for: Callable[..., None]
) -> None:
    """Ctrl-C during a create exits with 130 and says what may exist."""
    with Sandbox("nephoscale", ssh="off", appear=600.0) as cloud:
        user, password = cloud.credentials
        file = configured(
            f'[profiles.a]\nprovider = "nephoscale"\nurl = "{cloud.url}"\n'
            f'user = "{user}"\npassword = "{password}"\n'
        )
        with start("nodes", "create", "--name", "web", *ORDER, POLYCLOUD_CONFIG=str(file)) as process:
            wait_for(lambda: changes(cloud))
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "\ninterrupted\n" in errors
    assert "web" in errors.partition("interrupted\n")[2]
    assert errors.endswith("\nto look: polycloud nodes list --filter 'name=web*'\n")


def test_an_interrupted_destruction(
    start: Start, configured: Callable[[str], Path], wait_for: Callable[..., None]
) -> None:
    """Ctrl-C between several nodes names the one that may be destroyed, and those not attempted."""
    with Sandbox("nephoscale", ssh="off", seed_nodes=2, latency=3.0) as cloud:
        user, password = cloud.credentials
        file = configured(
            f'[profiles.a]\nprovider = "nephoscale"\nurl = "{cloud.url}"\n'
            f'user = "{user}"\npassword = "{password}"\n'
        )
        destroy = ("nodes", "destroy", "seed-1", "seed-2", "--yes")
        with start(*destroy, POLYCLOUD_CONFIG=str(file)) as process:
            wait_for(lambda: changes(cloud))
            process.send_signal(signal.SIGINT)
            out, errors = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert errors.splitlines()[-2:] == [
        "interrupted",
        "node seed-1 (id 88001): destroy may have been carried out; not attempted: node seed-2 (id 88002)",
    ]


@pytest.fixture
def slow(configured: Callable[[str], Path]) -> Iterator[tuple[Sandbox, dict[str, str]]]:
    """A NephoScale whose servers never run, and the environment of a user with the account `a b` there."""
    with Sandbox("nephoscale", ssh="off", appear=0.0, build=600.0) as cloud:
        user, password = cloud.credentials
        file = configured(
            f'[profiles."a b"]\nprovider = "nephoscale"\nurl = "{cloud.url}"\n'
            f'user = "{user}"\npassword = "{password}"\n'
        )
        yield cloud, {"POLYCLOUD_CONFIG": str(file)}


CREATE_AND_WAIT = ("nodes", "create", "--name", "web", *ORDER, "-p", "a b", "--wait")


@pytest.mark.parametrize("as_json", [False, True])
def test_a_wait_that_is_too_short(run: Run, slow: tuple[Sandbox, dict[str, str]], as_json: bool) -> None:
    """A create whose wait times out exits with 1, and names the node, and the command that destroys it."""
    cloud, account = slow
    done = run(*CREATE_AND_WAIT, "--timeout", "0.2", *(["--json"] if as_json else []), **account)
    (server,) = cloud.servers
    assert done.returncode == 1
    assert "gave up after 0.2 s waiting for web (id " in done.stderr
    *_, note = done.stderr.splitlines()
    known, _, command = note.partition(" exists; to destroy it: ")
    assert known == f"node web (id {server['id']})"
    if as_json:
        assert json.loads(done.stdout)["id"] == str(server["id"])
    else:
        assert done.stdout == ""
    program, *arguments = shlex.split(command)
    assert program == "polycloud"
    assert run(*arguments, "--yes", **account).returncode == 0


def test_an_interrupted_wait(start: Start, slow: tuple[Sandbox, dict[str, str]]) -> None:
    """Ctrl-C while a create waits for its node exits with 130 and names the node."""
    cloud, account = slow
    with start(*CREATE_AND_WAIT, **account) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("waiting for node web"):
                break
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    (server,) = cloud.servers
    assert process.returncode == 130
    assert f"node web (id {server['id']}) exists; to destroy it: polycloud nodes destroy" in errors


def test_an_image_that_no_list_selects(run: Run, aws: Sandbox, configured: Callable[[str], Path]) -> None:
    """An image of any id is found, though the list of images is a selection."""
    key, secret = aws.credentials
    file = configured(
        f'[profiles.a]\nprovider = "ec2"\nurl = "{aws.url}"\nregion = "us-east-1"\n'
        f'key = "{key}"\nsecret = "{secret}"\n'
    )
    account = {"POLYCLOUD_CONFIG": str(file)}
    with connect("ec2", key, secret, **aws.options) as driver:
        listed = {image.id for image in driver.list_images()}
        unlisted = driver.list_images(ex_filters={"name": "Windows*"})[0].id
    assert unlisted not in listed
    create = ("nodes", "create", "--name", "w", "--size", "t3.micro", "--dry-run", "--image")
    assert f"(id {unlisted})" in run(*create, unlisted, **account).stdout
    assert run(*create, "ami-1", **account).returncode == 3
    assert run(*create, "no such image", **account).returncode == 3
    assert run("images", "show", unlisted, **account).returncode == 0


def test_deploy_without_its_extra(run: Run, account: dict[str, str], key: Path, tmp_path: Path) -> None:
    """Without the packages for SSH a deployment names what to install, before it creates a node."""
    program = "import sys; sys.modules['asyncssh'] = None\nfrom polycloud.cli.main import run; run()"
    (tmp_path / "id.pub").write_text(key_pair()[1])
    command = ("nodes", "deploy", "--name", "w", *ORDER, "--key", str(key), "--script", __file__)
    done = run(*command, fresh=program, **account)
    assert done.returncode == 1
    assert "pip install 'polycloud[deploy]'" in done.stderr

from __future__ import annotations

import json
import os
import sys
from io import BytesIO
from pathlib import Path
from textwrap import dedent

import pytest

from polycloud.errors import InvalidArgumentError
from polycloud.libcloud.checking import Report, Verdict, check_programs

IMPORTS = """\
from libcloud.compute.providers import get_driver
from libcloud.compute.types import Provider
"""


def check(text: str | bytes) -> Report:
    data = text if isinstance(text, bytes) else dedent(text).encode()
    return check_programs(["-"], BytesIO(data))


def found(text: str) -> list[str]:
    """Return the findings as "line verdict name", without the leading `libcloud.`."""
    report = check(text)
    assert report.problems == []
    return [f"{one.line} {one.verdict} {one.name.removeprefix('libcloud.')}" for one in report.findings]


@pytest.mark.parametrize(
    ("program", "finding"),
    [
        ("import libcloud.container", "missing container"),
        ("import libcloud.container.base as base", "missing container.base"),
        ("from libcloud import container", "missing container"),
        ("from libcloud.compute.drivers import gce", "bridge compute.drivers.gce"),
        (
            "from libcloud.common.base import LibcloudConnection as L",
            "missing common.base.LibcloudConnection",
        ),
        ("def f():\n    import libcloud.backup.base", "missing backup.base"),
        ("import libcloud\nlambda x=libcloud.container: x", "missing container"),
        ("import libcloud\ndef f(*x: libcloud.container): ...", "missing container"),
        ("from libcloud.utils.retry import *", "missing utils.retry"),
        ("from importlib import import_module\nimport_module('libcloud.container')", "missing container"),
        ("__import__('libcloud.backup.types')", "missing backup.types"),
        (
            (
                "from unittest import mock\n@mock.patch('libcloud.common.base.LibcloudConnection.request')\n"
                "def test(m): ..."
            ),
            "missing common.base.LibcloudConnection",
        ),
        ("def test(mocker):\n    mocker.patch('libcloud.http.LibcloudConnection')", "missing http"),
    ],
)
def test_imports_of_what_is_missing_are_found(program: str, finding: str) -> None:
    """A missing module or name is found in every form of import, and where a text names it for one."""
    [one] = found(program)
    assert one.partition(" ")[2] == finding


@pytest.mark.parametrize(
    "program",
    [
        "import libcloud; libcloud.compute.types.Provider.RACKSPACE_FIRST_GEN",
        "import libcloud.compute as c; c.types.Provider.RACKSPACE_FIRST_GEN",
        "from libcloud import compute; compute.types.Provider.RACKSPACE_FIRST_GEN",
        "from libcloud.compute import types as t; t.Provider.RACKSPACE_FIRST_GEN",
        "from libcloud.compute.types import Provider as P; x = {1: [P.RACKSPACE_FIRST_GEN]}",
        "from libcloud.compute.types import *; Provider.RACKSPACE_FIRST_GEN",
        "from libcloud.compute.types import Provider; getattr(Provider, 'RACKSPACE_FIRST_GEN')",
        "import importlib as i; i.import_module('libcloud.compute.types').Provider.RACKSPACE_FIRST_GEN",
        "def f():\n    global t\n    import libcloud.compute.types as t\nt.Provider.RACKSPACE_FIRST_GEN",
    ],
)
def test_attributes_are_followed_through_names(program: str) -> None:
    """A constant is found by whatever name the program reaches it."""
    [one] = found(program)
    assert one.endswith("bridge compute.types.Provider.RACKSPACE_FIRST_GEN")


@pytest.mark.parametrize(
    "program",
    [
        "d = get_driver(Provider.EC2)('key', 'secret')\nd.ex_get_limits()",
        "cls = get_driver('ec2')\nwith cls('key', 'secret') as d:\n    d.ex_get_limits()",
        "def make():\n    return get_driver(provider='EC2')('k', 's')\nmake().ex_get_limits()",
        "PROVIDER = 'ec2'\nif (d := get_driver(PROVIDER)('k', 's')):\n    d.ex_get_limits()",
        "import libcloud\nlibcloud.get_driver('compute', 'ec2')('k', 's').ex_get_limits()",
        "from libcloud.compute.drivers.ec2 import EC2NodeDriver\nEC2NodeDriver('k', 's').ex_get_limits()",
        (
            "from libcloud.compute.drivers.ec2 import EC2NodeDriver as E\n"
            "def f(d: 'E | None' = None):\n    d.ex_get_limits()"
        ),
        (
            "class App:\n    def use(self):\n        self.d.ex_get_limits()\n"
            "    def __init__(self):\n        self.d = get_driver(Provider.EC2)('k', 's')"
        ),
        (
            "class App:\n    cls = get_driver(Provider.EC2)\n    @property\n    def d(self):\n"
            "        return self.cls('k', 's')\nclass Sub(App):\n    def use(self): self.d.ex_get_limits()"
        ),
        "for p in (Provider.EC2,):\n    get_driver(p)('k', 's').ex_get_limits()",
        (
            "async def make():\n    return get_driver('ec2')('k', 's')\n"
            "async def use():\n    (await make()).ex_get_limits()"
        ),
        "a, d = 1, get_driver('ec2')('k', 's')\nd.ex_get_limits()",
        "from unittest.mock import patch\npatch.object(get_driver('ec2'), 'ex_get_limits')",
        (
            "from libcloud.compute.drivers.ec2 import EC2NodeDriver\n"
            "class Mine(EC2NodeDriver):\n    def use(self):\n        return super().ex_get_limits()"
        ),
        (
            "from libcloud.compute.drivers.ec2 import EC2NodeDriver\n"
            "class Mine(EC2NodeDriver):\n    pass\nMine('k', 's').ex_get_limits()"
        ),
    ],
)
def test_the_driver_is_followed_to_its_methods(program: str) -> None:
    """A method that a driver lacks is found on every variable, attribute and result that holds the driver."""
    [one] = found(IMPORTS + program)
    assert one.endswith("missing compute.drivers.ec2.EC2NodeDriver.ex_get_limits")


@pytest.mark.parametrize(
    "program",
    [
        "libcloud = object(); libcloud.container",
        "from . import libcloud; libcloud.container",
        "from .libcloud.container import base",
        "import mylibcloud.container",
        "import libcloud\ndef f(libcloud):\n    libcloud.container",
        IMPORTS + "d = get_driver('ec2')('k', 's')\nd.something_of_its_own = 1\nd.something_of_its_own",
        IMPORTS + "def f(d):\n    d.ex_get_limits()",
        IMPORTS + "d = get_driver('ec2')('k', 's')\nd.list_nodes().ex_get_limits()",
        IMPORTS + "d = get_driver('ec2')('k', 's')\nd = get_driver('openstack')('k')\nd.ex_list_keypairs()",
        IMPORTS + "def f(name):\n    d = get_driver(name)('k', ex_own=1)\n    d.create_node(ex_own=2)",
        IMPORTS
        + "class Own(get_driver('ec2')):\n    def ex_get_limits(self): ...\nOwn('k', 's').ex_get_limits()",
        (
            "try:\n    from libcloud.types import InvalidCredsException\n"
            "except ImportError:\n    from libcloud.common.types import InvalidCredsError"
        ),
        "print('libcloud.container')",
        (
            "from libcloud.compute.base import NodeDriver\nclass Own(NodeDriver):\n    NODE_STATE_MAP = {}\n"
            "    def f(self): return self.NODE_STATE_MAP.get(1)"
        ),
        IMPORTS + "get_driver('ec2')('k', 's').copy_image(node_image=1, source_region='x', name='n')",
        IMPORTS + "d = get_driver('ec2')('k')\nif hasattr(d, 'ex_get_limits'):\n    d.ex_get_limits()",
        IMPORTS + "d = get_driver('ec2')('k')\nlimits = getattr(d, 'ex_get_limits', None)",
        IMPORTS + "try:\n    get_driver('ec2')('k').ex_own()\nexcept AttributeError:\n    pass",
        "import libcloud\nif libcloud.__version__ < '1.0':\n    from libcloud.types import NodeState",
        IMPORTS + "from libcloud.storage.providers import get_driver\nget_driver('aliyun_oss')",
        "from libcloud.compute.base import NodeDriver\ndef f(d: NodeDriver):\n    d.ex_own()",
        "from libcloud.compute.base import NodeDriver\nclass M(NodeDriver):\n    def f(self): self.ex_own()",
        IMPORTS + "class Own(get_driver('ec2')):\n    def f(self): self.ex_own()",
        IMPORTS + "get_driver('registered_elsewhere')('k').list_nodes()",
        IMPORTS + "get_driver('openstack')('u', 'p', ex_force_auth_url='x', ex_tenant_name='y', timeout=3)",
        IMPORTS
        + "get_driver('ec2')('k', 's', True, 'host', 80, region='x', token='t', proxy_url='http://p')",
        IMPORTS + "get_driver('ec2')('k').create_node('a', 1, 2, ex_spot=True, ex_keyname='k', tags={})",
        IMPORTS + "get_driver('digitalocean')('k').deploy_node(name='a', deploy=1, ex_own=2, ssh_key='x')",
        "import logging; logging.getLogger('libcloud.container')",
        "from libcloud.compute.base import Node, NodeSize, LibcloudError, is_valid_ip_address",
        "from libcloud.common.base import Response\nclass R(Response):\n    def f(self): return self.status",
    ],
)
def test_there_is_no_false_alarm(program: str) -> None:
    """Nothing is reported that is the program's own, that may be another driver's, or that polycloud has."""
    assert found(program) == []


@pytest.mark.parametrize(
    ("call", "finding"),
    [
        ("get_driver('ec2')('k', 's', regoin='x')", "differs compute.drivers.ec2.EC2NodeDriver(regoin=)"),
        (
            "get_driver('ec2')('k', 's').create_node('n', ex_own=1, ex_keyname='k')",
            "missing compute.drivers.ec2.EC2NodeDriver.create_node(ex_own=)",
        ),
        (
            "get_driver('ec2')('k', 's', secure=False)",
            "differs compute.drivers.ec2.EC2NodeDriver(secure=False)",
        ),
        ("get_driver('gce')('k', 's').ex_create_firewall()", "bridge compute.providers.get_driver('gce')"),
        ("get_driver('ec2_eu_west')", "missing compute.providers.get_driver('ec2_eu_west')"),
        ("get_driver(Provider.EC2_EU_WEST)", "missing compute.types.Provider.EC2_EU_WEST"),
        ("get_driver('ec2')('k', 's').ex_own()", "missing compute.drivers.ec2.EC2NodeDriver.ex_own"),
        (
            "get_driver('ec2')('k', 's').connection.set_http_proxy('x')",
            "missing common.base.Connection.set_http_proxy",
        ),
        ("Provider.NOSUCH", "missing compute.types.Provider.NOSUCH"),
        (
            "import libcloud.security; libcloud.security.VERIFY_SSL_CERT = False",
            "differs security.VERIFY_SSL_CERT",
        ),
        ("from libcloud.compute.ssh import SSHClient", "differs compute.ssh.SSHClient"),
        ("get_driver('ovh')('key', 'secret')", "differs compute.providers.get_driver('ovh')"),
        (
            "get_driver('ec2')('k', 's').copy_image(1, 'x')",
            "differs compute.drivers.ec2.EC2NodeDriver.copy_image",
        ),
    ],
)
def test_verdicts(call: str, finding: str) -> None:
    """Providers, methods, keyword arguments and settings have the verdict of what the program would meet."""
    assert [one.partition(" ")[2] for one in found(IMPORTS + call)] == [finding]


def test_hooks_that_nothing_calls_are_found() -> None:
    """A class that overrides a hook of Libcloud's connection which polycloud never calls is found."""
    program = """\
        from libcloud.common.base import ConnectionKey
        class Mine(ConnectionKey):
            host = "api.example.com"
            cache_busting = True
            def add_default_headers(self, headers): return headers
            def pre_connect_hook(self, params, headers): return params, headers
    """
    assert found(program) == [
        "4 missing common.base.ConnectionKey.cache_busting",
        "6 missing common.base.ConnectionKey.pre_connect_hook",
    ]


def test_what_cannot_be_seen_is_said() -> None:
    """The report names the places where a provider or a name is known only while the program runs."""
    report = check(
        IMPORTS
        + "import importlib\ndef f(x):\n    d = get_driver(x)('k')\n    getattr(d, x)\n"
        + "    importlib.import_module('libcloud.compute.drivers.' + x)\n"
    )
    assert [(one.line, one.note.split(" ")[-1]) for one in report.unseen] == [
        (5, "checked"),
        (6, "attribute"),
        (7, "is"),
    ]


def test_places_and_counts() -> None:
    """A place counts lines and characters from 1; names are counted once, by their verdicts."""
    report = check(
        "from libcloud.compute.types import Provider\n'äö'; Provider.GCE; Provider.GCE; Provider.EC2\n"
    )
    assert [one.place for one in report.findings] == ["<stdin>:2:16", "<stdin>:2:30"]
    assert {verdict: report.count(verdict) for verdict in Verdict} == {
        Verdict.SAME: 2,
        Verdict.DIFFERS: 0,
        Verdict.BRIDGE: 1,
        Verdict.MISSING: 0,
    }
    assert (report.files, report.users, report.is_lacking) == (1, 1, True)


@pytest.mark.parametrize(
    ("data", "line", "words"),
    [
        (b"import libcloud\nprint 'hello'\n", 2, "Python 2 (a print statement)"),
        (b"import libcloud\ntry:\n    pass\nexcept ValueError, e:\n    pass\n", 4, "Python 2 (except with"),
        (b"import libcloud\nx = 0644\n", 2, "Python 2 (an octal number"),
        (b"import libcloud\nx = (\n", 2, "syntax error"),
        (b"import libcloud\nx = '\xe9'\n", 2, "not utf-8"),
        (b"# coding: klingon\nimport libcloud\n", None, "in no known encoding"),
        ("import libcloud\n".encode("utf-16"), None, "in no known encoding"),
        (b"import libcloud\n\0", None, "null"),
        (b"import libcloud\n" + b"x = " + b"(" * 5000, None, ""),
        (b"import libcloud\nx = " + b"-" * 100_000 + b"1\n", None, ""),
        (b"#" * 10_000_001, None, "larger than 10 MB"),
    ],
)
def test_files_that_cannot_be_checked(data: bytes, line: int | None, words: str) -> None:
    """A file that cannot be read as a program is a problem with a reason, and the line if one is to blame."""
    report = check(data)
    [problem] = report.problems
    assert words in problem.reason
    assert line in (None, problem.line)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8-sig", "cp1251"])
def test_declared_encodings_are_read(encoding: str) -> None:
    """A program in an encoding that its first line declares is read, and columns count its characters."""
    text = f"# coding: {encoding.removesuffix('-sig')}\nimport libcloud; "
    letter = {"latin-1": "é", "utf-8-sig": "漢", "cp1251": "ж"}[encoding]
    report = check(f"{text}'{letter}'; libcloud.container\n".encode(encoding))
    assert [one.place for one in report.findings] == ["<stdin>:2:32"]


def test_directories(tmp_path: Path) -> None:
    """A directory is read with all below it: programs, notebooks and scripts, each once, no environments."""
    program = "import libcloud.container\n"
    files = ["a.py", "sub/b.pyw", "script", ".hidden/c.py", "env/d.py", "sub/__pycache__/e.py", "text.txt"]
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"#!/usr/bin/env python3\n{program}" if name == "script" else program)
    (tmp_path / "env/pyvenv.cfg").touch()
    (tmp_path / "data").write_bytes(b"\x7fELF libcloud")
    (tmp_path / "sub/loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    os.mkfifo(tmp_path / "pipe.py")
    report = check_programs([str(tmp_path)])
    assert [os.path.relpath(one.path, tmp_path) for one in report.findings] == ["a.py", "script", "sub/b.pyw"]
    assert (report.files, report.problems) == (3, [])


def test_others_are_checked_beside_one_that_cannot_be(tmp_path: Path) -> None:
    """A file that cannot be read is a problem, and the files after it are checked."""
    (tmp_path / "a.py").symlink_to("a.py")
    (tmp_path / "b.py").write_text("import libcloud.container\n")
    report = check_programs([str(tmp_path)])
    assert [(one.path, one.reason.partition(":")[0]) for one in report.problems] == [
        (str(tmp_path / "a.py"), "cannot be read")
    ]
    assert len(report.findings) == 1


def test_a_path_of_nothing_is_refused(tmp_path: Path) -> None:
    """A path at which there is nothing raises InvalidArgumentError."""
    with pytest.raises(InvalidArgumentError, match=r"there is no file or directory '.*nosuch\.py'"):
        check_programs([str(tmp_path / "nosuch.py")])


def test_notebooks(tmp_path: Path) -> None:
    """The cells of a notebook are one program, without commands; a broken cell is a problem."""
    code = [
        "%load_ext x\nfrom libcloud.compute.types import Provider",
        ["!pip install libcloud\n", "Provider.GCE"],
        "x = (",
        "%%bash\nlibcloud (",
    ]
    cells = [{"cell_type": "code", "source": one} for one in code]
    file = tmp_path / "n.ipynb"
    file.write_text(json.dumps({"cells": [{"cell_type": "markdown", "source": "# libcloud"}, *cells]}))
    report = check_programs([str(file)])
    assert [one.place for one in report.findings] == [f"{file}:cell 3:2:10"]
    assert [one.place for one in report.problems] == [f"{file}:cell 4:1"]
    file.write_text('{"libcloud": 1}')
    assert "is not a notebook" in check_programs([str(file)]).problems[0].reason


def test_nothing_of_the_program_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that only the program names is not imported, not even as a module of polycloud."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "evil.py").write_text("raise SystemExit('imported')")
    names = ["polycloud.cli.commands.demo", "polycloud.sandbox.server", "evil"]
    before = {name for name in names if name in sys.modules}
    check("import evil\nimport libcloud.cli.commands.demo\nfrom libcloud.sandbox import server\n")
    check("import libcloud.evil\n")
    assert {name for name in names if name in sys.modules} == before

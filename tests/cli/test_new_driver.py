from __future__ import annotations

import contextlib
import json
import os
import re
import runpy
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from polycloud.compute.base import NodeDriver
from support.forked import ANEW

Run = Callable[..., subprocess.CompletedProcess[str]]

ROOT = Path(__file__).parents[2]
SPECS = Path(os.environ.get("POLYCLOUD_SPECS", ROOT.parent / "shared" / "specs"))
HOW_TO = (ROOT / "docs" / "new-driver.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MYPY_CACHE = ROOT / ".mypy_cache" / "packages"
PYTEST = f"{ANEW}import sys, pytest\nsys.exit(pytest.main(sys.argv[1:]))"
BUILDING = """            case "DELETE", ["servers", number] if self.servers.get(number, {}).pop("new", None):
                return 409, {"message": "it is being built"}
"""
TYPES = """from typing import assert_type

from polycloud_acme import AcmeNodeDriver
from polycloud_acme.driver import AcmeConnection


def connection_of(driver: AcmeNodeDriver) -> AcmeConnection:
    return assert_type(driver.connection, AcmeConnection)
"""
OWN = [name for name in NodeDriver.operations() if getattr(NodeDriver, name).needs is None]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the command runs."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def made(run: Run, name: str, *arguments: str) -> Path:
    done = run("new-driver", name, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return Path.cwd() / f"polycloud-{name.replace('_', '-')}"


def installed(package: Path) -> dict[str, str]:
    """The variables with which the package is installed, without an installer."""
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    info = package.parent / f"{package.name}-site" / f"{project['name'].replace('-', '_')}-0.1.0.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 0.1.0\n")
    points = project["entry-points"]["polycloud.compute"]
    lines = [f"{name} = {place}" for name, place in points.items()]
    (info / "entry_points.txt").write_text("\n".join(["[polycloud.compute]", *lines]))
    paths = [str(package / "src"), str(info.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(paths), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def python(package: Path, *arguments: str) -> str:
    """What a Python command prints in the folder of the installed package; it must succeed."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=package,
        env={**os.environ, **installed(package)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def require_passed(run: Run, package: Path, *arguments: str) -> str:
    """What pytest prints in the folder of the installed package; its tests must pass."""
    with contextlib.chdir(package):
        done = run("-q", "-p", "no:cacheprovider", *arguments, program=PYTEST, **installed(package))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def require_green(run: Run, package: Path) -> None:
    assert " passed" in require_passed(run, package)
    require_clean(package)


def require_clean(package: Path) -> None:
    python(package, "-m", "ruff", "check", "--no-cache", ".")
    python(package, "-m", "ruff", "format", "--no-cache", "--check", ".")


def require_typed(package: Path) -> None:
    (package / "mypy.ini").write_text("[mypy]\nstrict = true\nmypy_path = src:tests\n")
    python(package, "-m", "mypy", "--cache-dir", str(MYPY_CACHE), "src", "tests")


def payloads(package: Path) -> dict[str, Any]:
    """The Structs of the package, by name."""
    module = runpy.run_path(str(next(package.glob("src/*/payloads.py"))), run_name="payloads")
    kinds = {name: kind for name, kind in module.items() if isinstance(kind, type)}
    return {name: kind for name, kind in kinds.items() if kind.__module__ == "payloads"}


# The package


@pytest.mark.parametrize(
    "options",
    [
        "key",
        "token --xml",
        *(
            pytest.param(other, marks=pytest.mark.campaign)
            for other in ("user-and-key", "token", "signature")
        ),
    ],
)
def test_a_new_package_is_green(run: Run, options: str) -> None:
    """With each kind of authentication, and in XML, a new package passes its tests and ruff."""
    require_green(run, made(run, "acme_cloud", "--auth", *options.split()))


def test_a_new_package_is_typed(run: Run) -> None:
    """A new package passes mypy --strict, which knows the methods of its own connection."""
    package = made(run, "acme", "--auth", "token")
    (package / "tests" / "test_types.py").write_text(TYPES)
    require_typed(package)


def test_the_address_stands_once(run: Run) -> None:
    """--url sets host and base path of the connection; a base changed there is changed everywhere."""
    package = made(run, "acme", "--url", "https://api.acme.test/v1/", "--auth", "token")
    driver = package / "src/polycloud_acme/driver.py"
    assert '    host = "api.acme.test"\n    request_path = "/v1"\n' in driver.read_text()
    driver.write_text(driver.read_text().replace('"/v1"', '"/compute/v2"'))
    require_green(run, package)
    for url in ("http://api.acme.test", "api.acme.test", "https://a b", 'https://a/"', "https://a/v1?x=y"):
        assert "--url must be an address such as https://" in run("new-driver", "other", "--url", url).stderr


def test_every_operation_is_named_once(run: Run) -> None:
    """NOT_OFFERED names every operation that a driver implements, with a line of guidance for each."""
    text = (made(run, "acme") / "src/polycloud_acme/driver.py").read_text()
    assert re.findall(r'^        "(\w+)",  # \(.*\) -> \S', text, re.MULTILINE) == OWN


def test_a_known_provider_keeps_its_constant(run: Run) -> None:
    """The type of the driver is the provider's constant, if there is one that has no driver yet."""
    text = (made(run, "ninefold") / "src/polycloud_ninefold/driver.py").read_text()
    assert "    type = Provider.NINEFOLD\n" in text
    require_green(run, Path("polycloud-ninefold").resolve())


def test_the_conformance_tests_are_short(run: Run) -> None:
    """The conformance tests of a new package have 25 lines at most."""
    text = (made(run, "acme") / "tests/test_conformance.py").read_text()
    assert len(text.splitlines()) <= 25


def test_the_tests_find_a_wrong_list(run: Run) -> None:
    """An operation that has a method and is named in NOT_OFFERED breaks rule C02."""
    package = made(run, "acme")
    with (package / "src/polycloud_acme/driver.py").open("a") as driver:
        driver.write("\n    def list_volumes(self):\n        return []\n")
    with pytest.raises(AssertionError, match=r"supports\(\) is true for \['list_volumes'\]"):
        require_passed(run, package, "-k", "c02")


def test_what_a_repository_needs(run: Run) -> None:
    """A package has a licence, what git ignores, and a workflow that runs the README's checks and ruff."""
    package = made(run, "acme")
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    assert (project["license"], project["license-files"]) == ("MIT", ["LICENSE"])
    assert (
        (package / "LICENSE")
        .read_text()
        .startswith("MIT License\n\nCopyright (c) the authors of polycloud-acme")
    )
    assert {"__pycache__/", ".venv/", "dist/"} <= {*(package / ".gitignore").read_text().split()}
    workflow = (package / ".github/workflows/test.yml").read_text()
    commands = re.findall(r"^      - run: (.*)$", workflow, re.MULTILINE)
    assert commands[1:3] == ["ruff check .", "ruff format --check ."]
    readme = (package / "README.md").read_text()
    (block,) = re.findall(r"^```console\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    assert ["$ pip install -e '.[test]'", *(f"$ {one}" for one in commands[3:])] == block.splitlines()
    assert "python-version: ${{ matrix.python }}" in workflow


# Names and folders


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Acme-Cloud", "'Acme-Cloud' cannot name a provider"),
        ("Acme-Cloud", "try acme_cloud"),
        ("class", "'class' cannot name a provider"),
        ("2cool", "try cool"),
        ("a__b", "try a_b"),
        ("../up", "try up"),
        ("", "'' cannot name a provider"),
        ("über", "'über' cannot name a provider"),
        ("nephoscale", "'nephoscale' already has a driver: polycloud.compute.drivers.nephoscale"),
    ],
)
def test_invalid_names(run: Run, folder: Path, name: str, message: str) -> None:
    """A name that is not a Python name, or that has a driver, is refused, and nothing is written."""
    done = run("new-driver", name)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert list(folder.iterdir()) == []


def test_only_an_empty_folder_is_filled(run: Run, folder: Path) -> None:
    """Nothing is written into a folder that is not empty; an empty one is filled."""
    (folder / "full").mkdir()
    (folder / "full" / "README.md").write_text("mine")
    (folder / "empty").mkdir()
    done = run("new-driver", "acme", "--folder", "full")
    assert done.returncode == 2
    assert "full already exists; choose another --folder, or use --force" in done.stderr
    assert run("new-driver", "acme", "--folder", "empty").returncode == 0
    assert [file.name for file in (folder / "full").iterdir()] == ["README.md"]
    assert (folder / "empty" / "pyproject.toml").exists()
    assert sorted(file.name for file in folder.iterdir()) == ["empty", "full"]


def test_force_replaces_its_own_files_only(run: Run, folder: Path) -> None:
    """--force replaces the files of the package and leaves all others."""
    package = made(run, "acme")
    (package / "README.md").write_text("changed")
    (package / "notes.txt").write_text("mine")
    made(run, "acme", "--force")
    assert (package / "README.md").read_text().startswith("# Acme for polycloud")
    assert (package / "notes.txt").read_text() == "mine"
    assert [file.name for file in folder.iterdir()] == ["polycloud-acme"]


def test_all_files_or_none(run: Run, folder: Path) -> None:
    """If one of the files cannot be written, none is."""
    (folder / "polycloud-acme" / "README.md").mkdir(parents=True)
    done = run("new-driver", "acme", "--force")
    assert done.returncode == 2
    assert "README.md must be a file, but is a folder" in done.stderr
    assert [file.name for file in (folder / "polycloud-acme").iterdir()] == ["README.md"]
    (folder / "file").write_text("")
    assert "cannot be written" in run("new-driver", "acme", "--folder", "file/below").stderr


def test_an_installed_package_can_be_rewritten(run: Run) -> None:
    """A name is not taken by the package that is rewritten."""
    package = made(run, "acme")
    paths = installed(package)["PYTHONPATH"]
    assert run("new-driver", "acme", "--force", PYTHONPATH=paths).returncode == 0
    refused = run("new-driver", "acme", PYTHONPATH=paths)
    assert "polycloud-acme already exists" in refused.stderr


# OpenAPI


def responding(schema: dict[str, Any], status: str = "200") -> dict[str, Any]:
    return {"responses": {status: {"content": {"application/json": {"schema": schema}}}}}


def ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "servers": [{"url": "https://{zone}.acme.test/api", "variables": {"zone": {"default": "eu"}}}],
    "security": [{"header": []}],
    "paths": {
        "/{version}/servers": {
            "parameters": [{"name": "version", "in": "path", "schema": {"enum": ["v3", "v4"]}}],
            "get": responding({"properties": {"items": {"type": "array", "items": ref("Server")}}}),
            "post": responding({"properties": {"server": ref("Server"), "job": {"type": "string"}}}, "201"),
        },
        "/{version}/servers/{id}": {"get": responding(ref("Server")), "delete": {}},
        "/{version}/servers/{id}/reboot": {"post": {}},
        "/{version}/servers/{id}/disks/{disk}/reset": {"post": {}},
        "/{version}/database/servers": {"get": responding(ref("Server"))},
        "/{version}/plans": {"get": responding({"type": "array", "items": ref("Plan")})},
        "/{version}/ssh-keys": {"get": responding(ref("Keys")), "post": {}},
        "/{version}/keys": {"get": responding(ref("Keys"))},
        '/{version}/images\nraise SystemExit("injected")': {"get": {}},
    },
    "components": {
        "securitySchemes": {
            "other": {"type": "http", "scheme": "basic"},
            "header": {"type": "apiKey", "in": "header", "name": "X-Acme-Key"},
        },
        "schemas": {
            "Base": {"required": ["id", "name"], "properties": {"id": {"type": "integer"}}},
            "Server": {
                "description": 'A "server"\\ of [Acme](https://acme.test). More of it.',
                "allOf": [ref("Base")],
                "properties": {
                    "name": {"type": ["string", "null"]},
                    "status": {"type": "string", "enum": ["on", "off"]},
                    "class": {"type": "string"},
                    "str": {"type": "boolean"},
                    "ip-addresses": {"type": "array", "items": {"type": "string"}},
                    "2fa": {"type": "number"},
                    "Server": ref("Plan"),
                    "imageId": {"type": "string"},
                    "labels": {"type": "object"},
                    "plan": {"oneOf": [ref("Plan"), {"type": "null"}]},
                    "either": {"oneOf": [{"type": "string"}, {"type": "integer"}]},
                    "parent": ref("Server"),
                    'quo"te\n': {"type": "string"},
                },
            },
            "Plan": {"properties": {"slug": {"type": "string"}, "ram": {"type": "integer"}}},
            "Keys": {"properties": {"data": {"type": "array", "items": ref("Base")}, "next": {}}},
        },
    },
}


@pytest.fixture
def document(folder: Path) -> Path:
    """An OpenAPI document that uses most features."""
    file = folder / "acme.json"
    file.write_text(json.dumps(DOCUMENT))
    return file


def test_a_document_fills_in_the_package(run: Run, document: Path) -> None:
    """Address, base path, authentication and the calls that match operations come from the document."""
    package = made(run, "acme", "--openapi", str(document))
    driver = (package / "src/polycloud_acme/driver.py").read_text()
    assert '    host = "eu.acme.test"\n    request_path = "/api/v3"\n' in driver
    assert '        headers["X-Acme-Key"] = self.key\n' in driver
    calls = dict(re.findall(r"(\w+)\"?[,:].*? \[(.*)\]$", driver, re.MULTILINE))
    assert calls == {
        "list_nodes": "GET /servers -> ServerList",
        "create_node": "POST /servers -> ServerCreated",
        "reboot_node": "POST /servers/{id}/reboot",
        "destroy_node": "DELETE /servers/{id}",
        "list_sizes": "GET /plans -> list[Plan]",
        "list_key_pairs": "GET /ssh-keys -> SshKeyList; follow_marker: next",
        "import_key_pair_from_string": "POST /ssh-keys",
        "get_node": "GET /servers/{id} -> Server",
    }
    require_green(run, package)


@pytest.mark.parametrize(("path", "base"), [("", "/api/v3"), ("/api/v3", "/api/v3"), ("/lab", "/lab")])
def test_url_overrides_the_document(run: Run, document: Path, path: str, base: str) -> None:
    """--url overrides the document's host, and its base path if it has a path."""
    package = made(run, "acme", "--openapi", str(document), "--url", f"https://lab.acme.test{path}")
    driver = (package / "src/polycloud_acme/driver.py").read_text()
    assert f'    host = "lab.acme.test"\n    request_path = "{base}"\n' in driver


def test_payloads_require_what_an_object_needs(run: Run, document: Path) -> None:
    """Only lists and ids are required; other fields may be missing, null, or have unknown values."""
    kinds = payloads(made(run, "acme", "--openapi", str(document)))
    assert {"ServerList", "Server", "ServerCreated", "Plan", "SshKeyList", "SshKey"} <= kinds.keys()
    body = b'{"items": [{"id": 7, "status": "odd", "name": null, "class": "x", "str": true, "imageId": "i"}]}'
    (server,) = msgspec.json.decode(body, type=kinds["ServerList"]).items
    assert (server.id, server.status, server.name, server.class_, server.str_) == (7, "odd", None, "x", True)
    assert (server.image_id, server.server) == ("i", None)
    assert (server.ip_addresses, server.n2fa, server.plan, server.either) == (None, None, None, None)
    for wrong in (b"{}", b'{"items": null}', b'{"items": [{"name": "x"}]}', b"[1]"):
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(wrong, type=kinds["ServerList"])
    assert kinds["Server"].__doc__ == "A server of Acme."


@pytest.mark.parametrize(
    ("scheme", "line"),
    [
        ({"type": "http", "scheme": "bearer"}, 'headers["Authorization"] = f"Bearer {self.key}"'),
        ({"type": "apiKey", "in": "query", "name": "api_key"}, 'params["api_key"] = self.key'),
        ({"type": "http", "scheme": "Basic"}, "class AcmeConnection(ConnectionUserAndKey):"),
        (
            {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "https://a.test/oauth/token"}}},
            'self.request("/oauth/token", headers=headers, method="POST"',
        ),
    ],
)
def test_authentication(run: Run, folder: Path, scheme: dict[str, Any], line: str) -> None:
    """The connection and the fake use the authentication scheme of the document."""
    document = {"openapi": "3.0.3", "paths": {}, "components": {"securitySchemes": {"only": scheme}}}
    (folder / "acme.json").write_text(json.dumps(document))
    package = made(run, "acme", "--openapi", "acme.json")
    assert line in (package / "src/polycloud_acme/driver.py").read_text()
    require_passed(run, package, "tests/test_driver.py")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read"),
        ("{", "is not JSON"),
        ("[]", "is not an OpenAPI document of version 3"),
        ('{"swagger": "2.0", "paths": {}}', "is not an OpenAPI document of version 3"),
        ('{"openapi": "3.0.0", "paths": {"/servers": {"get": 7}}}', "is not a valid OpenAPI document"),
        ('{"openapi": "3.0.0", "paths": {"/a": {"$ref": "#/paths/~1a"}}}', "refers to itself"),
        ('{"openapi": "3.0.0", "paths": {"/a": {"$ref": "#/nowhere"}}}', "is not a valid OpenAPI document"),
    ],
)
def test_invalid_documents(run: Run, folder: Path, text: str | None, message: str) -> None:
    """A file that is not an OpenAPI document ends the command with one line, and nothing is written."""
    if text is not None:
        (folder / "acme.json").write_text(text)
    done = run("new-driver", "acme", "--openapi", "acme.json")
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert not (folder / "polycloud-acme").exists()


def test_yaml(run: Run, folder: Path) -> None:
    """A YAML document is read like JSON; without PyYAML the command says what to install."""
    pytest.importorskip("yaml", reason="PyYAML is not installed")
    (folder / "acme.yaml").write_text("openapi: 3.0.0\nservers: [{url: 'https://a.test/v9'}]\npaths: {}\n")
    package = made(run, "acme", "--openapi", "acme.yaml")
    assert 'request_path = "/v9"' in (package / "src/polycloud_acme/driver.py").read_text()
    program = (
        "import sys; sys.modules['yaml'] = None\nfrom polycloud.cli.main import run\n"
        "sys.argv[:] = ['polycloud', 'new-driver', 'other', '--openapi', 'acme.yaml']\nrun()"
    )
    assert "to read YAML, install PyYAML" in run(fresh=program).stderr


@pytest.mark.campaign
@pytest.mark.parametrize(
    ("name", "calls"),
    [
        (
            "linode",
            {"list_nodes": "GET /linode/instances", "list_sizes": "GET /linode/types"},
        ),
        (
            "hetzner",
            {"list_nodes": "GET /servers", "start_node": "POST /servers/{id}/actions/poweron"},
        ),
        (
            "digitalocean",
            {"list_key_pairs": "GET /account/keys", "destroy_node": "DELETE /droplets/{droplet_id}"},
        ),
    ],
)
def test_documents_of_providers(run: Run, name: str, calls: dict[str, str]) -> None:
    """A provider's own document gives a package that passes its tests and mypy, and names the right calls."""
    document = SPECS / f"{name}.json"
    if not document.exists():
        pytest.skip(f"{document} is missing; POLYCLOUD_SPECS names the folder of such documents")
    package = made(run, f"my_{name}", "--openapi", str(document))
    driver = (package / f"src/polycloud_my_{name}/driver.py").read_text()
    for operation, call in calls.items():
        assert re.search(rf'"{operation}",  # .*\[{re.escape(call)}', driver), operation
    require_green(run, package)
    require_typed(package)


# The how-to


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    """The Python of a new environment that has the packages of this one."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True, timeout=60)
    site = next(Path(tmp_path, "venv").glob("lib/python*/site-packages"))
    ours = next(path for path in sys.path if path.endswith("site-packages"))
    (site / "ours.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
    return tmp_path / "venv" / "bin" / "python"


def blocks(language: str) -> Iterator[str]:
    return (text for kind, text in BLOCK.findall(HOW_TO) if kind == language)


def follow(package: Path, *, fake_too: bool = True) -> list[str]:
    """Put the blocks of the how-to in their places; return the operations that it adds."""
    structs, imports, operations, cases, *_ = blocks("python")
    source = package / "src" / "polycloud_acme"
    head, _, _ = (source / "payloads.py").read_text().partition("class ")
    (source / "payloads.py").write_text(head + structs)
    text = (source / "driver.py").read_text()
    head, rest = text[: text.index("from polycloud")], text[text.index("NOT_OFFERED =") :]
    names = [name for name in re.findall(r"^    def (\w+)\(", operations, re.MULTILINE) if name in OWN]
    for name in names:
        rest = re.sub(rf'^        "{name}",.*\n', "", rest, flags=re.MULTILINE)
    (source / "driver.py").write_text(f"{head}{imports}\n{rest}\n{operations}")
    fake = (package / "tests" / "fake_cloud.py").read_text()
    if fake_too:
        head, tail = fake[: fake.index("            # case")], fake[fake.index("            case _") :]
        (package / "tests" / "fake_cloud.py").write_text(head + cases + tail)
    return names


def conformed(package: Path, *rules: str) -> dict[str, Any]:
    """The result of `polycloud conform` for the package's test class."""
    target = "tests/test_conformance.py:TestAcme"
    done = subprocess.run(
        [sys.executable, "-m", "polycloud", "conform", target, *rules, "--json"],
        cwd=package,
        env={**os.environ, **installed(package)},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.stderr == ""
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_the_how_to_runs(run: Run, venv: Path) -> None:
    """A driver made as docs/new-driver.md says keeps as many rules as the page says."""
    package = made(run, "acme")
    pip = [sys.executable, "-m", "pip", "--python", str(venv), "install", "--quiet", "--no-index"]
    install = [*pip, "--no-deps", "--no-build-isolation", "-e", "."]
    subprocess.run(install, cwd=package, check=True, timeout=100)
    assert len(follow(package)) == 6
    conform = [str(venv), "-m", "polycloud", "conform", "tests/test_conformance.py:TestAcme", "--json"]
    done = subprocess.run(conform, cwd=package, capture_output=True, text=True, check=False, timeout=100)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    data = json.loads(done.stdout)
    assert f"now keeps {data['kept']} rules and skips {data['skipped']}." in HOW_TO
    require_clean(package)
    require_typed(package)


@pytest.mark.campaign
def test_the_how_to_runs_in_xml_with_signatures(run: Run) -> None:
    """With `--xml` and `--auth signature` the how-to's driver keeps every rule, and is typed."""
    package = made(run, "acme", "--xml", "--auth", "signature")
    driver = package / "src/polycloud_acme/driver.py"
    imports = driver.read_text().partition("\nNOT_OFFERED")[0]
    follow(package)
    text = driver.read_text().replace("import ConnectionKey, JsonResponse, quote", "import quote")
    text = text.replace("json=self.body", "data=self.body")
    text = text[text.index("from typing import Any, ClassVar") :]
    driver.write_text(f"{imports}\n{text}")
    result = conformed(package)
    broken = [rule for rule in result["rules"] if rule["status"] == "broken"]
    assert (broken, result["left_over"]) == ([], [])
    assert f"now keeps {result['kept']} rules" in HOW_TO
    require_typed(package)


def listing(key: str, **fields: Any) -> dict[str, Any]:
    """The response of a list of objects with these fields."""
    items = {"type": "array", "items": {"type": "object", "properties": fields}}
    return {"type": "object", "properties": {key: items}, "required": [key]}


TEXT, NUMBER = {"type": "string"}, {"type": "integer"}
SERVER = {
    "type": "object",
    "required": ["id"],
    "properties": {
        "id": NUMBER,
        "name": TEXT,
        "status": {"type": "string", "enum": ["building", "on", "off"]},
        "addresses": {"type": "array", "items": TEXT, "example": ["203.0.113.1", "10.0.0.1"]},
        "plan": TEXT,
        "image": TEXT,
        "region": TEXT,
        "tags": {"type": "array", "items": TEXT},
    },
}
PAGES = {"servers": {"type": "array", "items": SERVER}, "pages": NUMBER, "total": NUMBER}
OF_THE_HOW_TO = {
    "openapi": "3.1.0",
    "servers": [{"url": "https://api.acme.test"}],
    "paths": {
        "/regions": {
            "get": responding(listing("regions", id=TEXT, name=TEXT, country=TEXT | {"example": "NL"}))
        },
        "/plans": {
            "get": responding(
                listing(
                    "plans",
                    slug=TEXT,
                    memory_mb={"type": "integer", "example": 512},
                    disk_gb=NUMBER,
                    usd_an_hour={"type": "number", "example": 0.01},
                )
            )
        },
        "/images": {"get": responding(listing("images", id=TEXT, name=TEXT))},
        "/servers": {
            "get": {
                **responding({"type": "object", "properties": PAGES, "required": [*PAGES]}),
                "parameters": [{"name": "page", "in": "query", "schema": NUMBER}],
            },
            "post": responding(SERVER, "201"),
        },
        "/servers/{id}": {"delete": {"responses": {"204": {}}}},
    },
}


@pytest.mark.campaign
def test_the_fake_of_a_document_keeps_the_rules(run: Run, folder: Path) -> None:
    """On the fake that a document becomes, the how-to's driver keeps the same rules."""
    (folder / "acme.json").write_text(json.dumps(OF_THE_HOW_TO))
    package = made(run, "acme", "--openapi", "acme.json")
    follow(package, fake_too=False)
    result = conformed(package)
    broken = [rule for rule in result["rules"] if rule["status"] == "broken"]
    assert (broken, result["left_over"]) == ([], [])
    assert f"now keeps {result['kept']} rules" in HOW_TO


@pytest.mark.campaign
def test_the_how_tos_deployment_runs(run: Run) -> None:
    """The how-to's test of a deployment passes on the how-to's driver and fake."""
    package = made(run, "acme")
    follow(package)
    *_, deployment, suite = blocks("python")
    (package / "tests" / "test_deploy.py").write_text(deployment)
    require_green(run, package)
    rules = package / "tests" / "test_conformance.py"
    head = (
        rules.read_text()
        .partition("\n\nclass TestAcme")[0]
        .replace(
            "from polycloud.testing import ComputeConformance\n",
            "from polycloud.testing import ComputeConformance, SSHServer\n"
            "from polycloud.testing.loopback import SeenRequest\n",
        )
    )
    head = head.replace("import pytest\n", "from typing import Any\n\nimport pytest\n", 1)
    rules.write_text(f"{head}\n\n{suite}")
    result = conformed(package, "C52", "C53")
    assert [rule["status"] for rule in result["rules"]] == ["kept", "kept"], result


@pytest.mark.campaign
def test_the_how_tos_variants_keep_the_rules(run: Run) -> None:
    """The how-to's variants, for no tags and for a 409 during a build, keep every rule."""
    package = made(run, "acme")
    follow(package)
    *_, untagged, busy, _, _ = blocks("python")
    driver, fake = package / "src/polycloud_acme/driver.py", package / "tests/fake_cloud.py"
    text = fake.read_text().replace('"status": "on",', '"status": "on", "new": True,')
    fake.write_text(text.replace('            case "DELETE"', f'{BUILDING}            case "DELETE"'))
    result = conformed(package, "C11", "C15", "C50")
    assert [rule["status"] for rule in result["rules"]] == ["kept", "kept", "broken"]
    assert (result["left_over"], "it is being built" in result["rules"][-1]["reasons"][0]) == ([], True)
    text, tagged, _ = driver.read_text().partition("\n\nclass ServerCreation(")
    assert tagged
    text = re.sub(r"    def destroy_node.*?(?=    def )", f"{busy}\n", text, flags=re.DOTALL)
    text = re.sub(
        r"        creation = .*\n.*\n", "        return self._create_once(ServerCreation(self, body))\n", text
    )
    text = text.replace("        *,\n        idempotency_key: str | None = None,\n", "")
    more = "from polycloud.errors import AmbiguousCreateError\n"
    more += "from polycloud.common.busy import when_free\nfrom polycloud.compute.base import ("
    text = text.replace("from polycloud.compute.base import (", more).replace(
        "Creation, marker_for", "Creation"
    )
    driver.write_text(f"{text}\n\n{untagged}")
    result = conformed(package)
    assert (result["broken"], result["left_over"]) == (0, [])
    require_typed(package)

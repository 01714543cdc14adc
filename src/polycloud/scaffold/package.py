"""The files of a driver's package: their text, and their writing."""

from __future__ import annotations

import inspect
import json
import re
import tempfile
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from string import Template

from polycloud.compute.base import NodeDriver
from polycloud.errors import InvalidArgumentError
from polycloud.scaffold.api import Api, Auth
from polycloud.scaffold.logins import Login, login
from polycloud.scaffold.naming import Names
from polycloud.scaffold.openapi import Call
from polycloud.scaffold.source import literal, one_line, require_valid
from polycloud.version import __version__

__all__ = ["contents", "write"]

TEMPLATES = files("polycloud.scaffold") / "templates"
PLACES = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "src/__init__.py": "src/{package}/__init__.py",
    "src/py.typed": "src/{package}/py.typed",
    "src/driver.py": "src/{package}/driver.py",
    "src/payloads.py": "src/{package}/payloads.py",
    "tests/fake_cloud.py": "tests/fake_cloud.py",
    "tests/test_conformance.py": "tests/test_conformance.py",
    "tests/test_driver.py": "tests/test_driver.py",
    "docs/provider.md": "docs/{provider}.md",
    "gitignore": ".gitignore",
    "workflow.yml": ".github/workflows/test.yml",
    "LICENSE": "LICENSE",
}
"""The file that each template becomes."""
OF_DOCUMENTS = {"tests/documented.py": "tests/documented.py"}
"""Further ones, for an API with a document."""

DRIVER_IMPORTS = ("from polycloud.common.credentials import Credential",)
FAKE_IMPORTS = (
    "from threading import Lock",
    "from typing import Any",
    "from polycloud.testing.loopback import Answer, LoopbackServer, SeenRequest",
)
OTHERS = {"documented", "msgspec", "polycloud"}
"""What the files import that is neither the standard library's nor their own package's."""
CASE = """            # case "GET", ["servers"]:
            #     return 200, {"servers": list(self.servers.values())}
"""
UNKNOWN = """404, {"message": f"unknown: {request.method} {request.path}"}"""
FROM_DOCUMENT = "self.documented.reply(request, path, sent)"
EXAMPLE = '''class Server(Struct):
    """A server."""

    id: str
    name: str | None = None
    status: str | None = None


class ServerList(Struct):
    """The response of `GET /servers`."""

    servers: list[Server]
'''
ACCESS_STRUCT = '''class AccessToken(Struct):
    """A token, and the seconds that it is valid."""

    access_token: str
    expires_in: float | None = None
'''


def contents(names: Names, api: Api) -> dict[str, str]:
    """The text of every file, by its path in the package's folder.

    Raises `InvalidArgumentError` if one of them would not be valid.
    """
    values = _values(names, api, login(api))
    places = {"package": names.package, "provider": names.provider}
    templates = PLACES | (OF_DOCUMENTS if api.fake else {})
    texts = {place.format(**places): _filled(name, values) for name, place in templates.items()}
    if api.fake:
        texts["tests/documented.json"] = json.dumps(api.fake, indent=1, allow_nan=False) + "\n"
    require_valid(texts)
    return texts


def _filled(name: str, values: Mapping[str, str]) -> str:
    return Template((TEMPLATES / f"{name}.tmpl").read_text(encoding="utf-8")).substitute(values)


def write(texts: Mapping[str, str], folder: Path, *, force: bool) -> None:
    """Write the files into `folder`: all of them, or none.

    With `force`, files of the same names are replaced and others stay. Raises `InvalidArgumentError` if the
    folder is not empty and `force` is not given, or if it is not writable.
    """
    if not force and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidArgumentError(f"{folder} already exists; choose another --folder, or use --force")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as beside:
            _fill(Path(beside, "new"), texts)
            _move(Path(beside, "new"), texts, folder)
    except OSError as error:
        raise InvalidArgumentError(f"{folder} cannot be written: {error.strerror or error}") from error


def _fill(folder: Path, texts: Mapping[str, str]) -> None:
    for place, text in texts.items():
        file = folder / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def _move(source: Path, places: Iterable[str], folder: Path) -> None:
    if not folder.exists():
        source.rename(folder)
        return
    for place in places:
        if (folder / place).is_dir():
            raise InvalidArgumentError(f"{folder / place} must be a file, but is a folder")
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
    for place in places:
        (source / place).replace(folder / place)


# The values of the templates


def _values(names: Names, api: Api, how: Login) -> dict[str, str]:
    variables = {name: f"{names.provider}_{name}".upper() for name in how.names}
    structs = [ACCESS_STRUCT] * (api.auth is Auth.TOKEN) + [api.payloads or EXAMPLE]
    return {
        "version": __version__,
        "provider": names.provider,
        "package": names.package,
        "distribution": names.distribution,
        "prefix": names.prefix,
        "title": names.title,
        "constant": names.constant,
        "arguments": ", ".join(f'"{name}"' for name in how.names),
        "credentials": _tuple(f'Credential("{name}", ("{one}",))' for name, one in variables.items()),
        "host": api.host,
        "website": literal(f"https://{api.host.removeprefix('api.')}"),
        "base": api.base,
        "login": how.description,
        "profile": "\n".join(f'{name} = {{ env = "{one}" }}' for name, one in variables.items()),
        "imports": _imports(names, api, how),
        "format": api.format.name,
        "response": api.format.response,
        "media": api.format.media,
        "sent": api.format.sent,
        "body": api.format.body,
        "helper": api.format.helper,
        "operations": _operations(api),
        "states": _states(api),
        "templates": _templates(api),
        "connection": _connection(names, api, how),
        "fake_imports": _sorted_imports(
            {
                *how.fake_imports,
                *api.format.imports,
                *FAKE_IMPORTS,
                *(["from documented import Documented"] if api.fake else []),
            },
            (f"from {names.package}.driver import {names.prefix}Connection",),
        ),
        "fake_state": "documented = Documented()" if api.fake else "servers: dict[str, Any] = {}",
        "documented": ", unless\n   `tests/documented.json` has it" if api.fake else "",
        "fake_cases": "" if api.fake else CASE,
        "fake_rest": FROM_DOCUMENT if api.fake else UNKNOWN,
        "fake_credentials": _tuple(f'"fake-{name}"' for name in how.names),
        "other_credentials": _tuple(f'"another-{name}"' for name in how.names),
        "check": how.check.strip("\n"),
        "constants": how.fake_constants,
        "payload_imports": _payload_imports("\n".join(structs)),
        "structs": "\n\n".join(structs).rstrip(),
    }


def _tuple(items: Iterable[str]) -> str:
    """The items of a tuple, as text."""
    texts = list(items)
    return ", ".join(texts) + ("," if len(texts) == 1 else "")


def _imports(names: Names, api: Api, how: Login) -> str:
    own = (f"from {names.package} import payloads",) if api.auth is Auth.TOKEN else ()
    types = ("from polycloud.compute.types import Provider",) if "." in names.constant else ()
    base = f"from polycloud.compute.base import NodeDriver{', NodeState' if api.states else ''}"
    return _sorted_imports((*how.imports, *DRIVER_IMPORTS, base, *types), own)


def _payload_imports(text: str) -> str:
    typing = ("from typing import Any",) if re.search(r"\bAny\b", text) else ()
    field = ", field" if "= field(" in text else ""
    return _sorted_imports((*typing, f"from msgspec import Struct{field}"))


def _sorted_imports(lines: Iterable[str], own: Iterable[str] = ()) -> str:
    """Imports in their usual order: the standard library's, other packages', the package's own."""
    lines = list(lines)
    others = [line for line in lines if line.split()[1].partition(".")[0] in OTHERS]
    groups = ([line for line in lines if line not in others], others, list(own))
    return "\n\n".join("\n".join(sorted(group, key=_import_order)) for group in groups if group)


def _import_order(line: str) -> tuple[bool, str]:
    return line.startswith("from"), line


def _connection(names: Names, api: Api, how: Login) -> str:
    return f'''class {names.prefix}Connection({how.bases}):
    """Requests to {names.title}."""

    host = {literal(api.host)}
    request_path = {literal(api.base)}
    responseCls = {names.prefix}Response
{how.methods}'''


def _states(api: Api) -> str:
    """The table of states, if the document has them."""
    lines = [f"    {literal(name)}: NodeState.{state.name}," for name, state in api.states.items()]
    table = [
        "",
        "STATES = {",
        *lines,
        "}",
        '"""States of a node, from the document: check what they mean."""',
    ]
    return "\n".join([*table, ""]) if lines else ""


def _operations(api: Api) -> str:
    """A line for each operation that a driver implements: its signature, and the calls that match."""
    own = [name for name in NodeDriver.operations() if getattr(NodeDriver, name).needs is None]
    return "\n".join(f'        "{name}",  # {_guidance(name, api)}' for name in own)


def _templates(api: Api) -> str:
    """A line for each operation that the base class implements."""
    others = [name for name in NodeDriver.operations() if getattr(NodeDriver, name).needs]
    return "\n".join(f"#     {name}{_summary(name, api)}" for name in others)


def _guidance(name: str, api: Api) -> str:
    method = inspect.unwrap(getattr(NodeDriver, name))
    signature = inspect.signature(method)
    named = [one for one in signature.parameters.values() if one.kind is not one.VAR_KEYWORD]
    parameters = ", ".join(one.name for one in named[1:])
    return f"({parameters}) -> {signature.return_annotation}{_summary(name, api)}"


def _summary(name: str, api: Api) -> str:
    """The operation in a few words, and the calls that match it."""
    doc = inspect.getdoc(inspect.unwrap(getattr(NodeDriver, name))) or ""
    words = re.split(r"[.;,(]|, where", doc.splitlines()[0])[0].strip()
    calls = " or ".join(_with_response(call, api) for call in api.calls.get(name, ()))
    return f": {words}" + (f" [{calls}]" if calls else "")


def _with_response(call: Call, api: Api) -> str:
    return one_line(f"{call} -> {api.responses[call]}" if call in api.responses else str(call))

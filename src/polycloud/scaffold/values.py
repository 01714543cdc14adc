"""The values of the templates' placeholders, as text of the generated files."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable

from polycloud.compute.base import NodeDriver
from polycloud.scaffold.api import Api, Auth
from polycloud.scaffold.logins import Login, login
from polycloud.scaffold.naming import Names
from polycloud.scaffold.openapi import Call
from polycloud.scaffold.source import literal, one_line
from polycloud.version import __version__

__all__ = ["values_of"]

DRIVER_IMPORTS = ("from polycloud.common.credentials import Credential",)
FAKE_IMPORTS = (
    "from threading import Lock",
    "from typing import Any",
    "from polycloud.testing.loopback import Answer, LoopbackServer, SeenRequest",
)
OTHERS = {"documented", "msgspec", "polycloud"}
"""What the files import that is neither the standard library's nor their own package's."""
ADDRESS = """    address = "203.0.113.1"  # of every server; a test of a deployment sets its own
"""
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


def values_of(names: Names, api: Api) -> dict[str, str]:
    """The text of each placeholder of the templates."""
    how = login(api)
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
        "fake_address": "" if api.fake else ADDRESS,
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

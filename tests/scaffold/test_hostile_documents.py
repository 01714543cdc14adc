"""Documents that try to write more than a driver."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polycloud.errors import InvalidArgumentError
from polycloud.scaffold import naming, source
from polycloud.scaffold.discovery import discover
from polycloud.scaffold.package import contents
from support.clock import ends_within

EVIL = (
    '"""\nevil()\n"""',
    '"); evil(); ("',
    '[""" + evil() + """](x)',
    "\\",
    'x\\" + evil() + "',
    "'''\nevil()\n'''",
    "{evil()}",
    "$evil",
    "${evil}",
    "a\revil()",
    "a\x0cevil()",
    "a\u2028evil()",
    "a\x00b",
    "\ud800",
    "class",
    "None",
    "__class__",
    "evil",
    "AccessToken",
    "\u202eevil",
    "\uff49mport",
    "9",
    "",
    " ",
    "\n    evil()\n",
)
MODULES = {
    *sys.stdlib_module_names,
    "msgspec",
    "pytest",
    "polycloud",
    "polycloud_acme",
    "fake_cloud",
    "documented",
}
"""What a generated package may import."""
TEXTS = st.one_of(
    st.sampled_from(EVIL),
    st.sampled_from(("id", "name", "server", "servers", "status", "size")),
    st.builds("{}{}".format, st.sampled_from(("servers", "id", "v1")), st.sampled_from(EVIL)),
)
PATHS = st.one_of(
    st.sampled_from(("/servers", "/servers/{id}", "/v2/images", "/volumes", "/regions", "/ssh_keys")),
    st.builds("/{}/servers".format, TEXTS),
    st.builds("/servers/{}".format, TEXTS),
)


def refer(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def record(properties: dict[str, Any], description: str = "Text") -> dict[str, Any]:
    return {"type": "object", "description": description, "properties": properties, "required": [*properties]}


def operation(schema: Any, text: str = "x") -> dict[str, Any]:
    return {
        "summary": text,
        "parameters": [{"name": text, "in": "query", "schema": {"default": text}}],
        "responses": {"200": {"content": {"application/json": {"schema": schema}}}},
    }


def described(paths: Any, schemas: Any = (), schemes: Any = (), host: str = "acme", base: str = "") -> Any:
    return {
        "openapi": "3.0.0",
        "info": {"title": host},
        "servers": [{"url": f"https://{host}.test/{base}"}],
        "paths": paths,
        "components": {"schemas": dict(schemas), "securitySchemes": dict(schemes)},
    }


def scheme(kind: str, name: str, place: str, text: str) -> dict[str, Any]:
    flows = {"clientCredentials": {"tokenUrl": f"https://x.test/{text}"}}
    return {"type": kind, "name": name, "in": place, "scheme": text, "flows": flows}


def composed(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.builds(record, st.dictionaries(TEXTS, inner, max_size=4), TEXTS),
        st.builds(lambda items: {"type": "array", "items": items}, inner),
        st.dictionaries(
            st.sampled_from(("allOf", "oneOf", "anyOf")), st.lists(inner, min_size=1, max_size=3), min_size=1
        ),
    )


PLAIN = st.builds(
    lambda kind, text, value: {"type": kind, "description": text, "enum": [value], "example": value},
    st.sampled_from(("string", "integer")),
    TEXTS,
    TEXTS,
)
SCHEMAS = st.recursive(st.one_of(PLAIN, st.builds(refer, TEXTS)), composed, max_leaves=8)
OPERATIONS = st.dictionaries(
    st.sampled_from(("get", "post", "delete")), st.builds(operation, SCHEMAS, TEXTS), min_size=1
)
SCHEMES = st.builds(
    scheme,
    st.sampled_from(("http", "apiKey", "oauth2")),
    TEXTS,
    st.sampled_from(("header", "query")),
    TEXTS,
)
DOCUMENTS = st.builds(
    described,
    st.dictionaries(PATHS, OPERATIONS, min_size=1, max_size=4),
    st.dictionaries(TEXTS, SCHEMAS, max_size=4),
    st.dictionaries(TEXTS, SCHEMES, max_size=2),
    TEXTS,
    TEXTS,
)


def package(document: Any, folder: Path) -> dict[str, str]:
    """Return the files that a document becomes."""
    file = folder / "document.json"
    file.write_text(json.dumps(document))
    return contents(naming.checked("acme"), discover(file))


def called(text: str) -> str:
    """Return what Python source calls and imports, except what is in literals and comments."""
    nodes = list(ast.walk(ast.parse(text)))
    calls = [ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)]
    modules = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    modules += [str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)]
    assert {name.partition(".")[0] for name in modules} <= MODULES
    return " ".join(calls)


@pytest.mark.parametrize("examples", [50, pytest.param(200, marks=pytest.mark.campaign)])
def test_no_text_of_a_document_becomes_code(tmp_path: Path, examples: int) -> None:
    """A document becomes valid files in which none of its texts is called or imported, or it is refused."""

    @settings(max_examples=examples, deadline=None, suppress_health_check=[*HealthCheck])
    @given(DOCUMENTS)
    def check(document: Any) -> None:
        try:
            files = package(document, tmp_path)
        except InvalidArgumentError:
            return
        source.require_valid(files)
        for place, text in files.items():
            if place.endswith(".py"):
                assert "evil" not in called(text)
            if place.endswith("payloads.py"):
                exec(compile(text, place, "exec"), {"__name__": "acme"})  # noqa: S102 - it must define Structs

    check()


@pytest.mark.parametrize("place", ["key", "description"])
def test_a_docstring_ends_where_it_should(tmp_path: Path, place: str) -> None:
    """Quotes in a key, or in the text of a link of a description, do not end a docstring."""
    evil = '""" + evil() + """'
    key = evil if place == "key" else "data"
    items = {"type": "array", "items": record({"id": {"type": "string"}}, "")}
    schema = record({key: items}, f"[{evil}](x)" if place == "description" else "Text")
    files = package(described({"/servers": {"get": operation(schema)}}), tmp_path)
    text = files["src/polycloud_acme/payloads.py"]
    assert "evil" in text
    assert "evil" not in called(text)


@pytest.mark.parametrize("joint", ["allOf", "oneOf", "anyOf"])
def test_schemas_that_double(tmp_path: Path, joint: str) -> None:
    """A document whose schemas double 40 times is refused within seconds."""
    schemas: dict[str, Any] = {f"S{n}": {joint: [refer(f"S{n + 1}")] * 2} for n in range(40)}
    schemas["S40"] = record({"id": {"type": "string"}})
    document = described({"/servers": {"get": operation(refer("S0"))}}, schemas)
    with ends_within(30), pytest.raises(InvalidArgumentError, match="refer to each other too often"):
        package(document, tmp_path)


@pytest.mark.parametrize("name", ["", "a b", "class", "1a", "ä", "a\nb"])
def test_identifiers_are_checked(name: str) -> None:
    """A name that is not an ASCII identifier, or is a keyword, is refused."""
    with pytest.raises(InvalidArgumentError, match="cannot be a name"):
        source.identifier(name)


@given(st.text(max_size=20))
def test_literals_are_read_back(text: str) -> None:
    """A literal is one expression whose value is the text."""
    assert ast.literal_eval(source.literal(text)) == text


@pytest.mark.parametrize(
    ("place", "text"), [("a.py", "def"), ("a.py", "x = 1\x00"), ("a.toml", "x ="), ("a.md", "\ud800")]
)
def test_files_are_read_before_they_are_handed_over(place: str, text: str) -> None:
    """A file that is not valid Python, TOML or UTF-8 is an error that names the file."""
    with pytest.raises(InvalidArgumentError, match=place):
        source.require_valid({place: text})

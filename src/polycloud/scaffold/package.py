"""The files of a driver's package: their text, and their writing."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from string import Template

from polycloud.errors import InvalidArgumentError
from polycloud.scaffold.api import Api
from polycloud.scaffold.naming import Names
from polycloud.scaffold.source import require_valid
from polycloud.scaffold.values import values_of

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


def contents(names: Names, api: Api) -> dict[str, str]:
    """The text of every file, by its path in the package's folder.

    Raises `InvalidArgumentError` if one of them would not be valid.
    """
    values = values_of(names, api)
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

"""`python -m polycloud.libcloud PROGRAM [ARGUMENT...]` runs a program written for Libcloud, as `python` does.

Or `-m MODULE`, `-c CODE`, `-` for a program on stdin. Options of Python itself come before the first `-m`.
"""

from __future__ import annotations

import io
import runpy
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import find_spec
from pathlib import Path
from types import CodeType, ModuleType, TracebackType
from typing import Any, NoReturn

from polycloud.libcloud import install_as_libcloud

USAGE = "usage: python -m polycloud.libcloud (PROGRAM | -m MODULE | -c CODE | -) [ARGUMENT...]"

CODE = "<string>"


def main(arguments: list[str]) -> None:
    """Run the program that the arguments of a command line name."""
    if not arguments or arguments[0] in {"-h", "--help"}:
        _leave(USAGE, 0 if arguments else 2)
    first, *rest = arguments
    value = ""
    if first[:2] in {"-m", "-c"}:
        words = [first[2:], *rest] if first[2:] else rest
        if not words:
            _leave(f"Argument expected for the {first} option\n{USAGE}", 2)
        first, value, rest = first[:2], words[0], words[1:]
    elif first.startswith("-") and first != "-":
        _leave(f"Unknown option: {first}; options of Python come before -m\n{USAGE}", 2)
    install_as_libcloud()
    sys.argv = [first, *rest]
    try:
        _run(first, value)
    except SystemExit:
        raise
    except Exception as error:  # noqa: BLE001 - as Python itself does, but without the frames of this file
        own = _own(error.__traceback__)
        sys.excepthook(type(error), error.with_traceback(own), own)
        sys.exit(1)


def _run(first: str, value: str) -> None:
    if first == "-m":
        _run_module(value)
    elif first == "-c":
        _run_source(value, CODE, "")
    elif first == "-":
        _run_source(sys.stdin.read(), "<stdin>", "")
    else:
        _run_file(first)


def _run_module(name: str) -> None:
    """Run a module, or the `__main__` of a package."""
    try:
        found = find_spec(name)
    except ModuleNotFoundError:
        found = None
    if found is None:
        _leave(f"{sys.executable}: No module named {name}", 1)
    runpy.run_module(name, run_name="__main__", alter_sys=True)


def _run_file(file: str) -> None:
    """Run a file of source, or a folder or an archive with a `__main__.py`."""
    path = Path(file)
    if path.is_dir() or path.suffix in {".pyz", ".zip"}:
        _set_path(file)
        runpy.run_path(file, run_name="__main__")
        return
    try:
        with io.open_code(str(path.absolute())) as source:
            text = source.read()
    except OSError as error:
        reason = f"[Errno {error.errno}] {error.strerror}"
        _leave(f"{sys.executable}: can't open file {str(path.absolute())!r}: {reason}", 2)
    _run_source(text, str(path.absolute()), str(path.resolve().parent))


def _run_source(source: str | bytes, file: str, folder: str) -> None:
    """Execute source in a new module `__main__`, with its folder in the place of ours in `sys.path`."""
    _set_path(folder)
    module = ModuleType("__main__")
    names: dict[str, Any] = {"__builtins__": __builtins__, "__annotations__": {}}
    if file != CODE:
        names |= {"__file__": file, "__cached__": None}
    if folder:
        names |= {"__loader__": SourceFileLoader("__main__", file)}
    vars(module).update(names)
    sys.modules["__main__"] = module
    code: CodeType = compile(source, file, "exec", dont_inherit=True)
    exec(code, vars(module))  # noqa: S102 - a program is what this runs


def _set_path(folder: str) -> None:
    if not sys.flags.safe_path:
        sys.path[0] = folder


def _own(trace: TracebackType | None) -> TracebackType | None:
    """Return the part of a traceback that is the program's; all of it if the program did not start."""
    rest = trace
    while rest is not None and _is_ours(rest.tb_frame.f_globals):
        rest = rest.tb_next
    return rest


def _is_ours(names: dict[str, Any]) -> bool:
    return names is globals() or names.get("__name__") == "runpy"


def _leave(message: str, status: int) -> NoReturn:
    print(message, file=sys.stderr if status else sys.stdout)
    sys.exit(status)


if __name__ == "__main__":
    main(sys.argv[1:])

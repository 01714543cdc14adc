"""Polycloud in Libcloud's place, in this process or in a program of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from textwrap import dedent

from polycloud import security
from polycloud.libcloud import finder, install_as_libcloud

INSTALL = "import polycloud\npolycloud.install_as_libcloud()\n"


@contextmanager
def installed() -> Iterator[None]:
    """Have `import libcloud` resolve to polycloud within a test, even if Libcloud itself is loaded."""
    before = dict(vars(security))
    theirs = {name: one for name, one in sys.modules.items() if name.partition(".")[0] == "libcloud"}
    for name in theirs:
        del sys.modules[name]
    install_as_libcloud()
    try:
        yield
    finally:
        finder.remove()
        sys.modules.update(theirs)
        vars(security).update(before)


def program(source: str, *arguments: str, install: bool = True) -> str:
    """Run a program in a process of its own, with warnings as errors; return what it prints."""
    text = (INSTALL if install else "") + dedent(source)
    command = [sys.executable, "-W", "error", "-c", text, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()

"""The CPU time of the command `polycloud`, measured from outside; prints one line of JSON.

python bench/commands.py version|list|tab|python
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

TIMES = 5
LINES = {
    "python": ["-c", "pass"],
    "version": ["-m", "polycloud", "--version"],
    "list": ["-m", "polycloud", "nodes", "list"],
    "tab": ["-m", "polycloud"],
}
TAB = {
    "_POLYCLOUD_COMPLETE": "complete_bash",
    "COMP_WORDS": "polycloud nodes stop ",
    "COMP_CWORD": "3",
}


def main(what: str) -> dict[str, float]:
    """The CPU milliseconds of one run."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "config.toml")
        config.write_text('[profiles.home]\nprovider = "dummy"\nkey = "x"\n', encoding="utf-8")
        config.chmod(0o600)
        variables = {"POLYCLOUD_CONFIG": str(config), "XDG_CACHE_HOME": folder}
        environment = {**os.environ, **variables, **(TAB if what == "tab" else {})}

        def run(times: int) -> float:
            began = resource.getrusage(resource.RUSAGE_CHILDREN)
            for _ in range(times):
                done = subprocess.run(
                    [sys.executable, *LINES[what]], env=environment, capture_output=True, check=True
                )
                assert what == "python" or done.stdout
            ended = resource.getrusage(resource.RUSAGE_CHILDREN)
            return (ended.ru_utime - began.ru_utime + ended.ru_stime - began.ru_stime) / times

        run(1)
        return {"cpu_ms": run(TIMES) * 1e3}


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))  # noqa: T201

import subprocess
import sys


def test_utils_need_nothing_else() -> None:
    """The utils import no other part of polycloud."""
    script = (
        "import sys, polycloud; before = set(sys.modules);"
        "import polycloud.utils.networking, polycloud.utils.py3;"
        "print([m for m in set(sys.modules) - before"
        " if m.startswith('polycloud.') and not m.startswith('polycloud.utils')])"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"

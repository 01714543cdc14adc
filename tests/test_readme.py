from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
PRINTED = (
    r"web running [\d.]+\n",
    r"\$ORIGIN example\.com\.\n\$TTL \d+\n(@ .* NS .*\n)+www \d+ IN A 203\.0\.113\.7\n\n?",
    r"\{'owner': 'ann'\}\n",
    r"\[<NodeLocation: .*SJC-1.*>\]\nTrue False\n",
)


@pytest.mark.parametrize(
    ("block", "printed"), list(zip(BLOCKS, PRINTED, strict=True)), ids=["use", "dns", "storage", "driver"]
)
def test_examples_run(block: str, printed: str) -> None:
    """Each Python block of the README runs as it is and prints what it promises."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stderr == ""
    assert re.fullmatch(printed, done.stdout)

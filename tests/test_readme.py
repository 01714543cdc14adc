from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from support.forked import ANEW, Forker

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
def test_examples_run(forker: Forker, block: str, printed: str) -> None:
    """Each Python block of the README runs as it is and prints what it promises."""
    done = forker.run([], os.environ, "", 60, f"{ANEW}{block}")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(printed, done.stdout)

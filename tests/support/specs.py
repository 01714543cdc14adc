"""The OpenAPI documents of providers, which are not part of the project.

`POLYCLOUD_SPECS` names their folder; the default is `shared/specs` beside the checkout.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from polycloud.testing.contract import Contract
from support.web import Seen

FOLDER = Path(os.environ.get("POLYCLOUD_SPECS", Path(__file__).parents[3] / "shared" / "specs"))


def specification(name: str) -> dict[str, Any]:
    """A provider's document; skips the test if it is not present."""
    file = FOLDER / f"{name}.json"
    if not file.is_file():
        pytest.skip(f"{file} is not present")
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content


def request_problems(contract: Contract, seen: Seen) -> list[str]:
    """What is wrong with a request."""
    return contract.request_problems(seen.method, seen.target, seen.headers, seen.body)

"""Which of the faults `make test` samples."""

from __future__ import annotations

import pytest

from faults.clouds import PROVIDERS
from polycloud.testing.faults import ALL

EACH_OF = 3
"""Each fault meets every operation at one provider of as many; at the others in campaigns."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave most faults at most providers to `make campaigns`: what meets them is the same code."""
    faults = [str(fault) for fault in ALL]
    for item in items:
        if item.path.name == "test_single_faults.py" and isinstance(item, pytest.Function):
            cloud, fault = item.callspec.params["cloud"], str(item.callspec.params["fault"])
            if (PROVIDERS.index(cloud) + faults.index(fault)) % EACH_OF:
                item.add_marker(pytest.mark.campaign)

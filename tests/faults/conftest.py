"""Which of the faults `make test` samples."""

from __future__ import annotations

import pytest

from faults.clouds import PROVIDERS
from polycloud.common.openstack import account
from polycloud.testing.faults import ALL

EACH_OF, EACH_DRIP_OF = 3, 6
"""Each fault, and each drip, which takes long, meets every operation at one provider of as many.

At the others that is for campaigns."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave most faults at most providers to `make campaigns`: what meets them is the same code."""
    faults = [str(fault) for fault in ALL]
    for item in items:
        if item.path.name == "test_single_faults.py" and isinstance(item, pytest.Function):
            cloud, fault = item.callspec.params["cloud"], str(item.callspec.params["fault"])
            each_of = EACH_DRIP_OF if fault.startswith("drip") else EACH_OF
            if (PROVIDERS.index(cloud) + faults.index(fault)) % each_of:
                item.add_marker(pytest.mark.campaign)


@pytest.fixture(autouse=True)
def no_old_tokens() -> None:
    """Forget the tokens of OpenStack's clouds: a port may come again, for another cloud or proxy."""
    account._stores._stores.clear()

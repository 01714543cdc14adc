from __future__ import annotations

from itertools import cycle

import pytest

from faults.campaign import campaign
from faults.clouds import PROVIDERS, ROUTES


@pytest.mark.parametrize(("provider", "route"), list(zip(PROVIDERS, cycle(ROUTES), strict=False)))
def test_nothing_goes_wrong(provider: str, route: str) -> None:
    """However the network fails: no node twice or lost, no call hangs, no foreign exception, no leak."""
    report = campaign(provider, route=route, seed=20261123, creates=20, others=100, grace=10)
    assert report.is_clean, report.found
    assert report.figures["creates: a node"]
    assert report.figures["requests with faults"] > 30

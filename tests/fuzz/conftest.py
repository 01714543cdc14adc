from __future__ import annotations

import os
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

PROFILE = f"fuzz-{os.environ.get('POLYCLOUD_FUZZ', 'short')}"
CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])

settings.register_profile("fuzz-short", CALM, max_examples=15, derandomize=True, database=None)
settings.register_profile("fuzz-long", CALM, max_examples=2000, print_blob=True)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The short run is the same each time; with POLYCLOUD_FUZZ=long the run is long, and other each time.

    A test takes the profile that is loaded when its module is imported, and only modules of this folder
    come through here.
    """
    before = settings.get_current_profile_name()
    settings.load_profile(PROFILE)
    try:
        return (yield)
    finally:
        settings.load_profile(before)

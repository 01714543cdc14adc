"""`pytest -p polycloud.libcloud.pytest_plugin`: tests of a program written for Libcloud get polycloud.

The plugin does its work as it is imported: before any conftest.py and any test module.
"""

from __future__ import annotations

import pytest

from polycloud.errors import LibcloudConflictError
from polycloud.libcloud import install_as_libcloud
from polycloud.libcloud.modules import API_LEVEL
from polycloud.version import __version__

try:
    install_as_libcloud()
except LibcloudConflictError as error:
    raise pytest.UsageError(str(error)) from None


def pytest_report_header() -> str:
    """Say what `libcloud` is."""
    return f"libcloud: polycloud {__version__}, with the interface of Libcloud {API_LEVEL}"

"""The rules of storage with what Google's driver needs, whatever server they run on."""

from __future__ import annotations

import json

from polycloud.storage.base import StorageDriver
from polycloud.testing import StorageConformance
from polycloud.testing.faults import SeenRequest
from support.google import private_key


class GoogleRules(StorageConformance):
    """Google's driver uploads parts of 8 MiB, and reads metadata by GET."""

    large = 9 * 1024 * 1024

    def driver_with_wrong_credentials(self, driver: StorageDriver) -> StorageDriver:
        """Return a driver with the key of another account, for the same token server."""
        line = driver.connection
        wrong = json.dumps({**json.loads(driver.secret or ""), "private_key": private_key("wrong")})
        return self._another(driver, driver.key, wrong, url=f"http://{line.host}:{line.port}")

    def is_no_download(self, request: SeenRequest) -> bool:
        """Return whether a request reads no object's content."""
        return "alt=media" not in request.query

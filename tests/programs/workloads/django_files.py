"""Run Django's own tests of file storage on django-storages' Libcloud backend.

`python django_files.py TESTS STORE`: `TESTS` is the `tests` folder of Django's source, `STORE` is `local`,
or the URL of a moto server. Prints one JSON object: the outcome of each test by its name, and the
version and files of the `libcloud` in use.

Django's tests make `FileSystemStorage(location=, base_url=)`. Its name is given to the backend under test,
whose bucket is that location, before they are imported.
"""

from __future__ import annotations

import os
import sys
import unittest
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import alias
import django
from django.conf import settings

SOURCES, STORE = sys.argv[1:]
sys.path.insert(0, SOURCES)
settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    INSTALLED_APPS=["file_storage"],
    LIBCLOUD_PROVIDERS={},
    SECRET_KEY="of a test",
    USE_TZ=False,
)

alias.install()

from django.core.files import storage as django_storage
from django.core.files.storage import filesystem
from libcloud.storage.drivers.s3 import S3StorageDriver
from libcloud.storage.providers import DRIVERS
from libcloud.storage.types import ContainerAlreadyExistsError, Provider
from storages.backends.apache_libcloud import LibCloudStorage

PROVIDER = "libcloud.storage.types.Provider"
REPEATED = ("CustomStorageTests", "DiscardingFalseContentStorageTests", "OverwritingStorageOSOpenFlagsTests")
"""Classes that repeat all tests of another for what only files of this machine have: left out on S3."""


class MotoDriver(S3StorageDriver):
    """S3 at the moto server: the backend's settings have no host."""

    def __init__(self, key: str, secret: str, **options: Any) -> None:
        url = urlsplit(STORE)
        super().__init__(key, secret, host=url.hostname, port=url.port, secure=False, **options)


class Storage(LibCloudStorage):
    """The backend, with the arguments of Django's `FileSystemStorage`, and with files opened as text.

    The backend itself knows bytes only: text is encoded on its way in, and decoded on its way out.
    """

    OS_OPEN_FLAGS = filesystem.FileSystemStorage.OS_OPEN_FLAGS  # a class of the tests reads it

    def __init__(self, location: Any = None, base_url: str | None = None, **_others: Any) -> None:
        self.base_location = os.fspath(location or Path.cwd())
        self.location = str(Path(self.base_location).resolve())
        self.base_url = base_url
        folder = Path(self.location)
        bucket = folder.name.lower().replace("_", "-")
        provider = {"type": f"{PROVIDER}.LOCAL", "user": str(folder.parent), "key": "", "bucket": folder.name}
        if STORE != "local":
            provider = {
                "type": f"{PROVIDER}.S3",
                "user": "key",
                "key": "secret",
                "bucket": f"{bucket}-of-django",
            }
        settings.LIBCLOUD_PROVIDERS[self.location] = provider
        super().__init__(self.location)

    def _get_object(self, name: str) -> Any:
        with suppress(ContainerAlreadyExistsError):  # a test removes the folder of the one before it
            self.driver.create_container(self.bucket)
        return super()._get_object(name)

    def path(self, name: str) -> str:
        if STORE != "local":
            return super().path(name)  # type: ignore[no-any-return]
        return str(Path(self.location, name))

    def get_accessed_time(self, name: str) -> datetime:
        return datetime.fromtimestamp(self._get_object(name).extra["access_time"])

    def get_created_time(self, name: str) -> datetime:
        return datetime.fromtimestamp(self._get_object(name).extra["creation_time"])

    def get_modified_time(self, name: str) -> datetime:
        return datetime.fromtimestamp(self._get_object(name).extra["modify_time"])

    def _save(self, name: str, file: Any) -> str:
        pieces = [piece.encode() if isinstance(piece, str) else piece for piece in file]
        saved: str = super()._save(name, pieces)
        return saved

    def _open(self, name: str, mode: str = "rb") -> Any:
        file = super()._open(name, mode)
        return file if "b" in mode else Text(file)


class Text:
    """A file of the backend, opened as text."""

    def __init__(self, file: Any) -> None:
        self.file = file

    def read(self) -> str:
        return self.file.read().decode()  # type: ignore[no-any-return]

    def write(self, text: str) -> None:
        self.file.write(text.encode())

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


def main() -> None:
    """Run the tests, and print their outcomes."""
    DRIVERS[Provider.S3] = (__name__, "MotoDriver")
    filesystem.FileSystemStorage = django_storage.FileSystemStorage = Storage
    django.setup()
    from django.test.utils import get_runner, setup_test_environment

    setup_test_environment()
    runner = get_runner(settings)(verbosity=0, interactive=False)
    databases = runner.setup_databases()
    outcomes = alias.Outcomes()
    for tests in unittest.defaultTestLoader.loadTestsFromName("file_storage.tests"):
        if STORE == "local" or not any(type(test).__name__ in REPEATED for test in tests):
            tests.run(outcomes)
    runner.teardown_databases(databases)
    alias.report(outcomes)


if __name__ == "__main__":
    main()

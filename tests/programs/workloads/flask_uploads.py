"""Use Flask-Cloudy as its documentation shows: uploads of a Flask application, in folders or buckets.

`python flask_uploads.py STORE`: `STORE` is `local`, or the URL of a moto server, as a MinIO. Prints one JSON
object: the outcome of each test by its name, and the version and files of the `libcloud` in use.
"""

from __future__ import annotations

import io
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import alias
from werkzeug.datastructures import FileStorage

alias.install()

from flask_cloudy import InvalidExtensionError, Object, Storage, get_driver_class
from libcloud.storage.base import Container, StorageDriver
from libcloud.storage.drivers.minio import MinIOStorageDriver

STORE = sys.argv[1]


def bucket(name: str) -> None:
    """Make a bucket, unless there is one."""
    url = urlsplit(STORE)
    driver = MinIOStorageDriver("key", "secret", host=url.hostname, port=url.port, secure=False)
    if name not in {one.name for one in driver.iterate_containers()}:
        driver.create_container(name)


class Uploads(unittest.TestCase):
    """Uploads of an application."""

    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.hello = self.folder / "hello.txt"
        self.hello.write_text("hello")
        self.storage: Any = self.stored("uploads-of-flask")
        self.addCleanup(self.empty)

    def stored(self, name: str) -> Any:
        """Return storage in a folder or in a bucket."""
        if STORE == "local":
            place = self.folder / name
            place.mkdir(exist_ok=True)
            return Storage(provider="LOCAL", container=str(place))
        bucket(name)
        url = urlsplit(STORE)
        address: dict[str, Any] = {"host": url.hostname, "port": url.port, "secure": False}
        return Storage(provider="MINIO", key="key", secret="secret", container=name, **address)

    def empty(self) -> None:
        for item in self.storage:
            item.delete()

    def test_driver(self) -> None:
        self.assertIsInstance(self.storage.driver, StorageDriver)
        self.assertIsInstance(self.storage.container, Container)
        self.assertIsInstance(get_driver_class("S3"), type)

    def test_upload(self) -> None:
        item = self.storage.upload(str(self.hello), name="greeting.txt", overwrite=True)
        self.assertIsInstance(item, Object)
        found = self.storage.get("greeting.txt")
        self.assertEqual(
            (found.name, found.size, found.extension, found.type), ("greeting.txt", 5, "txt", "TEXT")
        )
        self.assertTrue(found.path.endswith(f"{self.storage.container.name}/greeting.txt"))

    def test_names(self) -> None:
        first = self.storage.upload(str(self.hello), name="greeting.txt")
        second = self.storage.upload(str(self.hello), name="greeting.txt")
        self.assertNotEqual(first.name, second.name)
        self.assertEqual(len(self.storage), 2)
        self.assertEqual({item.name for item in self.storage}, {first.name, second.name})

    def test_overwriting(self) -> None:
        self.storage.upload(str(self.hello), name="greeting.txt", overwrite=True)
        self.hello.write_text("hello again")
        self.storage.upload(str(self.hello), name="greeting.txt", overwrite=True)
        self.assertEqual([(item.name, item.size) for item in self.storage], [("greeting.txt", 11)])

    def test_prefix(self) -> None:
        item = self.storage.upload(str(self.hello), name="greeting", prefix="2026/letters/")
        self.assertEqual(item.name, "2026/letters/greeting.txt")
        self.assertIn("2026/letters/greeting.txt", self.storage)

    def test_extension(self) -> None:
        with self.assertRaises(InvalidExtensionError):
            self.storage.upload(str(self.hello), name="greeting.exe", extensions=["exe2"])

    def test_form(self) -> None:
        sent = FileStorage(io.BytesIO(b"of a form"), filename="form.txt")
        self.assertEqual(self.storage.upload(sent, overwrite=True).name, "form.txt")
        self.assertEqual(self.storage.get("form.txt").size, 9)

    def test_missing(self) -> None:
        self.assertIsNone(self.storage.get("missing.txt"))
        self.assertNotIn("missing.txt", self.storage)

    def test_saving(self) -> None:
        item = self.storage.upload(str(self.hello), name="greeting.txt")
        saved = item.save_to(str(self.folder), name="copy", overwrite=True)
        self.assertEqual(Path(saved), self.folder / "copy.txt")
        self.assertEqual((self.folder / "copy.txt").read_text(), "hello")

    def test_deleting(self) -> None:
        self.storage.upload(str(self.hello), name="greeting.txt").delete()
        self.assertNotIn("greeting.txt", self.storage)
        self.assertEqual(len(self.storage), 0)


def main() -> None:
    """Run the tests, and print their outcomes."""
    outcomes = alias.Outcomes()
    unittest.defaultTestLoader.loadTestsFromTestCase(Uploads).run(outcomes)
    alias.report(outcomes)


if __name__ == "__main__":
    main()

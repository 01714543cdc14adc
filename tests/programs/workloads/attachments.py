"""Use sqlalchemy-file as its documentation shows: files in columns, which follow the rows' transactions.

`python attachments.py STORE`: `STORE` is `local`, or the URL of a moto server, as a MinIO. Prints one
JSON object: the outcome of each test by its name, and the version and files of the `libcloud` in use.
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

alias.install()

from libcloud.storage.drivers.dummy import DummyStorageDriver
from libcloud.storage.drivers.local import LocalStorageDriver
from libcloud.storage.drivers.minio import MinIOStorageDriver
from libcloud.storage.types import ContainerDoesNotExistError, ObjectDoesNotExistError
from PIL import Image
from sqlalchemy import ForeignKey, create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship
from sqlalchemy_file import File, FileField, ImageField
from sqlalchemy_file.exceptions import ContentTypeValidationError, SizeValidationError
from sqlalchemy_file.processors import ThumbnailGenerator
from sqlalchemy_file.storage import StorageManager
from sqlalchemy_file.validators import ContentTypeValidator, SizeValidator

STORE = sys.argv[1]


class Base(DeclarativeBase):
    """Tables of this program."""


class Person(Base):
    """A row with a picture and its thumbnail."""

    __tablename__ = "person"

    id: Mapped[int] = mapped_column(primary_key=True)
    picture: Mapped[Any] = mapped_column(
        ImageField(thumbnail_size=(64, 64), processors=[ThumbnailGenerator(thumbnail_size=(16, 16))]),
        nullable=True,
    )


class Letter(Base):
    """A row whose files have each a limit."""

    __tablename__ = "letter"

    id: Mapped[int] = mapped_column(primary_key=True)
    folder_id: Mapped[int | None] = mapped_column(ForeignKey("folder.id"))
    text: Mapped[Any] = mapped_column(FileField, nullable=True)
    small: Mapped[Any] = mapped_column(FileField(validators=[SizeValidator("1k")]), nullable=True)
    plain: Mapped[Any] = mapped_column(
        FileField(validators=[ContentTypeValidator(["text/plain"])]), nullable=True
    )
    pages: Mapped[Any] = mapped_column(FileField(multiple=True), nullable=True)
    archived: Mapped[Any] = mapped_column(FileField(upload_storage="archive"), nullable=True)
    described: Mapped[Any] = mapped_column(
        FileField(
            upload_storage="memory",
            extra={"acl": "private", "own": "value", "meta_data": {"key": "value"}},
            headers={"Access-Control-Allow-Origin": "http://example.org", "Own": "value"},
        ),
        nullable=True,
    )


class Folder(Base):
    """A row that owns letters."""

    __tablename__ = "folder"

    id: Mapped[int] = mapped_column(primary_key=True)
    letters: Mapped[list[Letter]] = relationship(Letter, cascade="all, delete-orphan")


def container(driver: Any, name: str) -> Any:
    """Return the container of that name, created where there is none."""
    try:
        return driver.get_container(name)
    except ContainerDoesNotExistError:
        return driver.create_container(name)


def store(folder: str) -> Any:
    """Return a driver of the store that was asked for."""
    if STORE == "local":
        return LocalStorageDriver(folder)
    url = urlsplit(STORE)
    return MinIOStorageDriver("key", "secret", host=url.hostname, port=url.port, secure=False)


class Sized(io.BytesIO):
    """A file that knows its length: the in-memory store of Libcloud asks for it."""

    def __len__(self) -> int:
        return len(self.getvalue())


class Attachments(unittest.TestCase):
    """Files of rows."""

    def setUp(self) -> None:
        folder = self.enterContext(tempfile.TemporaryDirectory())
        driver = store(folder)
        StorageManager._clear()
        StorageManager.add_storage("letters", container(driver, "letters-of-sqlalchemy"))
        StorageManager.add_storage("archive", container(driver, "archive-of-sqlalchemy"))
        StorageManager.add_storage("memory", container(DummyStorageDriver("key", "secret"), "memory"))
        self.addCleanup(self.empty)
        engine = create_engine("sqlite://")
        Base.metadata.create_all(engine)
        self.addCleanup(engine.dispose)
        self.session = self.enterContext(Session(engine))

    def empty(self) -> None:
        """Remove what the test left in its containers."""
        for name in ("letters", "archive"):
            here = StorageManager.get(name)
            for item in here.list_objects():
                item.delete()
            here.delete()

    def saved(self, **columns: Any) -> Letter:
        """Return a letter that was committed and read again."""
        letter = Letter(**columns)
        self.session.add(letter)
        self.session.commit()
        self.session.expire_all()
        return self.session.execute(select(Letter).where(Letter.id == letter.id)).scalar_one()

    def exists(self, file: Any) -> bool:
        try:
            StorageManager.get_file(file["path"])
        except ObjectDoesNotExistError:
            return False
        return True

    def test_str(self) -> None:
        letter = self.saved(text="Grüße")
        self.assertTrue(letter.text.saved)
        self.assertEqual(letter.text.file.read(), "Grüße".encode())

    def test_bytes(self) -> None:
        self.assertEqual(self.saved(text=b"\x00\xff").text.file.read(), b"\x00\xff")

    def test_empty(self) -> None:
        self.assertEqual(self.saved(text=b"").text.file.read(), b"")

    def test_file(self) -> None:
        with tempfile.NamedTemporaryFile(suffix=".txt") as source:
            source.write(b"of a file")
            source.seek(0)
            letter = self.saved(text=source)
        self.assertEqual(letter.text.file.read(), b"of a file")
        self.assertEqual(letter.text["content_type"], "text/plain")

    def test_path(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "letter.txt")
            path.write_bytes(b"of a path")
            letter = self.saved(text=File(content_path=str(path)))
        self.assertEqual(letter.text.file.read(), b"of a path")

    def test_large(self) -> None:
        content = bytes(range(256)) * 20_000  # 5.12 MB: more than a chunk
        letter = self.saved(text=content)
        self.assertEqual(letter.text.file.read(), content)
        self.assertEqual(letter.text["size"], len(content))

    def test_part(self) -> None:
        self.assertEqual(self.saved(text=b"0123456789").text.file.read(4), b"0123")

    def test_chunks(self) -> None:
        self.assertEqual(self.saved(text=b"0123456789").text.file.read(chunk_size=3), b"0123456789")

    def test_names(self) -> None:
        letter = self.saved(text=File(b"content", filename="a letter é.txt", content_type="text/html"))
        self.assertEqual(
            letter.text.file.filename, "a letter é.txt" if STORE == "local" else letter.text.file.filename
        )
        self.assertEqual(letter.text.file.content_type, "text/html")
        self.assertEqual(letter.text["filename"], "a letter é.txt")

    def test_address(self) -> None:
        letter = self.saved(text=b"content")
        address = letter.text.file.get_cdn_url()
        if STORE == "local":
            self.assertEqual(Path(address).read_bytes(), b"content")
        self.assertIn(letter.text["file_id"], address or letter.text["file_id"])  # MinIO's may have none

    def test_rollback_of_create(self) -> None:
        letter = Letter(text=b"content")
        self.session.add(letter)
        self.session.flush()
        file = dict(letter.text)
        self.assertTrue(self.exists(file))
        self.session.rollback()
        self.assertFalse(self.exists(file))

    def test_edit(self) -> None:
        letter = self.saved(text=b"old")
        old = dict(letter.text)
        letter.text = b"new"
        self.session.commit()
        self.assertFalse(self.exists(old))
        self.assertEqual(letter.text.file.read(), b"new")

    def test_rollback_of_edit(self) -> None:
        letter = self.saved(text=b"old")
        letter.text = b"new"
        self.session.flush()
        new = dict(letter.text)
        self.session.rollback()
        self.assertFalse(self.exists(new))
        self.assertEqual(letter.text.file.read(), b"old")

    def test_several_edits(self) -> None:
        letter = self.saved(text=b"0")
        before = []
        for content in (b"1", b"2", b"3"):
            before.append(dict(letter.text))
            letter.text = content
            self.session.flush()
        self.session.commit()
        self.assertFalse(any(map(self.exists, before)))
        self.assertEqual(letter.text.file.read(), b"3")

    def test_delete(self) -> None:
        letter = self.saved(text=b"content")
        file = dict(letter.text)
        self.session.delete(letter)
        self.session.commit()
        self.assertFalse(self.exists(file))

    def test_rollback_of_delete(self) -> None:
        letter = self.saved(text=b"content")
        file = dict(letter.text)
        self.session.delete(letter)
        self.session.flush()
        self.session.rollback()
        self.assertTrue(self.exists(file))

    def test_cascade(self) -> None:
        folder = Folder(letters=[Letter(text=b"1"), Letter(text=b"2")])
        self.session.add(folder)
        self.session.commit()
        files = [dict(letter.text) for letter in folder.letters]
        self.assertTrue(all(map(self.exists, files)))
        self.session.delete(folder)
        self.session.commit()
        self.assertFalse(any(map(self.exists, files)))

    def test_several_files(self) -> None:
        letter = self.saved(pages=[b"1", "2", File(b"3", filename="3.txt")])
        self.assertEqual([page.file.read() for page in letter.pages], [b"1", b"2", b"3"])

    def test_several_files_change(self) -> None:
        letter = self.saved(pages=[b"1", b"2"])
        removed = dict(letter.pages.pop(0))
        letter.pages.append(b"3")
        self.session.commit()
        self.assertEqual([page.file.read() for page in letter.pages], [b"2", b"3"])
        self.assertFalse(self.exists(removed))

    def test_other_container(self) -> None:
        letter = self.saved(text=b"here", archived=b"there")
        self.assertEqual(letter.archived.file.object.container.name, "archive-of-sqlalchemy")
        self.assertEqual(letter.archived.file.read(), b"there")
        self.assertEqual(letter.text.file.object.container.name, "letters-of-sqlalchemy")

    def test_extra(self) -> None:
        extra = self.saved(described=Sized(b"content")).described.file.object.extra
        self.assertEqual(
            (extra["acl"], extra["own"], extra["meta_data"]["key"]), ("private", "value", "value")
        )

    def test_extra_of_one_file(self) -> None:
        letter = self.saved(described=File(Sized(b"content"), extra={"acl": "public-read"}))
        self.assertEqual(letter.described.file.object.extra["acl"], "public-read")

    def test_metadata(self) -> None:
        letter = self.saved(
            text=File(b"content", filename="letter.txt", metadata=None, extra={"meta_data": {"who": "me"}})
        )
        stored = StorageManager.get_file(letter.text["path"])
        self.assertEqual(stored.object.meta_data["who"], "me")

    def test_too_large(self) -> None:
        with self.assertRaises(SizeValidationError):
            self.saved(small=b"0" * 2000)

    def test_wrong_type(self) -> None:
        with self.assertRaises(ContentTypeValidationError):
            self.saved(plain=File(b"content", content_type="text/html"))

    def test_picture(self) -> None:
        picture = io.BytesIO()
        Image.new("RGB", (200, 100), "red").save(picture, "PNG")
        person = Person(picture=File(picture, filename="red.png"))
        self.session.add(person)
        self.session.commit()
        self.assertEqual((person.picture["width"], person.picture["height"]), (200, 100))
        stored = StorageManager.get_file(person.picture["thumbnail"]["path"])
        thumbnail = Image.open(io.BytesIO(stored.read()))
        self.assertEqual(max(thumbnail.size), 64)
        files = [dict(person.picture), {"path": person.picture["thumbnail"]["path"]}]
        self.assertTrue(all(map(self.exists, files)))
        self.session.delete(person)
        self.session.commit()
        self.assertFalse(any(map(self.exists, files)))

    def test_objects(self) -> None:
        self.saved(text=b"1")
        self.saved(text=b"2")
        names = [item.name for item in StorageManager.get().list_objects()]
        self.assertEqual(len([name for name in names if not name.endswith(".metadata.json")]), 2)


if __name__ == "__main__":
    outcomes = alias.Outcomes()
    unittest.defaultTestLoader.loadTestsFromTestCase(Attachments).run(outcomes)
    alias.report(outcomes)

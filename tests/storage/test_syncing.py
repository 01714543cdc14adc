from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from polycloud.concurrency import waiting
from polycloud.errors import InvalidArgumentError, MalformedResponseError, PolycloudError, UnsafePlanError
from polycloud.sandbox import Sandbox
from polycloud.sandbox.faults import SeenRequest, Slow
from polycloud.storage import Location, apply, copy, plan, sync
from polycloud.storage.base import Container, Object
from polycloud.storage.drivers.dummy import DummyStorageDriver
from polycloud.storage.drivers.local import LocalStorageDriver
from polycloud.storage.drivers.s3 import S3StorageDriver
from polycloud.storage.syncplan import Action, Plan
from polycloud.storage.types import ContainerDoesNotExistError, ObjectDoesNotExistError
from support.forked import Forker
from support.web import Answer, Seen, serve

SYNC = """
import os, sys
from polycloud.storage import sync
from polycloud.storage.drivers.local import LocalStorageDriver

class Killed(LocalStorageDriver):
    uploads = 0

    def upload_object_via_stream(self, *args, **options):
        if Killed.uploads == int(sys.argv[4]):
            os.kill(os.getpid(), 9)
        Killed.uploads += 1
        return super().upload_object_via_stream(*args, **options)

target = Killed(os.path.dirname(sys.argv[2])).get_container(os.path.basename(sys.argv[2]))
print(sync(sys.argv[1], target, state=sys.argv[3], limit=1))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with ten files."""
    made = tmp_path / "source"
    for number in range(10):
        file = made / f"d{number % 3}" / f"{number}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"content {number}")
    return made


@pytest.fixture
def container(tmp_path: Path) -> Container:
    (tmp_path / "cloud").mkdir()
    return LocalStorageDriver(str(tmp_path / "cloud")).create_container("target")


def contents(container: Container) -> dict[str, bytes]:
    return {one.name: b"".join(one.as_stream()) for one in container.list_objects()}


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and ".polycloud" not in file.parts
    }


def test_a_sync(folder: Path, container: Container) -> None:
    """A sync copies what is new or changed, verified, leaves the rest alone, and deletes only if asked."""
    first = sync(folder, container)
    assert (first.copied, first.verified, first.same, first.failed) == (10, 10, 0, [])
    assert contents(container) == files(folder)
    (folder / "d0" / "0.txt").write_text("another content")
    (folder / "d1" / "1.txt").unlink()
    second = sync(folder, container)
    assert (second.copied, second.deleted, second.same) == (1, 0, 8)
    third = sync(folder, container, delete=True)
    assert (third.copied, third.deleted, third.same) == (0, 1, 9)
    assert contents(container) == files(folder)


def test_checksums_count_more_than_times(folder: Path, tmp_path: Path, container: Container) -> None:
    """Objects with MD5s on both sides are compared by these, others by size and time, as the report says."""
    first = sync(folder, container)
    assert first.by_checksum == first.by_time == 0
    assert sync(folder, container).by_time == 10
    back = sync(container, tmp_path / "back")
    assert back.copied == 10
    (tmp_path / "back" / "d0" / "0.txt").touch()
    again = sync(container, tmp_path / "back")
    assert (again.by_checksum, again.by_time, again.copied) == (9, 1, 0)


def test_a_plan_is_what_a_sync_does(folder: Path, tmp_path: Path, container: Container) -> None:
    """A plan lists the actions in order with their reasons, is applied later, and is empty afterwards."""
    sync(folder, container)
    (folder / "d0" / "0.txt").write_text("longer than before")
    (folder / "d0" / "00.txt").write_text("new")
    (folder / "d1" / "1.txt").unlink()
    made = plan(folder, container, tmp_path / "plan", delete=True)
    found = [(one.do, one.name, one.why) for one in Plan(tmp_path / "plan")]
    assert found == [
        ("copy", "d0/0.txt", "size"),
        ("copy", "d0/00.txt", "new"),
        ("delete", "d1/1.txt", "gone"),
    ]
    assert made.totals is not None
    assert (made.totals.copies, made.totals.deletes, made.totals.same) == (2, 1, 8)
    apply(made, folder, container)
    assert contents(container) == files(folder)
    assert list(plan(folder, container, tmp_path / "plan", delete=True)) == []


def test_a_plan_is_for_its_places(folder: Path, tmp_path: Path, container: Container) -> None:
    """A plan is refused for other places than those that it was made for."""
    made = plan(folder, container, tmp_path / "plan")
    other = container.driver.create_container("other")
    with pytest.raises(InvalidArgumentError, match=r"is for .*source/ and .*target/, not for"):
        apply(made, folder, other)


def test_a_source_that_changed(folder: Path, tmp_path: Path, container: Container) -> None:
    """An object that changed since the plan was made is reported as failed; the others are copied."""
    made = plan(folder, container, tmp_path / "plan")
    (folder / "d0" / "0.txt").write_text("another size")
    report = apply(made, folder, container)
    assert [name for name, _ in report.failed] == ["d0/0.txt"]
    assert "changed since the plan was made" in report.failed[0][1]
    assert report.copied == len(contents(container)) == 9


def test_too_many_deletes(folder: Path, container: Container) -> None:
    """A sync that would delete more than half of the target does nothing, unless told."""
    sync(folder, container)
    for file in list(folder.rglob("*.txt"))[:6]:
        file.unlink()
    with pytest.raises(UnsafePlanError, match="deletes 6 of the 10 objects"):
        sync(folder, container, delete=True)
    assert len(contents(container)) == 10
    assert sync(folder, container, delete=True, most_deleted=1.0).deleted == 6


def test_patterns(folder: Path, container: Container) -> None:
    """Names that `include` does not match or `exclude` does are neither copied nor deleted."""
    sync(folder, container, include=["d0/*", "d1/*"], exclude=["*/3.txt"])
    expected = ["d0/0.txt", "d0/6.txt", "d0/9.txt", "d1/1.txt", "d1/4.txt", "d1/7.txt"]
    assert sorted(contents(container)) == expected
    report = sync(folder, container, include=["d2/*"], delete=True)
    assert (report.copied, report.deleted) == (3, 0)


def test_one_place_within_the_other(container: Container) -> None:
    """A sync of a place with a part of itself is refused."""
    with pytest.raises(InvalidArgumentError, match="must not be within each other"):
        sync(container, Location(container, "copy/"))


@pytest.mark.parametrize(
    ("source", "target"), [("", "d0"), ("d0", ""), ("d0/", "d0/x"), ("d0", "../link/d0")]
)
def test_a_folder_within_the_other(folder: Path, source: str, target: str) -> None:
    """A sync of a folder with one below or above it, also by a link, is refused and changes nothing."""
    (folder.parent / "link").symlink_to(folder)
    before = files(folder)
    with pytest.raises(InvalidArgumentError, match="must not be within each other"):
        sync(folder / source, folder / target, delete=True, most_deleted=1)
    assert files(folder) == before


def test_stores_of_their_own() -> None:
    """Containers of one name are two places if each is in a store of its own."""
    one, other = (DummyStorageDriver("key").create_container("photos") for _ in "12")
    one.upload_object_via_stream(b"1", "a")
    assert sync(one, other).copied == 1


@pytest.mark.parametrize(
    "arguments",
    [
        {"include": "*.txt"},
        {"exclude": "*.txt"},
        {"include": [3]},
        {"most_deleted": float("nan")},
        {"most_deleted": 1.1},
        {"most_deleted": None},
        {"limit": 0},
        {"limit": None},
        {"progress": 3},
        {"executor": 3},
        {"delete": "no"},
        {"state": 3},
        {"state": "a\0b"},
    ],
)
def test_bad_arguments(folder: Path, container: Container, arguments: dict[str, Any]) -> None:
    """A sync refuses an argument that makes no sense by its name, and changes nothing."""
    container.upload_object_via_stream(b"mine", "z")
    with pytest.raises(InvalidArgumentError, match=next(iter(arguments))):
        sync(folder, container, **{"delete": True, "most_deleted": 1, **arguments})
    assert contents(container) == {"z": b"mine"}


@pytest.mark.parametrize("bad", ["", "a\0b", "\ud800", "~nobody-of-this-name/x"])
def test_no_folder(container: Container, bad: str) -> None:
    """What is no path, such as an empty text, is refused as a folder: it does not mean the current one."""
    for places in ((bad, container), (container, bad)):
        with pytest.raises(InvalidArgumentError, match="expected the path of a folder"):
            sync(*places, delete=True)


def test_what_failed_is_compared_anew(folder: Path, tmp_path: Path, container: Container) -> None:
    """After a sync that was interrupted, an object that changed or is gone since fails one run at most."""
    state = tmp_path / "state"

    def interrupt(action: Action, error: PolycloudError | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sync(folder, container, state=state, progress=interrupt, limit=1)
    (folder / "d2" / "8.txt").write_text("another content")
    (folder / "d2" / "5.txt").unlink()
    second = sync(folder, container, state=state)
    assert sorted(name for name, _ in second.failed) == ["d2/5.txt", "d2/8.txt"]
    third = sync(folder, container, state=state)
    assert (third.copied, third.failed) == (1, [])
    assert contents(container) == files(folder)
    assert not list(tmp_path.glob("state*"))


def test_a_refused_plan_is_forgotten(folder: Path, tmp_path: Path, container: Container) -> None:
    """A sync whose deletes were too many compares anew when the source was mended."""
    sync(folder, container)
    folder.rename(tmp_path / "away")
    folder.mkdir()
    with pytest.raises(UnsafePlanError):
        sync(folder, container, delete=True, state=tmp_path / "state")
    folder.rmdir()
    (tmp_path / "away").rename(folder)
    assert sync(folder, container, delete=True, state=tmp_path / "state").same == 10


def test_another_sync_with_one_state(folder: Path, tmp_path: Path, container: Container) -> None:
    """A plan that did not end is not gone on with by a sync that may delete less, or chooses other names."""
    state = tmp_path / "state"
    container.upload_object_via_stream(b"mine", "z")
    plan(folder, container, state, delete=True)
    for other in ({}, {"delete": True, "include": ["d0/*"]}, {"delete": True, "exclude": ["z"]}):
        with pytest.raises(InvalidArgumentError, match="with another delete, include or exclude"):
            sync(folder, container, state=state, **other)  # type: ignore[arg-type] # of several types
    assert contents(container) == {"z": b"mine"}
    assert sync(folder, container, delete=True, state=state, most_deleted=1).copied == 10


def test_a_plan_is_for_its_account(folder: Path, tmp_path: Path) -> None:
    """A plan is refused for a container of the same name in another account."""
    made: list[Plan] = []
    with serve(lambda seen: Answer(body=b"<ListBucketResult/>")) as web:
        for key in ("one", "other"):
            with S3StorageDriver(key, "secret", url=web.url) as driver:
                bucket = Container("bucket", {}, driver)
                made.append(made[0] if made else plan(folder, bucket, tmp_path / "plan"))
                if key == "other":
                    with pytest.raises(InvalidArgumentError, match="is for other accounts"):
                        apply(made[0], folder, bucket)


@pytest.mark.parametrize(
    "journal", [b"x done\n", b"99999999999999999999 done\n", b"-3 done\n", b"77 done\n", b"\xff\0" * 99]
)
def test_a_journal_of_something_else(
    folder: Path, tmp_path: Path, container: Container, journal: bytes
) -> None:
    """Lines of a journal that name no action of the plan count for nothing."""
    made = plan(folder, container, tmp_path / "plan")
    made.journal_file.write_bytes(journal)
    assert apply(made, folder, container).copied == 10


@pytest.mark.parametrize("line", [b"garbage", b"", b'{"do":"burn","name":"a","why":"new"}', None])
def test_a_damaged_plan(folder: Path, tmp_path: Path, container: Container, line: bytes | None) -> None:
    """A plan of which a line is damaged or missing raises an error that says what to do."""
    made = plan(folder, container, tmp_path / "plan")
    lines = made.file.read_bytes().split(b"\n")
    lines[3:4] = [] if line is None else [line]
    made.file.write_bytes(b"\n".join(lines))
    with pytest.raises(InvalidArgumentError, match=r"the plan .*plan (cannot be read|lacks some).*delete it"):
        apply(made, folder, container)


def test_a_plan_is_made_by_one(folder: Path, tmp_path: Path) -> None:
    """While a plan is made, a second run that wants to make it is refused, and the plan is complete."""
    state = tmp_path / "state"

    class Listing(DummyStorageDriver):
        def iterate_container_objects(self, *args: Any, **options: Any) -> Iterator[Object]:
            with pytest.raises(PolycloudError, match="another process is applying"):
                sync(folder, DummyStorageDriver("key").create_container("other"), state=state)
            yield from super().iterate_container_objects(*args, **options)

    assert sync(folder, Listing("key").create_container("target"), state=state).copied == 10
    assert not list(tmp_path.glob("state*"))


def test_a_container_that_goes_away(folder: Path) -> None:
    """A sync whose target is deleted in the meantime ends with an error, and does not try all the others."""
    driver = DummyStorageDriver("key")
    container = driver.create_container("target")
    tried: list[str] = []

    def delete(action: Action, error: PolycloudError | None) -> None:
        tried.append(action.name)
        container.delete_objects(container.iterate_objects())
        container.delete()

    with pytest.raises(ContainerDoesNotExistError):
        sync(folder, container, progress=delete, limit=1)
    assert len(tried) == 1


def test_a_plan_that_cannot_be_made(folder: Path, tmp_path: Path) -> None:
    """Of a plan that could not be made no file stays."""

    class Failing(DummyStorageDriver):
        def iterate_container_objects(self, *args: Any, **options: Any) -> Iterator[Object]:
            raise PolycloudError("no")

    with pytest.raises(PolycloudError, match="no"):
        plan(folder, Failing("key").create_container("target"), tmp_path / "plan")
    assert not list(tmp_path.glob("plan*"))


@pytest.mark.parametrize("file", [None, "", 3, "a\0b"])
def test_no_file_of_a_plan(folder: Path, container: Container, file: Any) -> None:
    """What is no path is refused as the file of a plan."""
    with pytest.raises(InvalidArgumentError, match="file must be the path of a file"):
        plan(folder, container, file)


def test_a_state_in_the_source(folder: Path, container: Container) -> None:
    """The file of a plan, and what belongs to it, are not copied if they are in the source."""
    before = files(folder)
    assert sync(folder, container, state=folder / "d0" / "state").failed == []
    assert contents(container) == before


def test_unfinished_transfers_are_not_copied(folder: Path, container: Container) -> None:
    """What transfers keep beside a file until they are complete is not copied; other hidden files are."""
    for name in (
        ".film.polycloud-upload",
        "d0/.film.polycloud-download",
        ".film.polycloud-download.done",
        "d1/.polycloud-0123456789ab.part",
    ):
        (folder / name).write_text("x")
    (folder / ".hidden").write_text("x")
    (folder / "polycloud-upload").write_text("x")
    assert sync(folder, container).copied == 12


def test_names_that_are_no_text(folder: Path, container: Container) -> None:
    """Files whose names are not UTF-8, or are longer than a name may be, are not listed; others are."""
    try:
        Path(os.fsdecode(bytes(folder) + b"/\xff")).write_text("x")
    except OSError:
        pytest.skip("this file system takes text only")
    deep = os.open(folder, os.O_RDONLY)
    for _ in range(1100):  # more than Python's stack has
        os.mkdir("d", dir_fd=deep)
        deep, above = os.open("d", os.O_RDONLY, dir_fd=deep), deep
        os.close(above)
    os.close(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=deep))
    os.close(deep)
    try:
        report = sync(folder, container)
        assert (report.copied, report.failed) == (10, [])
    finally:
        subprocess.run(["rm", "-rf", str(folder)], check=True)  # pytest's own cleanup is recursive


def test_a_prefix(folder: Path, container: Container) -> None:
    """A location's objects are those whose names begin with its prefix, under the rest of their names."""
    sync(folder, Location(container, "a/b/"))
    assert {name.removeprefix("a/b/") for name in contents(container)} == files(folder).keys()
    other = container.driver.create_container("other")
    sync(Location(container, "a/b/d1/"), other)
    assert sorted(contents(other)) == ["1.txt", "4.txt", "7.txt"]


def test_links_are_not_followed(folder: Path, container: Container, tmp_path: Path) -> None:
    """Links in a folder are neither copied nor followed."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret")
    (folder / "folder").symlink_to(tmp_path / "outside")
    (folder / "file").symlink_to(tmp_path / "outside" / "secret")
    assert sync(folder, container).copied == 10
    with pytest.raises(InvalidArgumentError, match="is a link, which is not followed"):
        sync(folder / "folder", container)


def test_a_list_out_of_order(folder: Path) -> None:
    """A target whose list is out of order is an error, since what it has would be taken for missing."""

    class Unsorted(DummyStorageDriver):
        def iterate_container_objects(
            self, container: Container, prefix: str | None = None, ex_prefix: str | None = None
        ) -> Iterator[Object]:
            yield from reversed(list(super().iterate_container_objects(container, prefix, ex_prefix)))

    container = Unsorted("key").create_container("target")
    sync(folder, container)
    with pytest.raises(MalformedResponseError, match="out of order"):
        sync(folder, container, delete=True)


def test_deletes_in_bulk(folder: Path, aws: Sandbox) -> None:
    """A sync deletes as many objects a request as the store takes, and reports each of them."""

    class OfHundred(S3StorageDriver):
        delete_batch_size = 100

    aws.reset()
    with OfHundred(*aws.credentials, **aws.options) as driver:
        bucket = driver.create_container("bucket")
        upload = partial(driver.upload_object_via_stream, b"", bucket)
        driver.connection.gather(partial(upload, f"d1/{number:03}") for number in range(105))
        before = len(aws.requests)
        done: list[str] = []
        report = sync(
            folder, bucket, delete=True, most_deleted=1, progress=lambda one, _: done.append(one.name)
        )
        assert (report.deleted, report.copied, report.failed) == (105, 10, [])
        assert len(done) == len(set(done)) == 115
        deletes = [seen for seen in aws.requests[before:] if seen.method == "POST"]
        assert [seen.path for seen in deletes] == ["/bucket", "/bucket"]
        assert not any(seen.method == "DELETE" for seen in aws.requests[before:])
        assert contents(bucket) == files(folder)


def test_a_delete_that_fails(folder: Path, tmp_path: Path) -> None:
    """A delete that the store refuses is a failure of that object, and is tried again by the next run."""
    refused = b"<DeleteResult><Error><Key>b</Key><Code>AccessDenied</Code></Error></DeleteResult>"
    left = set("abc")
    empty, state = tmp_path / "empty", tmp_path / "state"
    empty.mkdir()

    def respond(seen: Seen) -> Answer:
        if seen.method == "POST":
            left.intersection_update("b")
            return Answer(body=refused)
        rows = "".join(f"<Contents><Key>{key}</Key><Size>1</Size></Contents>" for key in sorted(left))
        return Answer(body=f"<ListBucketResult>{rows}</ListBucketResult>".encode())

    with serve(respond) as web, S3StorageDriver("key", "secret", url=web.url) as driver:
        bucket = Container("bucket", {}, driver)
        for deleted, earlier in ((2, 0), (0, 0)):
            report = sync(empty, bucket, delete=True, most_deleted=1, state=state)
            assert (report.deleted, report.earlier) == (deleted, earlier)
            ((name, reason),) = report.failed
            assert name == "b"
            assert "AccessDenied" in reason
        bodies = [seen.body for seen in web.seen if seen.method == "POST"]
        assert [body.count(b"<Key>") for body in bodies] == [3, 1]


def test_failures_are_reported(folder: Path) -> None:
    """An object that cannot be copied is reported with its reason, and the others are copied."""

    class Failing(DummyStorageDriver):
        def upload_object_via_stream(
            self,
            iterator: Iterable[bytes] | bytes,
            container: Container,
            object_name: str,
            extra: dict[str, Any] | None = None,
            headers: dict[str, str] | None = None,
            **options: Any,
        ) -> Object:
            if object_name == "d0/0.txt":
                raise PolycloudError("no")
            return super().upload_object_via_stream(iterator, container, object_name, extra)

    container = Failing("key").create_container("target")
    seen: list[tuple[str, bool]] = []

    def note(action: Action, error: PolycloudError | None) -> None:
        seen.append((action.name, error is None))

    report = sync(folder, container, progress=note)
    assert report.failed == [("d0/0.txt", "no")]
    assert report.copied == 9
    assert sorted(seen) == [(name, name != "d0/0.txt") for name in sorted(files(folder))]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("after", [0, 1, 7])
def test_kill_9(forker: Forker, folder: Path, tmp_path: Path, after: int) -> None:
    """A sync that was killed goes on in another process, with the same plan and nothing sent twice."""
    target = tmp_path / "target"
    target.mkdir()

    def run(uploads: int) -> subprocess.CompletedProcess[str]:
        arguments = [str(folder), str(target), str(tmp_path / "state"), str(uploads)]
        return forker.run(arguments, os.environ, "", 60, SYNC)

    assert run(after).returncode == -signal.SIGKILL
    assert len(files(target)) == after
    ended = run(100)
    assert ended.stdout.startswith(f"{10 - after} copied"), ended.stdout + ended.stderr
    assert files(target) == files(folder)
    assert not (tmp_path / "state").exists()
    assert os.listdir(target / ".polycloud" / "uploads") == []  # noqa: PTH208


def test_a_journal_without_the_last_line(folder: Path, tmp_path: Path) -> None:
    """A copy that was made and not noted, or only in part, before the end of a run is not made again."""
    local = LocalStorageDriver(str(tmp_path)).create_container("with-md5")
    container = DummyStorageDriver("key").create_container("target")
    sync(folder, local)
    made = plan(local, container, tmp_path / "plan")
    apply(made, local, container)
    made.journal_file.write_text("0 done\n1 done\n2 do")
    before = {one.name: one for one in container.list_objects()}
    report = apply(made, local, container)
    assert (report.earlier, report.copied) == (2, 8)
    assert all(container.get_object(name) is one for name, one in before.items())


def test_two_runs_at_once(folder: Path, tmp_path: Path, container: Container) -> None:
    """A plan that is being applied is refused for a second run."""
    made = plan(folder, container, tmp_path / "plan")

    def nested(action: Action, error: PolycloudError | None) -> None:
        with pytest.raises(PolycloudError, match="another process is applying the plan"):
            apply(made, folder, container)

    assert apply(made, folder, container, progress=nested, limit=1).copied == 10


def test_copies_keep_metadata(tmp_path: Path, container: Container) -> None:
    """A copy between providers has the content, the content type and the metadata of its source."""
    local = LocalStorageDriver(str(tmp_path)).create_container("source")
    extra = {"content_type": "text/x-y", "meta_data": {"owner": "me"}, "cache_control": "no-store"}
    made = copy(local.upload_object_via_stream(b"one", "a", extra), container, "b")
    assert b"".join(made.as_stream()) == b"one"
    found = container.get_object("b")
    assert (found.meta_data, found.extra["content_type"], found.extra["cache_control"]) == (
        {"owner": "me"},
        "text/x-y",
        "no-store",
    )
    with pytest.raises(ObjectDoesNotExistError):
        copy(Object("gone", 1, "", {}, {}, local, local.driver), container)


def test_executors(folder: Path, container: Container, tmp_path: Path) -> None:
    """An executor of other processes carries out a plan, and the report and the journal are as without it."""
    for number in range(10, 230):
        (folder / f"{number}.txt").write_text(f"content {number}")
    seen: list[str] = []
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        report = sync(
            folder, container, executor=executor, limit=2, progress=lambda one, _: seen.append(one.name)
        )
    assert (report.copied, report.failed) == (230, [])
    assert sorted(seen) == sorted(files(folder))
    assert contents(container) == files(folder)


def test_an_executor_that_fails(folder: Path, container: Container, tmp_path: Path) -> None:
    """Actions that an executor lost are reported as failed, and the next run carries them out."""
    broken = ThreadPoolExecutor(1)

    class Loses(Executor):
        def submit(self, *_: Any, **__: Any) -> Future[Any]:
            return broken.submit(lambda: 1 // 0)

    report = sync(folder, container, executor=Loses(), state=tmp_path / "state")
    assert len(report.failed) == 10
    assert report.failed[0][1] == "the executor failed: integer division or modulo by zero"
    assert sync(folder, container, state=tmp_path / "state").copied == 10
    broken.shutdown()
    with pytest.raises(InvalidArgumentError, match="executor must be an Executor, got int"):
        sync(folder, container, executor=3)  # type: ignore[arg-type]


def test_a_long_copy_goes_on(forker: Forker, tmp_path: Path, aws: Sandbox) -> None:
    """A long object whose copy was killed is not sent from its beginning by the next run of the plan."""
    source = tmp_path / "films"
    source.mkdir()
    (source / "film").write_bytes(os.urandom(65 * 1024 * 1024))

    def parts(requests: list[SeenRequest]) -> list[str]:
        return [one.query["partNumber"] for one in requests if "partNumber" in one.query]

    aws.reset()
    with S3StorageDriver(*aws.credentials, **aws.options) as driver:
        driver.create_container("films")
        aws.fault(Slow(0), method="PUT", path="/films/film", times=6)
        aws.fault(Slow(120), method="PUT", path="/films/film", times=3)  # parts are sent three at once
        state = tmp_path / "state"
        program = f"""
from polycloud.storage import sync
from polycloud.storage.drivers.s3 import S3StorageDriver
driver = S3StorageDriver(*{aws.credentials!r}, **{aws.options!r})
sync({str(source)!r}, driver.get_container("films"), state={str(state)!r})
"""
        with Path(os.devnull).open("r+b") as null:
            running = forker.start([], os.environ, [null.fileno()] * 3, program)
        waiting.poll(lambda: len(parts(aws.requests)) == 9 or None, waiting_for="parts", timeout=60)
        running.kill()
        running.wait(60)
        start = len(aws.requests)
        report = sync(source, driver.get_container("films"), state=state)
        again = parts(aws.requests[start:])
        assert report.copied == 1
        assert len(again) <= 13 - 6, "the three that were on their way may be sent again"
        assert driver.get_object("films", "film").size == 65 * 1024 * 1024
        assert list(tmp_path.glob("state*")) == []

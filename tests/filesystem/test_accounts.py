from __future__ import annotations

import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import fsspec  # type: ignore[import-untyped]
import pytest

from polycloud.config import ConfigError
from polycloud.errors import InvalidArgumentError
from polycloud.filesystem import PolycloudFileSystem
from polycloud.sandbox import Sandbox
from polycloud.storage.drivers.dummy import DummyStorageDriver
from polycloud.storage.drivers.local import LocalStorageDriver
from polycloud.storage.drivers.s3 import S3StorageDriver


def test_addresses_begin_with_a_profile(disk: Path) -> None:
    """The filesystem is found by `polycloud://`, and its addresses begin with the name of a profile."""
    with fsspec.open("polycloud://disk/photos/2026/a.jpg", "wb") as file:
        file.write(b"first")
    assert (disk / "photos/2026/a.jpg").read_bytes() == b"first"
    fs, path = fsspec.url_to_fs("polycloud://disk/photos/2026/")
    assert (type(fs), path) == (PolycloudFileSystem, "disk/photos/2026")
    assert fs.unstrip_protocol(path) == "polycloud://disk/photos/2026"


def test_accounts_are_folders(disk: Path) -> None:
    """The root has the profiles for storage, and an account has its containers."""
    fs = PolycloudFileSystem()
    assert fs.ls("", detail=False) == fs.ls("polycloud://", detail=False) == ["disk"]
    assert fs.ls("disk") == [{"name": "disk/photos", "size": 0, "type": "directory"}]
    assert [fs.isdir(path) for path in ("", "disk", "disk/photos", "disk/videos")] == [
        True,
        True,
        True,
        False,
    ]
    assert fs.find("disk") == []


def test_unknown_accounts(disk: Path) -> None:
    """A name of no account is an error that says which there are, also if one only asks whether it exists."""
    for call in (PolycloudFileSystem().exists, PolycloudFileSystem().ls):
        with pytest.raises(ConfigError, match=r"no profile is called 'dsk'.*nearest are disk"):
            call("polycloud://dsk/photos")


def test_a_provider_is_an_account(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path may begin with a provider whose credentials are in the environment."""
    monkeypatch.setenv("POLYCLOUD_LOCAL_PATH", str(disk))
    assert PolycloudFileSystem().ls("local", detail=False) == ["local/photos"]


def test_storage_options(disk: Path) -> None:
    """With a profile, or a provider and credentials, as storage options, addresses begin with a container."""
    (disk / "photos/a").write_bytes(b"one")
    several: list[dict[str, Any]] = [{"profile": "disk"}, {"provider": "local", "credentials": [str(disk)]}]
    for options in several:
        with fsspec.open("polycloud://photos/a", **options) as file:
            assert file.read() == b"one"


def test_wrong_storage_options(local: LocalStorageDriver) -> None:
    """Options that contradict each other are refused, and so are those that a driver does not know."""
    wrong: dict[str, dict[str, Any]] = {
        "not driver and profile": {"driver": local, "profile": "disk"},
        "credentials are those of a provider": {"credentials": ["a"]},
        "leave out timeout": {"driver": local, "timeout": 3},
        "must be a storage driver, got 'local'": {"driver": "local"},
    }
    for message, options in wrong.items():
        with pytest.raises(InvalidArgumentError, match=message):
            PolycloudFileSystem(**options)
    with pytest.raises(InvalidArgumentError, match="regon"):
        PolycloudFileSystem(provider="s3", credentials=["key", "secret"], regon="x").ls("")


def test_two_drivers_are_two_filesystems(tmp_path: Path) -> None:
    """Filesystems of two drivers are never taken for one, and those of one account are equal."""
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        (folder / folder.name).mkdir(parents=True)
    drivers = [LocalStorageDriver(str(folder)) for folder in folders]
    filesystems = [fsspec.filesystem("polycloud", driver=driver) for driver in drivers]
    assert [fs.ls("", detail=False) for fs in filesystems] == [["a"], ["b"]]
    assert filesystems[0] != filesystems[1]
    assert filesystems[0] == PolycloudFileSystem(drivers[0])
    assert PolycloudFileSystem(profile="a") != PolycloudFileSystem(profile="b") != PolycloudFileSystem()
    assert hash(PolycloudFileSystem(profile="a")) == hash(PolycloudFileSystem(profile="a"))


def test_threads_share_a_driver(disk: Path) -> None:
    """The filesystems of all threads use one driver for an account."""
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: PolycloudFileSystem()._accounts.driver("disk"), range(8)))
    assert len(set(found)) == 1


def test_a_changed_profile(disk: Path, tmp_path: Path) -> None:
    """A profile that was changed is another account for filesystems that are made from then on."""
    fs = PolycloudFileSystem()
    assert fs.ls("disk", detail=False) == ["disk/photos"]
    (tmp_path / "other/videos").mkdir(parents=True)
    config = tmp_path / "config.toml"
    config.write_text(config.read_text().replace(str(disk), str(tmp_path / "other")))
    assert PolycloudFileSystem().ls("disk", detail=False) == ["disk/videos"]
    assert fs.ls("disk", detail=False) == ["disk/photos"]


def test_pickling(s3: S3StorageDriver, disk: Path) -> None:
    """A pickled filesystem, and a file that is read, go on in another process where they were."""
    fs = PolycloudFileSystem(s3)
    fs.pipe_file("bucket/a", b"hello, world")
    file = fs.open("bucket/a")
    assert file.read(7) == b"hello, "
    (disk / "photos/a").write_bytes(b"on the disk")
    pickled = pickle.dumps((fs, file, PolycloudFileSystem()))
    program = (
        "import pickle, sys; fs, file, profiles = pickle.load(sys.stdin.buffer); "
        "print(fs.cat('bucket/a'), file.read(), profiles.cat('disk/photos/a'))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], input=pickled, capture_output=True, check=True
    )
    assert done.stdout == b"b'hello, world' b'world' b'on the disk'\n"


def test_copies_between_accounts(
    disk: Path, cloud: Sandbox, s3: S3StorageDriver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One filesystem copies and moves between accounts."""
    key, secret = cloud.credentials[:2]
    with (tmp_path / "config.toml").open("a") as config:
        config.write(
            f'[profiles.cloud]\nprovider = "s3"\nkey = "{key}"\nsecret = "{secret}"\nurl = "{cloud.url}"\n'
        )
    fs = PolycloudFileSystem()
    (disk / "photos/2026").mkdir()
    (disk / "photos/2026/a").write_bytes(b"one")
    fs.copy("disk/photos/2026", "cloud/bucket/all", recursive=True)
    assert fs.find("cloud/bucket") == ["cloud/bucket/all/a"]
    fs.mv("cloud/bucket/all/a", "disk/photos/b")
    assert (disk / "photos/b").read_bytes() == b"one"
    assert not fs.exists("cloud/bucket/all")


def test_closing(disk: Path) -> None:
    """`clear_instance_cache` closes the drivers; a filesystem that is made afterwards makes new ones."""
    before = PolycloudFileSystem()._accounts.driver("disk")
    PolycloudFileSystem.clear_instance_cache()
    assert PolycloudFileSystem()._accounts.driver("disk") is not before


def test_a_driver_of_memory() -> None:
    """Any storage driver is a filesystem, such as the one that keeps its objects in memory."""
    fs = PolycloudFileSystem(DummyStorageDriver())
    fs.mkdir("a")
    fs.pipe({"a/1": b"one", "a/b/2": b"two"})
    assert fs.cat(["a/1", "a/b/2"]) == {"a/1": b"one", "a/b/2": b"two"}
    assert fs.glob("a/*") == ["a/1", "a/b"]

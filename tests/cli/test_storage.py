from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from polycloud.sandbox import Sandbox
from polycloud.storage.drivers.s3 import S3StorageDriver

Run = Callable[..., subprocess.CompletedProcess[str]]
CONFIG = """
[profiles.disk]
provider = "local"
service = "storage"
path = "{disk}"

[profiles.cloud]
provider = "s3"
service = "storage"
key = "{key}"
secret = "{secret}"
url = "{url}"
"""


@pytest.fixture(scope="module")
def cloud(aws: Sandbox) -> Sandbox:
    return aws


@pytest.fixture
def both(tmp_path: Path, cloud: Sandbox) -> dict[str, str]:
    """Variables for two profiles: `disk`, a folder of this machine, and `cloud`, an S3."""
    cloud.reset()
    (tmp_path / "disk" / "photos").mkdir(parents=True)
    key, secret, *_ = cloud.credentials
    config = tmp_path / "config.toml"
    config.write_text(CONFIG.format(disk=tmp_path / "disk", key=key, secret=secret, url=cloud.url))
    config.chmod(0o600)
    return {"POLYCLOUD_CONFIG": str(config), "XDG_STATE_HOME": str(tmp_path / "state")}


@pytest.fixture
def storage(run: Run, both: dict[str, str]) -> Run:
    """Runs `polycloud storage` with these profiles, and expects its success unless told otherwise."""

    def do(*arguments: str, status: int = 0, **options: str) -> subprocess.CompletedProcess[str]:
        done = run("storage", *arguments, **both, **options)
        assert done.returncode == status, done.stdout + done.stderr
        return done

    return do


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for name in ("a.jpg", "2026/b.jpg", "2026/c.png"):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"content of {name}")
    return folder


def listed(storage: Run, address: str, *options: str) -> list[str]:
    return [row["name"] for row in json.loads(storage("ls", address, "--json", *options).stdout)]


def test_a_life(storage: Run, photos: Path, tmp_path: Path) -> None:
    """Objects are copied up and down, listed, shown, measured, moved and deleted, by their addresses."""
    storage("mb", "cloud:photos")
    assert json.loads(storage("ls", "cloud:", "--json").stdout)[0]["container"] == "photos"
    storage("cp", str(photos / "a.jpg"), "cloud:photos")
    storage("cp", "-r", str(photos / "2026"), "cloud:photos/2026")
    assert listed(storage, "cloud:photos") == ["2026/", "a.jpg"]
    assert listed(storage, "cloud:photos", "-r") == ["2026/b.jpg", "2026/c.png", "a.jpg"]
    assert listed(storage, "cloud:photos/2026/") == ["2026/b.jpg", "2026/c.png"]
    assert storage("cat", "cloud:photos/2026/b.jpg").stdout == "content of 2026/b.jpg"
    shown = json.loads(storage("info", "cloud:photos/a.jpg", "--json").stdout)
    assert (shown["size"], shown["content_type"]) == (16, "image/jpeg")
    usage = json.loads(storage("du", "cloud:photos", "--json").stdout)
    assert usage[-1] == {"folder": "total", "objects": 3, "bytes": 58}
    storage("mv", "cloud:photos/a.jpg", "cloud:photos/old/")
    storage("cp", "cloud:photos/old/a.jpg", str(tmp_path))
    assert (tmp_path / "a.jpg").read_text() == "content of a.jpg"
    storage("rb", "cloud:photos", "--yes", status=1)
    storage("rm", "cloud:photos/old/a.jpg")
    assert storage("rm", "-r", "--yes", "cloud:photos").stdout == "deleted 2 objects\n"
    storage("rb", "cloud:photos", "--yes")
    assert json.loads(storage("ls", "cloud:", "--json").stdout) == []


@pytest.mark.parametrize("profile", ["cloud", "disk"])
def test_set(storage: Run, photos: Path, profile: str) -> None:
    """`set` adds, replaces and removes metadata, changes headers, and leaves the rest as it was."""
    address = f"{profile}:set/a.jpg"
    storage("mb", f"{profile}:set")
    storage("cp", str(photos / "a.jpg"), address)
    storage("set", address, "owner=ann", "draft=yes", "Note=a=b")
    assert storage("set", address, "owner=bob", "draft=", "--cache-control", "max-age=60").stdout == (
        f"changed {address}\n"
    )
    shown = json.loads(storage("info", address, "--json").stdout)
    assert shown["meta_data"] == {"owner": "bob", "note": "a=b"}
    assert (shown["content_type"], shown["cache_control"]) == ("image/jpeg", "max-age=60")
    assert storage("cat", address).stdout == "content of a.jpg"
    for wrong, reason in {
        "owner": "NAME=VALUE",
        "=ann": "NAME=VALUE",
        "owner=a\nb": "printable text",
    }.items():
        assert reason in storage("set", address, wrong, status=2).stderr
    assert "give metadata" in storage("set", address, status=2).stderr


def test_rm(storage: Run, photos: Path) -> None:
    """`rm -r` deletes what begins with the address, after a dry run that names it; `rm` needs an object."""
    storage("mb", "cloud:gone")
    storage("cp", "-r", str(photos), "cloud:gone")
    would = storage("rm", "-r", "--dry-run", "cloud:gone/2026").stdout
    assert would == "would delete 2026/b.jpg\nwould delete 2026/c.png\n"
    assert storage("rm", "-r", "--yes", "cloud:gone/2026").stdout == "deleted 2 objects\n"
    assert listed(storage, "cloud:gone", "-r") == ["a.jpg"]
    assert "2026" in storage("rm", "cloud:gone/2026", status=3).stderr
    assert storage("rm", "cloud:gone/a.jpg").stdout == "deleted 1 object\n"
    assert "no terminal" in storage("rm", "-r", "cloud:gone", status=2).stderr


def test_between_accounts(storage: Run, photos: Path) -> None:
    """Objects go from one account to another, one or many, with what `sync` counts on both sides."""
    storage("mb", "cloud:copies")
    storage("sync", str(photos), "disk:photos")
    storage("cp", "disk:photos/a.jpg", "cloud:copies/one.jpg")
    report = json.loads(storage("sync", "disk:photos", "cloud:copies/all", "--json").stdout)
    assert (report["copied"], report["verified"]) == (3, 3)
    again = json.loads(storage("sync", "disk:photos", "cloud:copies/all", "--json").stdout)
    assert (again["copied"], again["by_checksum"]) == (0, 3)
    assert listed(storage, "cloud:copies", "-r") == [
        "all/2026/b.jpg",
        "all/2026/c.png",
        "all/a.jpg",
        "one.jpg",
    ]


def test_a_dry_run(storage: Run, photos: Path) -> None:
    """A dry run prints each action and its reason, and changes nothing."""
    storage("sync", str(photos), "disk:photos")
    (photos / "a.jpg").write_text("longer than it was")
    (photos / "2026" / "b.jpg").unlink()
    shown = storage("sync", str(photos), "disk:photos", "--delete", "--dry-run").stdout.splitlines()
    assert shown[:2] == ["would delete 2026/b.jpg (gone)", "would copy a.jpg (size, 18 B)"]
    assert shown[2].startswith("1 to copy (18 B), 1 to delete, 1 unchanged")
    assert listed(storage, "disk:photos", "-r") == ["2026/b.jpg", "2026/c.png", "a.jpg"]


def test_too_many_deletes(storage: Run, photos: Path) -> None:
    """A sync that would delete too much says which option allows it, and does nothing."""
    storage("sync", str(photos), "disk:photos")
    for file in photos.rglob("*.jpg"):
        file.unlink()
    done = storage("sync", str(photos), "disk:photos", "--delete", status=1)
    assert "deletes 2 of the 3 objects" in done.stderr
    assert "--most-deleted" in done.stderr
    assert len(listed(storage, "disk:photos", "-r")) == 3


def test_pipes(both: dict[str, str], storage: Run) -> None:
    """`cp -` reads standard input and writes standard output, byte by byte."""
    content = os.urandom(100_000)
    copy = [sys.executable, "-m", "polycloud.cli.main", "storage", "cp"]
    known: dict[str, Any] = {"env": {**os.environ, **both}, "timeout": 60}
    subprocess.run([*copy, "-", "disk:photos/random"], input=content, check=True, **known)
    found = subprocess.run([*copy, "disk:photos/random", "-"], capture_output=True, check=True, **known)
    assert found.stdout == content


@pytest.mark.parametrize("target", ["disk:photos/d/a.jpg", "disk:photos/d/", "again:photos/d/a.jpg"])
def test_mv_onto_itself(storage: Run, photos: Path, both: dict[str, str], target: str) -> None:
    """A move of an object onto itself, also by another profile, is refused, with --dry-run too; it stays."""
    config = Path(both["POLYCLOUD_CONFIG"])
    config.write_text(
        config.read_text() + config.read_text().split("[profiles.cloud]")[0].replace(".disk", ".again")
    )
    storage("cp", str(photos / "a.jpg"), "disk:photos/d/a.jpg")
    for options in ((), ("--dry-run",)):
        done = storage("mv", "disk:photos/d/a.jpg", target, *options, status=2)
        assert "are the same object" in done.stderr
    assert listed(storage, "disk:photos", "-r") == ["d/a.jpg"]


def test_mv_of_a_file_onto_itself(storage: Run, photos: Path, tmp_path: Path) -> None:
    """A move whose source was changed while it was copied, if only by the copy, does not delete it."""
    storage("cp", str(photos / "a.jpg"), "disk:photos/a.jpg")
    file = tmp_path / "disk" / "photos" / "a.jpg"
    assert "so it was not deleted" in storage("mv", str(file), "disk:photos/a.jpg", status=1).stderr
    assert file.read_text() == "content of a.jpg"


def test_mv_force(storage: Run, photos: Path, tmp_path: Path) -> None:
    """A move to a file that exists needs --force, and leaves the source without it."""
    storage("cp", str(photos / "a.jpg"), "disk:photos/a.jpg")
    target = tmp_path / "there"
    target.write_text("before")
    assert "give --force" in storage("mv", "disk:photos/a.jpg", str(target), status=2).stderr
    assert target.read_text() == "before"
    storage("mv", "disk:photos/a.jpg", str(target), "--force")
    assert (target.read_text(), listed(storage, "disk:photos", "-r")) == ("content of a.jpg", [])


def test_resume(storage: Run, cloud: Sandbox, tmp_path: Path) -> None:
    """With --resume a copy goes on where another one ended, both ways; one of a pipe is refused."""
    film, back = tmp_path / "film", tmp_path / "back"
    film.write_bytes(os.urandom(17 * 1024 * 1024))
    key, secret, *_ = cloud.credentials
    with S3StorageDriver(key, secret, url=cloud.url) as driver:
        container = driver.create_container("films")
        with pytest.raises(ZeroDivisionError):
            container.upload_object(str(film), "film", resume=True, progress=lambda _: 1 // 0)
        start = len(cloud.requests)
        storage("cp", "--resume", str(film), "cloud:films/film")
        sent = [one for one in cloud.requests[start:] if "partNumber" in one.query]
        assert len(sent) < 4
        obj = driver.get_object("films", "film")
        with pytest.raises(ZeroDivisionError):
            obj.download(str(back), resume=True, progress=lambda _: 1 // 0)
    storage("cp", "--resume", "cloud:films/film", str(back))
    assert back.read_bytes() == film.read_bytes()
    names = [one.name for one in tmp_path.iterdir() if "film" in one.name or "back" in one.name]
    assert sorted(names) == ["back", "film"]
    for pair in (("-", "cloud:films/film"), ("cloud:films/film", "-"), ("cloud:films/film", "disk:photos/a")):
        refused = storage("cp", "--resume", *pair, status=2)
        assert "--resume is for copies of a file to an object" in refused.stderr


def test_no_place_for_plans(storage: Run, both: dict[str, str], photos: Path) -> None:
    """A sync whose plan can be kept nowhere is refused with the way out."""
    both["XDG_STATE_HOME"] = str(photos / "a.jpg")
    done = storage("sync", str(photos), "disk:photos", status=2)
    assert "a.jpg/polycloud/sync of plans cannot be made (Not a directory); set XDG_STATE_HOME" in done.stderr


def test_existing_files(storage: Run, photos: Path) -> None:
    """A file that exists is replaced with --force only, which the error says."""
    storage("cp", str(photos / "a.jpg"), "disk:photos")
    done = storage("cp", "disk:photos/a.jpg", str(photos), status=2)
    assert "a.jpg exists; give --force to replace it" in done.stderr
    storage("cp", "--force", "disk:photos/a.jpg", str(photos))


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("ls", "here"), 2, "must begin with a profile"),
        (("cat", "disk:photos"), 2, "must be an object"),
        (("cat", "disk:photos/none"), 3, "the object does not exist"),
        (("ls", "disk:/x"), 2, "must name a container"),
        (("presign", "disk:photos/a"), 1, "does not offer presigned URLs"),
        (("sync", "/none/here", "disk:photos"), 2, "there is no folder"),
        (("sync", "", "disk:photos"), 2, "must not be empty"),
        (("sync", "disk:photos", "", "--delete"), 2, "must not be empty"),
        (("cp", "~nobody-of-this-name/a", "disk:photos"), 2, "is not a path"),
        (("cp", "-r", "--content-type", "text/html", ".", "disk:photos"), 2, "is for one object"),
        (("mv", "-", "disk:photos/a"), 2, "mv is for objects and files"),
    ],
)
def test_bad_input(storage: Run, arguments: tuple[str, ...], status: int, message: str) -> None:
    """What cannot be done ends with one line that says why, and the status of its kind."""
    done = storage(*arguments, status=status)
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_presigned(storage: Run) -> None:
    """`presign` prints a URL with a signature."""
    url = storage("presign", "cloud:photos/a b.jpg", "--expires", "60").stdout
    assert "/photos/a%20b.jpg?" in url
    assert "X-Amz-Expires=60" in url
    assert "X-Amz-Signature=" in url


HOSTILE = (
    "../../out",
    "/out",
    "a/../../out",
    "x/..",
    "a\\..\\out",
    "e\x1b]0;x\x07\x9b2J",
    "b\u202et",
    "n\nl",
    "-rf",
    "=1+1",
)
"""Names that lead out of a folder, that a terminal would execute or hide, an option, and a formula."""


def test_hostile_names(storage: Run, cloud: Sandbox, tmp_path: Path) -> None:
    """No object's name controls a terminal, becomes a formula or leads out of the folder of a copy."""
    with S3StorageDriver(*cloud.credentials[:2], url=cloud.url) as driver:
        box = driver.create_container("box")
        for name in HOSTILE:
            driver.upload_object_via_stream(iter([b"x"]), box, name)
    assert listed(storage, "cloud:box", "-r") == sorted(HOSTILE)
    for command in (["ls", "-r"], ["ls", "-r", "--json"], ["du"], ["rm", "-r", "--dry-run"]):
        shown = storage(*command, "cloud:box").stdout
        assert shown.replace("\n", "").isprintable()
    assert "\n'=1+1," in storage("ls", "-r", "--csv-safe", "cloud:box").stdout
    inside = tmp_path / "in" / "side"
    inside.mkdir(parents=True)
    assert "4 failed" in storage("cp", "-r", "cloud:box", str(inside), status=1).stderr
    for name in HOSTILE[:5]:
        storage("cp", "--force", f"cloud:box/{name}", str(inside), status=2 * (name in HOSTILE[3:5]))
    here = [file.relative_to(inside) for file in inside.rglob("*") if ".polycloud" not in file.parts]
    assert {*map(str, here)} == {*HOSTILE[4:], "out"}
    assert [*tmp_path.rglob("out")] == [inside / "out"]

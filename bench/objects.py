"""One measurement of object storage in a process of its own; prints one line of JSON.

    python bench/objects.py polycloud|libcloud|boto3|obstore puts|gets|list|up|down|puts32|gets32 HOST PORT

Each client does it as its documentation shows. CPU is that of the process, in all its threads; `growth` is by
how much the most memory that it had at a time grew in the transfer.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from measure import timed, timed_on_loop
from objectserver import BUCKET, KEYS, KILOBYTE, LARGE, SIZE

CREDENTIALS = ("AKIASANDBOXSANDBOX00", "s3_sandbox")
NUMBER = 1000
AT_ONCE = 32
NAMES = [f"small-{number}" for number in range(NUMBER)]


class Libcloud:
    """apache-libcloud's S3 driver, and ours: what both have in common is done with the same words."""

    library = "libcloud"

    def __init__(self, host: str, port: str) -> None:
        self._where = host, int(port)
        self.driver = self._connect()
        self.bucket = self.driver.get_container(BUCKET)
        self._listed = {one.name: one for one in self.driver.list_container_objects(self.bucket, prefix="s")}

    def _connect(self) -> Any:
        from importlib import import_module

        kind = import_module(f"{self.library}.storage.providers").get_driver("s3")
        host, port = self._where
        return kind(*CREDENTIALS, host=host, port=port, secure=False)

    def put(self, name: str) -> None:
        self.driver.upload_object_via_stream(iter([KILOBYTE]), self.bucket, name)

    def get(self, name: str) -> bytes:
        return b"".join(self.driver.download_object_as_stream(self._listed[name]))

    def count(self) -> int:
        return sum(1 for _ in self.bucket.iterate_objects(prefix="k"))

    def up(self, path: Path) -> None:
        self.driver.upload_object(str(path), self.bucket, LARGE)

    def down(self, path: Path) -> None:
        self.driver.download_object(self.driver.get_object(BUCKET, LARGE), str(path), overwrite_existing=True)

    def many(self, do: str) -> dict[str, float]:
        """A driver for each of 32 threads: one is not safe on several."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            clients = list(pool.map(lambda _: type(self)(*map(str, self._where)), range(AT_ONCE)))

            def run(number: int) -> None:
                for name in NAMES[number::AT_ONCE]:
                    getattr(clients[number], do)(name)

            list(pool.map(run, range(AT_ONCE)))
            return timed(lambda: list(pool.map(run, range(AT_ONCE))), NUMBER)


class Polycloud(Libcloud):
    """Ours."""

    library = "polycloud"

    def many(self, do: str) -> dict[str, float]:
        """On an event loop."""
        from polycloud import aio

        async def main() -> dict[str, float]:
            host, port = self._where
            async with aio.connect(
                "s3", *CREDENTIALS, service="storage", host=host, port=port, secure=False
            ) as cloud:

                async def get(name: str) -> None:
                    stream = cloud.download_object_as_stream(self._listed[name])
                    assert b"".join([piece async for piece in stream]) == KILOBYTE

                async def put(name: str) -> None:
                    await cloud.upload_object_via_stream(KILOBYTE, self.bucket, name)

                return await _at_once({"put": put, "get": get}[do])

        return asyncio.run(main())


class Boto3:
    """Amazon's SDK."""

    def __init__(self, host: str, port: str) -> None:
        import boto3  # type: ignore[import-untyped]
        from botocore.config import Config  # type: ignore[import-untyped]

        key, secret = CREDENTIALS
        self.client = boto3.client(
            "s3",
            endpoint_url=f"http://{host}:{port}",
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}, max_pool_connections=AT_ONCE),
        )

    def put(self, name: str) -> None:
        self.client.put_object(Bucket=BUCKET, Key=name, Body=KILOBYTE)

    def get(self, name: str) -> bytes:
        content: bytes = self.client.get_object(Bucket=BUCKET, Key=name)["Body"].read()
        return content

    def count(self) -> int:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix="k")
        return sum(len(page["Contents"]) for page in pages)

    def up(self, path: Path) -> None:
        self.client.upload_file(str(path), BUCKET, LARGE)

    def down(self, path: Path) -> None:
        self.client.download_file(BUCKET, LARGE, str(path))

    def many(self, do: str) -> dict[str, float]:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(getattr(self, do), NAMES[: 3 * AT_ONCE]))
            return timed(lambda: list(pool.map(getattr(self, do), NAMES)), NUMBER)


class Obstore:
    """The object store of Rust."""

    def __init__(self, host: str, port: str) -> None:
        from obstore.store import S3Store  # type: ignore[import-not-found,unused-ignore]

        key, secret = CREDENTIALS
        self.store = S3Store(
            BUCKET,
            endpoint=f"http://{host}:{port}",
            access_key_id=key,
            secret_access_key=secret,
            region="us-east-1",
            client_options={"allow_http": True},
        )

    def put(self, name: str) -> None:
        import obstore  # type: ignore[import-not-found,unused-ignore]

        obstore.put(self.store, name, KILOBYTE)

    def get(self, name: str) -> bytes:
        import obstore  # type: ignore[import-not-found,unused-ignore]

        return bytes(obstore.get(self.store, name).bytes())

    def count(self) -> int:
        import obstore  # type: ignore[import-not-found,unused-ignore]

        return sum(map(len, obstore.list(self.store, prefix="", chunk_size=1000))) - len(NAMES) - 1

    def up(self, path: Path) -> None:
        import obstore  # type: ignore[import-not-found,unused-ignore]

        obstore.put(self.store, LARGE, path)

    def down(self, path: Path) -> None:
        import obstore  # type: ignore[import-not-found,unused-ignore]

        with path.open("wb") as file:
            for piece in obstore.get(self.store, LARGE):
                file.write(piece)

    def many(self, do: str) -> dict[str, float]:
        import obstore  # type: ignore[import-not-found,unused-ignore]

        async def get(name: str) -> None:
            await (await obstore.get_async(self.store, name)).bytes_async()

        async def put(name: str) -> None:
            await obstore.put_async(self.store, name, KILOBYTE)

        return asyncio.run(_at_once({"put": put, "get": get}[do]))


async def _at_once(do: Callable[[str], Any]) -> dict[str, float]:
    """Do it with all names, 32 at a time."""

    async def some(names: Iterator[str]) -> None:
        for name in names:
            await do(name)

    async def run(number: int) -> None:
        names = iter(NAMES[:number])
        await asyncio.gather(*(some(names) for _ in range(AT_ONCE)))

    await run(3 * AT_ONCE)
    return await timed_on_loop(run, NUMBER)


def small(client: Any, do: str) -> dict[str, float]:
    """One after another."""
    act = getattr(client, do)
    for name in NAMES[:20]:
        act(name)
    return timed(lambda: [act(name) for name in NAMES], NUMBER)


def large(client: Any, do: str) -> dict[str, float]:
    """One transfer of 256 MB, after small ones."""
    client.put("small-0")
    client.get("small-0")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file")
        with path.open("wb") as file:
            file.truncate(SIZE if do == "up" else 0)
        before = _most_memory()
        figures = timed(lambda: getattr(client, do)(path), 1)
        assert path.stat().st_size == SIZE
        # Less than a tenth of a megabyte cannot be told from the program's own
        return {**figures, "growth_mb": max(0.1, (_most_memory() - before) / 1e6)}


def listed(client: Any) -> dict[str, float]:
    """All keys."""
    return timed(lambda: _require(client.count()), KEYS)


def _require(count: int) -> None:
    assert count == KEYS, count


def _most_memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


CLIENTS = {"polycloud": Polycloud, "libcloud": Libcloud, "boto3": Boto3, "obstore": Obstore}
TASKS: dict[str, Callable[[Any], dict[str, float]]] = {
    "puts": lambda client: small(client, "put"),
    "gets": lambda client: small(client, "get"),
    "puts32": lambda client: client.many("put"),
    "gets32": lambda client: client.many("get"),
    "list": listed,
    "up": lambda client: large(client, "up"),
    "down": lambda client: large(client, "down"),
}

if __name__ == "__main__":
    print(json.dumps(TASKS[sys.argv[2]](CLIENTS[sys.argv[1]](*sys.argv[3:]))))  # noqa: T201

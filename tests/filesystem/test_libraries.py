"""Libraries on the filesystem. `make interop` installs those that `make test` does without."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

import pytest

from polycloud.filesystem import PolycloudFileSystem

ALL = "POLYCLOUD_INTEROP" in os.environ
"""Whether a library that is not installed is an error."""


def library(name: str) -> Any:
    """Return a module; without it, the test is skipped."""
    return importlib.import_module(name) if ALL else pytest.importorskip(name)


def test_dask(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dask reads and writes objects by address, in other processes too."""
    monkeypatch.setenv("PYTHONHASHSEED", "0")  # else Dask sets it
    dask = library("dask")
    bags = library("dask.bag")
    lines = [f"{number}\n" for number in range(1000)]
    (disk / "photos/numbers.txt").write_text("".join(lines))
    bag = bags.read_text("polycloud://disk/photos/*.txt", blocksize=1000)
    assert bag.npartitions > 1
    numbers = bag.map(int).map(lambda number: str(2 * number))
    with dask.config.set(scheduler="processes", num_workers=1):
        written = numbers.to_textfiles("polycloud://disk/photos/doubled/*.gz")
    assert all(path.startswith("disk/photos/doubled/") for path in written)
    read = bags.read_text("polycloud://disk/photos/doubled/*.gz").compute(scheduler="threads")
    assert [int(line) for line in read] == [2 * number for number in range(1000)]


def test_pyarrow(s3fs: PolycloudFileSystem) -> None:
    """PyArrow writes a set of Parquet files, and reads of them what is asked for."""
    pyarrow, dataset, parquet = map(library, ("pyarrow", "pyarrow.dataset", "pyarrow.parquet"))
    table = pyarrow.table({"year": [2025, 2026, 2026], "value": [1.5, 2.5, 3.5]})
    by_year = dataset.partitioning(pyarrow.schema([("year", pyarrow.int64())]), flavor="hive")
    dataset.write_dataset(table, "bucket/table", format="parquet", partitioning=by_year, filesystem=s3fs)
    assert s3fs.ls("bucket/table", detail=False) == ["bucket/table/year=2025", "bucket/table/year=2026"]
    found = dataset.dataset("bucket/table", partitioning=by_year, filesystem=s3fs)
    assert found.to_table(filter=dataset.field("year") == 2026)["value"].to_pylist() == [2.5, 3.5]
    parquet.write_table(table, "bucket/one.parquet", filesystem=s3fs)
    assert parquet.read_table("bucket/one.parquet", filesystem=s3fs).equals(table)


def test_pandas(disk: Path) -> None:
    """Pandas reads and writes CSV and Parquet by address."""
    pandas = library("pandas")
    library("pyarrow")
    frame = pandas.DataFrame({"name": ["a", "é"], "size": [1, 2]})
    for name in ("table.csv", "table.csv.gz"):
        frame.to_csv(f"polycloud://disk/photos/{name}", index=False)
        assert pandas.read_csv(f"polycloud://disk/photos/{name}").equals(frame)
    frame.to_parquet("polycloud://photos/table.parquet", storage_options={"profile": "disk"})
    found = pandas.read_parquet("polycloud://photos/table.parquet", storage_options={"profile": "disk"})
    assert found.equals(frame)


def test_zarr(s3fs: PolycloudFileSystem, disk: Path) -> None:
    """Zarr keeps an array of chunks, by address and on a filesystem."""
    zarr = library("zarr")
    array = zarr.create_array("polycloud://disk/photos/array", shape=(100, 100), chunks=(10, 100), dtype="i4")
    array[:] = 7
    array[5] = range(100)
    found = zarr.open_array("polycloud://disk/photos/array", mode="r")
    assert (found[4, 4], found[5, 4], found[:].sum()) == (7, 4, 99 * 700 + 4950)
    store = zarr.storage.FsspecStore.from_mapper(s3fs.get_mapper("bucket/group"))
    group = zarr.create_group(store)
    group.create_array("a", shape=(10,), chunks=(5,), dtype="f8")[:] = 1.5
    assert zarr.open_group(store, mode="r")["a"][:].tolist() == [1.5] * 10
    assert "bucket/group/zarr.json" in s3fs.find("bucket")


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # of pandas, to Dask
def test_dask_dataframe(disk: Path) -> None:
    """Dask's tables are written as Parquet and read by address."""
    pandas, dataframe = library("pandas"), library("dask.dataframe")
    library("pyarrow")
    frame = dataframe.from_pandas(pandas.DataFrame({"a": range(10)}), npartitions=2)
    frame.to_parquet("polycloud://disk/photos/table")
    found = dataframe.read_parquet("polycloud://disk/photos/table")
    assert found["a"].sum().compute(scheduler="threads") == 45

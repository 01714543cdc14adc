"""A list of the records of a zone of Route 53, with polycloud or with its peer; prints one line of JSON.

    python bench/route53.py list|memory NUMBER HOST PORT

Measured as `measure.py` measures the lists of nodes.
"""

from __future__ import annotations

import gc
import json
import sys
import tracemalloc
from typing import Any

from measure import connect, timed


def main(what: str, number: str, *where: str) -> dict[str, float]:
    """CPU and wall time of a list of `number` records, or the memory that it keeps.

    The driver has listed before.
    """
    driver = connect("route53", *where, service="dns")
    (zone,) = driver.list_zones()

    def list_() -> list[Any]:
        records: list[Any] = driver.list_records(zone)
        assert len(records) == int(number)
        return records

    list_()
    if what == "list":
        return timed(list_, int(number))
    gc.collect()
    tracemalloc.start()
    records = list_()
    gc.collect()
    return {"bytes": tracemalloc.get_traced_memory()[0] / len(records)}


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))  # noqa: T201

"""What moto's process runs: `program.py`, with each of botocore's documents read once.

moto asks for the lists of regions and the model of EC2 again and again while it is imported, each time by a
session of its own, and a third of the start went to parsing the same documents. No module imports this one.
"""

from __future__ import annotations

import runpy
from functools import cache
from pathlib import Path

from botocore.loaders import JSONFileLoader, Loader  # type: ignore[import-untyped]

if __name__ == "__main__":
    reader = JSONFileLoader()
    reader.load_file = cache(reader.load_file)
    Loader.FILE_LOADER_CLASS = staticmethod(lambda: reader)
    runpy.run_path(str(Path(__file__).with_name("program.py")), run_name="__main__")

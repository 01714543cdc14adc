"""What moto's process runs: `program.py`, with what moto looks up again and again looked up once.

moto asks for the lists of regions and the model of EC2 many times while it is imported, each time by a
session of its own, and a third of the start went to parsing the same documents of botocore. For each request
it lists the methods of a class, which takes half a millisecond for EC2. All that is imported stays: a fifth
of the start went to looking for garbage. No module imports this one.
"""

from __future__ import annotations

import gc
import runpy
from functools import cache
from pathlib import Path

from botocore.loaders import JSONFileLoader, Loader  # type: ignore[import-untyped]

if __name__ == "__main__":
    gc.disable()  # until the program is ready
    reader = JSONFileLoader()
    reader.load_file = cache(reader.load_file)
    Loader.FILE_LOADER_CLASS = staticmethod(lambda: reader)
    # Imports the documents, so comes after the reader.
    from moto.core import responses

    responses.method_names_from_class = cache(responses.method_names_from_class)  # type: ignore[attr-defined]
    runpy.run_path(str(Path(__file__).with_name("program.py")), run_name="__main__")

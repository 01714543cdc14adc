"""The CPU time of importing a library and getting a driver's class; prints one line of JSON.

    python bench/importing.py polycloud|libcloud

Imports nothing that the library would otherwise have to import itself.
"""

import sys
import time

if __name__ == "__main__":
    began = time.process_time()
    __import__(f"{sys.argv[1]}.compute.providers", fromlist=["get_driver"]).get_driver("digitalocean")
    print(f'{{"cpu_ms": {(time.process_time() - began) * 1e3}}}')  # noqa: T201

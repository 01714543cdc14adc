from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import urllib3

PAGE = Path(__file__).parents[2] / "docs" / "async.md"
BLOCK = re.compile(r"^```python\n((?:(?!^```$).)*?^app = Starlette.*?)^```$", re.MULTILINE | re.DOTALL)
PORT = re.compile(r"running on http://127\.0\.0\.1:(\d+)")


def test_the_pages_web_application(tmp_path: Path) -> None:
    """The page's web application lists the nodes of two clouds, to many at a time, and ends quietly."""
    (block,) = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    (tmp_path / "app.py").write_text(block, encoding="utf-8")
    command = [sys.executable, "-W", "error", "-m", "uvicorn", "app:app", "--port", "0"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        log = ""
        try:
            while not (found := PORT.search(log)):
                line = server.stderr.readline()
                assert line, log
                log += line
            with urllib3.PoolManager(maxsize=10, timeout=30) as web, ThreadPoolExecutor(10) as threads:
                url = f"http://127.0.0.1:{found[1]}/nodes"
                responses = list(threads.map(lambda _: web.request("GET", url).data, range(50)))
        finally:
            server.send_signal(signal.SIGINT)
            log += server.communicate(timeout=60)[1]
    (response,) = {json.dumps(json.loads(response)) for response in responses}
    assert json.loads(response) == {"shop": ["seed-00001", "seed-00002"], "office": ["seed-1"]}
    assert "Application shutdown complete" in log
    assert not re.search("unclosed|error|warning|traceback", log, re.IGNORECASE), log

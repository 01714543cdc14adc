from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from support.forked import ANEW, Forker

PAGES = Path(__file__).parents[1] / "docs"
BRIDGED = """\
SJC-1 polycloud.compute.objects
RIC-1 polycloud.compute.objects
SJC-2 polycloud.compute.objects
True False
"""
PRINTED = {
    "async.md": [
        "web-0 running 1\nweb-1 running 1\nweb-2 running 1\n[True, True, True]\n",
        "['seed']\n3\nTrue\n",
        "seed-00012 2 requests\n",
        "the create of the droplet 'web' was sent\nweb 1\n",
        "number 0\nnumber 1\nnumber 2\n",
        "",  # tests/aio/test_web_application.py serves it
    ],
    "bridge.md": [BRIDGED],
    "deploy.md": [
        "web running 0 hello, world\n",
        "stdout: workers = 4\nstderr: no space left\nweb 28 no space left\n",
    ],
    "loadbalancer.md": [
        ("web running 192.0.2.1 80\n10.0.0.1 8080 up\n10.0.0.2 8080 up\n10.0.0.3 8080 up\nround_robin 2\n"),
        "['10.0.1.1', '10.0.1.2']\n",
        (
            "web1 taking out\nweb1 changing\nweb1 putting back\nweb1 done\n"
            "web2 taking out\nweb2 changing\nweb2 putting back\nweb2 done\n2\n"
        ),
        "True False\n",
        "running web-1.us-east-1.elb.amazonaws.com up 8080\n",
        "running up 2\n",
        "pending None\nrunning 80 8080 True\n",
        "3\n",
    ],
    "dns.md": [
        (
            "['203.0.113.7', '203.0.113.8']\n$ORIGIN example.com.\n$TTL 300\n@ IN MX 10 mail.example.com.\n"
            '@ IN TXT "v=spf1 include:\\"example.net\\" -all"\nwww IN A 203.0.113.7\nwww IN A 203.0.113.8\n\n'
        ),
        (
            "line 4: MX record '@' mail.example.com {'ttl': 3600, 'priority': 10} False\n"
            "line 5: A record 'mail' 203.0.113.9 {'ttl': 3600} False\n"
            "line 6: A record 'www' 203.0.113.7 {'ttl': 300} True\n"
            "line 7: ALIAS record '@' lb.example.net {'ttl': 300} False\n"
            "$ORIGIN example.com.\n$TTL 3600\n; @ 300 IN ALIAS lb.example.net.\n"
            "@ 3600 IN MX 10 mail.example.com.\nmail 3600 IN A 203.0.113.9\n"
            "www 300 IN A 203.0.113.7 ; lenient\n\n"
            "line 3: 'www' has a record of type A on line 2, beside which no CNAME record can stand: "
            "a CNAME must be alone\n"
        ),
        (
            "line 4: MX record '@' mail.example.com {'priority': 10, 'ttl': 3600} False\n"
            "line 8: TXT record '@' v=DKIM1; k=rsa {'ttl': 60} True\n"
            "line 12: A record 'web' 203.0.113.7 {'ttl': 3600} False\n"
            "line 12: A record 'web' 203.0.113.8 {'ttl': 3600} False\n"
            "---\n'':\n- ttl: 3600\n  type: MX\n  value:\n"
            "    exchange: mail.example.com.\n    preference: 10\n"
            "- octodns:\n    lenient: true\n  ttl: 60\n  type: TXT\n  value: v=DKIM1\\; k=rsa\n"
            "web:\n  ttl: 3600\n  type: A\n  values:\n  - 203.0.113.7\n  - 203.0.113.8\n\n"
        ),
        (
            "example.com at Dummy DNS Provider: 1 to create, 1 to update, 1 to delete, 0 unchanged\n"
            '+ @    MX        300  10 mail.example.com.\n- old  TXT            "not needed"\n'
            "~ www  A         300  203.0.113.7 -> 203.0.113.8\n"
            "example.com at Dummy DNS Provider: 0 to create, 0 to update, 0 to delete, 2 unchanged\n"
        ),
        "[('www', '203.0.113.7', 300)]\n",
        "",
        "",
        "",
        "",
        (
            "ALIAS:A/::d111111abcdef8.cloudfront.net. None None\n"
            "A:new:www:203.0.113.7 60 10\nA:old:www:203.0.113.7 60 90\n"
        ),
        "",
        "",
        "",
        "",
        "",
        "",
    ],
    "filesystem.md": [
        (
            "['measurements/2026', 'measurements/notes.txt']\n"
            "['measurements/2026/05.csv', 'measurements/2026/06.csv'] 39\n"
            "day,rain\nb'0.0\\n'\n['measurements/notes.txt']\n"
        ),
        "[\n  [\n    3.5,\n    0\n  ]\n]\n",
    ],
    "fleets.md": [
        "prod 3\nold InvalidCredsError\noffice 0\n",
        "prod 3\n",
        "19 ready; web-7 exit status 28\n",
        "prod 3\n",
    ],
    "migrating.md": ["web True polycloud.compute.objects\n"],
    "reliability.md": [
        "True 3\n503 4\n",
        "not yet: web\n",
        "60 minutes; 1 request sent\n",
        "True 1\nlook for the tag\n",
    ],
    "shapes.md": [
        "['a', 'b']\nwrong signature\n",
        (
            "[Server(id='7', name='web', running=True, memory_mb=512, disks=[Disk(size=20)])]\nno such path\n"
            "the response is not as documented: Object missing required field `servers`\n"
        ),
        (
            "8 pages, 1 login\n['a', 'b'] 3 logins\n"
            "the login failed: wrong password (127.0.0.1: POST /login, HTTP 401)\n"
        ),
        (
            "{'name': 'listZones'}\nthe reboot may have happened\n"
            "['listZones', 'listZones', 'rebootVirtualMachine']\n"
        ),
        "done s7\nno capacity; while polling the job GET /jobs/j2, which POST /broken began\n",
        '{"name":"web","cpus":1,"memory":1024,"disk":20}\n{"name":"db","cpus":2,"memory":4096,"disk":40}\n',
    ],
    "storage.md": [
        (
            "['2026/a.jpg', '2026/b.jpg', 'old.jpg']\n['2026/a.jpg', '2026/b.jpg']\n"
            "5 8b04d5e3775d298e78455efc5ca404d5 image/jpeg {'owner': 'ann'}\n2\n"
        ),
        (
            "<Object: name=numbers.txt, size=3890, hash=b6f42041b389b22d1fb65ec3f1307ccd, "
            "provider=Dummy Storage Provider ...>\n18 text/html\n"
        ),
        (
            "b'The quick brown fox'\n[b'The quic', b'k brown ', b'fox']\nb'The quick brown fox'\n"
            "b'quick' b'brown fox'\nThe quick brown fox\nTrue\n"
        ),
        "4 parts, 17825792 bytes\n",
        (
            "3 copied (21 bytes, 3 verified by checksum), 0 deleted, "
            "0 unchanged (0 compared by checksum, 0 by size and time)\n"
            "delete 0.jpg gone\ncopy 1.jpg size\n"
            "1 copied (13 bytes, 1 verified by checksum), 1 deleted, "
            "1 unchanged (0 compared by checksum, 2 by size and time)\n"
        ),
        "counter was not replaced\ncounter was not replaced\nb'2'\n",
        "{'owner': 'ann', 'reviewed': 'yes'} image/jpeg None 2026-01-01 00:00:00+00:00\n",
        "3\n3\n",
        "0 True True\n6 False False\n5 False False\nb'first'\n3\n",
        "b'secret'\n",
        "200\nb'hello'\n403\n",
        "b {'owner': 'ann'} True\n",
        "".join(f"day-{number} b'entry'\n" for number in range(5)),
    ],
    "stores.md": ["12000000 None ['films', 'films_segments']\ntemp_url_sig=\n"],
}
LONG = ("LocalCluster", "for n in range(20)")
"""What is in examples that take seconds of a processor."""
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def examples() -> list[Any]:
    return [
        pytest.param(
            page, block, printed, marks=[pytest.mark.campaign] if any(each in block for each in LONG) else []
        )
        for page, outputs in PRINTED.items()
        for block, printed in zip(
            BLOCK.findall((PAGES / page).read_text(encoding="utf-8")), outputs, strict=True
        )
    ]


@pytest.mark.parametrize(("page", "block", "printed"), examples())
def test_examples_run(forker: Forker, page: str, block: str, printed: str) -> None:
    """Each Python block of a page runs as it is and prints what it promises."""
    calm = {**os.environ, "DASK_LOGGING__DISTRIBUTED": "error"}  # Dask warns of a busy machine
    done = forker.run([], calm, "", 100, f"{ANEW}{block}")
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(done.stdout.splitlines()) == sorted(printed.splitlines())

from __future__ import annotations

from hypothesis import example, given

from polycloud.loadbalancer.base import LoadBalancer, Member
from polycloud.loadbalancer.drivers.haproxy import servers
from polycloud.loadbalancer.drivers.haproxy.runtime import result
from polycloud.loadbalancer.types import State
from support.fuzz import look_at, outcome, scrambled

WEB = LoadBalancer("web", "web", State.RUNNING, None, None, None)  # type: ignore[arg-type] # no driver
STATISTICS = b"""
# pxname,svname,qcur,scur,status,weight,uweight,type,check_status,addr,mode,algo
web,one,0,3,UP 1/2,1,30,2,L4OK,127.0.0.1:80,http,
web,two,,,DRAIN,,,2,,[::1]:65535,"tcp",
web,BACKEND,0,0,DOWN,0,0,1,,,http,random(2)
"""
STATE = b"""
1
# be_name srv_name srv_addr srv_port srv_admin_state srv_check_state
web one 127.0.0.1 80 0 6
web two - 0 5 0
"""
MESSAGE = b"\n[3]: No such server.\n"


def members(text: str) -> list[Member]:
    return [servers.to_member(row, WEB) for row in servers.rows(result(text))]


@given(scrambled(STATISTICS, STATE, MESSAGE))
@example(b"\n")
@example(STATISTICS.replace(b"0,3,UP", b"0," + b"9" * 5000 + b",UP"))
@example(STATISTICS.replace(b'"tcp"', b'"tcp'))
@example(STATISTICS.replace(b",http,\n", b",http,,,\n"))
@example(STATISTICS.replace(b"127.0.0.1:80", b"127.0.0.1:" + b"9" * 5000))
@example(STATISTICS.replace(b"http", b"x" * 200_000))
def test_responses(data: bytes) -> None:
    """Any text is statistics, the state of servers or a refusal, or an error of ours."""
    text = data.decode(errors="replace")
    found = outcome(lambda: members(text))
    if isinstance(found, list):
        look_at(found)
    outcome(lambda: servers.servers(result(text)))
    outcome(lambda: servers.version(result(text)))

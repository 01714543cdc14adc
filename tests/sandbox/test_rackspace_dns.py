"""Cloud DNS of the sandbox's Rackspace, by the requests of its documentation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import urllib3

from polycloud.sandbox import Sandbox

EMAIL = "sample@rackspace.com"
KEY = {"username": "sandbox", "apiKey": "a0b1c2d3e4f5rackspacesandbox"}
NS = ("dns1.stabletransit.com", "dns2.stabletransit.com")
EXAMPLE: dict[str, Any] = {
    "name": "example.com",
    "comment": "Optional domain comment...",
    "recordsList": {
        "records": [
            {"name": "ftp.example.com", "type": "A", "data": "192.0.2.8", "ttl": 5771},
            {"name": "example.com", "type": "NS", "data": NS[0], "ttl": 3600},
            {"name": "example.com", "type": "NS", "data": NS[1], "ttl": 3600},
            {"name": "example.com", "priority": 5, "type": "MX", "data": "mail.example.com", "ttl": 3600},
            {"name": "www.example.com", "type": "CNAME", "comment": "A comment", "data": "example.com"},
        ]
    },
    "subdomains": {"domains": [{"name": "sub1.example.com", "emailAddress": EMAIL, "ttl": 900}]},
    "ttl": 1800,
    "emailAddress": EMAIL,
}
A = {"name": "a.example.com", "type": "A", "data": "192.0.2.1"}


class Client:
    """Speaks to a sandbox whose time stands still until `later`."""

    def __init__(self, cloud: Sandbox, pool: urllib3.PoolManager, now: list[float]) -> None:
        self.cloud, self._pool, self._now = cloud, pool, now
        auth = {"auth": {"RAX-KSKEY:apiKeyCredentials": KEY}}
        access = pool.request("POST", f"{cloud.url}/identity/v2.0/tokens", json=auth).json()["access"]
        self.token: str = access["token"]["id"]
        (service,) = [one for one in access["serviceCatalog"] if one["type"] == "rax:dns"]
        (endpoint,) = service["endpoints"]
        self.url: str = endpoint["publicURL"]

    def later(self, seconds: float) -> None:
        """Let time pass in the cloud."""
        self._now[0] += seconds

    def send(self, method: str, path: str, body: object = None) -> urllib3.BaseHTTPResponse:
        """Send a request, with a path below the account or a whole URL, and a JSON body."""
        url = path if path.startswith("http") else f"{self.url}{path}"
        data = body if isinstance(body, bytes | None) else json.dumps(body)
        return self._pool.request(method, url, body=data, headers={"X-Auth-Token": self.token})

    def get(self, path: str) -> Any:
        """Send a GET that succeeds; return its body."""
        response = self.send("GET", path)
        assert response.status == 200, response.data
        return response.json()

    def begin(self, method: str, path: str, body: object = None) -> str:
        """Send a change that is accepted; return the URL of its job."""
        response = self.send(method, path, body)
        assert (response.status, response.json()["status"]) == (202, "RUNNING"), response.data
        url: str = response.json()["callbackUrl"]
        return url

    def job(self, method: str, path: str, body: object = None) -> Any:
        """Send a change and wait until it has ended; return its job."""
        url = self.begin(method, path, body)
        self.later(0.2)
        return self.get(f"{url}?showDetails=true")

    def act(self, method: str, path: str, body: object = None) -> Any:
        """Send a change that is carried out; return its response."""
        job = self.job(method, path, body)
        assert job["status"] == "COMPLETED", job
        return job.get("response")

    def failed(self, method: str, path: str, body: object = None) -> Any:
        """Send a change that is accepted and fails; return the fault."""
        job = self.job(method, path, body)
        assert (job["status"], "response" in job) == ("ERROR", False)
        return job["error"]

    def refused(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Send a request that is refused; return the status and the fault."""
        response = self.send(method, path, body)
        assert response.json()["code"] == response.status
        return response.status, response.json()

    def domain(self, **fields: Any) -> Any:
        """Create a domain."""
        order = {"name": "example.com", "emailAddress": EMAIL, **fields}
        return self.act("POST", "/domains", {"domains": [order]})["domains"][0]

    def add(self, domain: Any, *records: dict[str, Any]) -> Any:
        """Add records to a domain."""
        path = f"/domains/{domain['id']}/records"
        return self.act("POST", path, {"records": [*records]})["records"]


@contextmanager
def running(**settings: Any) -> Iterator[Client]:
    """A Rackspace with these settings."""
    now = [1000.0]
    with (
        Sandbox("rackspace", ssh="off", clock=lambda: now[0], **settings) as cloud,
        urllib3.PoolManager(retries=False, timeout=10) as pool,
    ):
        yield Client(cloud, pool, now)


@pytest.fixture
def dns() -> Iterator[Client]:
    """A Rackspace without domains."""
    with running() as client:
        yield client


# Jobs


def test_a_job(dns: Client) -> None:
    """A change is accepted, runs for a while, and can be read with or without its details."""
    body = {"domains": [{"name": "example.com", "emailAddress": EMAIL}]}
    accepted = dns.send("POST", "/domains", body)
    assert (accepted.status, accepted.headers["X-API-VERSION"]) == (202, "1.0.17")
    job = accepted.json()
    assert job == {
        "jobId": job["jobId"],
        "status": "RUNNING",
        "callbackUrl": f"{dns.url}/status/{job['jobId']}",
        "requestUrl": f"{dns.url}/domains",
        "verb": "POST",
        "request": json.dumps(body),
    }
    running = dns.send("GET", job["callbackUrl"])
    assert (running.status, running.json()["status"]) == (202, "RUNNING")
    assert dns.get("/domains")["totalEntries"] == 0
    dns.later(0.2)
    assert dns.get(job["callbackUrl"]) == {name: job[name] for name in ("jobId", "callbackUrl")} | {
        "status": "COMPLETED"
    }
    ended = dns.get(f"{job['callbackUrl']}?showDetails=true")
    assert ended.pop("response")["domains"][0]["name"] == "example.com"
    assert ended == {**job, "status": "COMPLETED"}


def test_a_job_that_fails(dns: Client) -> None:
    """A job that fails has the status ERROR, and its fault is among its details."""
    dns.domain()
    url = dns.begin("POST", "/domains", {"domains": [{"name": "example.com", "emailAddress": EMAIL}]})
    dns.later(0.2)
    assert dns.get(url)["status"] == "ERROR"
    assert dns.get(f"{url}?showDetails=true")["error"] == {
        "message": "The object already exists.",
        "code": 409,
        "details": "Domain already exists",
    }


def test_a_job_is_made_to_fail() -> None:
    """A kind of job that is to fail does nothing and tells of a fault of the service."""
    with running(errored="create_records") as dns:
        domain = dns.domain()
        assert dns.failed("POST", f"/domains/{domain['id']}/records", {"records": [A]})["code"] == 500
        assert dns.get(f"/domains/{domain['id']}/records")["totalEntries"] == len(NS)


def test_the_list_of_jobs(dns: Client) -> None:
    """Jobs are listed with the failed ones first and the completed ones last, and can be filtered."""
    dns.domain()
    dns.failed("POST", "/domains", {"domains": [{"name": "example.com", "emailAddress": EMAIL}]})
    dns.begin("POST", "/domains", {"domains": [{"name": "example.org", "emailAddress": EMAIL}]})
    listed = dns.get("/status")
    assert listed["totalEntries"] == 3
    assert [job["status"] for job in listed["asyncResponses"]] == ["ERROR", "RUNNING", "COMPLETED"]
    assert "verb" not in listed["asyncResponses"][0]
    query = "showErrors=false&showRunning=false&showDetails=true"
    (done,) = dns.get(f"/status?{query}")["asyncResponses"]
    assert (done["status"], done["verb"]) == ("COMPLETED", "POST")


def test_jobs_are_kept_for_a_day() -> None:
    """A job is unknown after a day, as is one that never was."""
    with running(token_lifetime=1e6) as dns:
        url = dns.begin("POST", "/domains", {"domains": [{"name": "example.com", "emailAddress": EMAIL}]})
        dns.later(24 * 3600 - 1)
        assert dns.get(url)["status"] == "COMPLETED"
        dns.later(1)
        for path in (url, f"{dns.url}/status/x"):
            assert dns.refused("GET", path)[0] == 404


def test_jobs_that_take_no_time() -> None:
    """Without a duration a change has been made when it is accepted, and is said to run."""
    with running(dns_job=0) as dns:
        url = dns.begin("POST", "/domains", {"domains": [{"name": "example.com", "emailAddress": EMAIL}]})
        assert dns.get(url)["status"] == "COMPLETED"


# Domains


def test_a_domain_with_all(dns: Client) -> None:
    """The documentation's create makes a domain with records and a subdomain, which are shown on demand."""
    made = dns.act("POST", "/domains", {"domains": [EXAMPLE]})
    assert [one["name"] for one in made["domains"]] == ["example.com", "sub1.example.com"]
    domain = dns.get(f"/domains/{made['domains'][0]['id']}?showRecords=true&showSubdomains=true")
    assert domain["nameservers"] == [{"name": name} for name in NS]
    assert (domain["ttl"], domain["emailAddress"], domain["accountId"]) == (1800, EMAIL, 1100111)
    assert domain["created"] == domain["updated"]
    assert domain["created"].endswith(".000+0000")
    listed = domain["recordsList"]
    assert listed["totalEntries"] == 5
    assert [(one["type"], one["data"], one["ttl"]) for one in listed["records"]] == [
        ("A", "192.0.2.8", 5771),
        ("NS", NS[0], 3600),
        ("NS", NS[1], 3600),
        ("MX", "mail.example.com", 3600),
        ("CNAME", "example.com", 1800),
    ]
    assert [one.get("priority") for one in listed["records"]] == [None, None, None, 5, None]
    assert listed["records"][-1]["comment"] == "A comment"
    assert [one["name"] for one in domain["subdomains"]["domains"]] == ["sub1.example.com"]
    plain = dns.get(f"/domains/{domain['id']}?showRecords=false&showSubdomains=false")
    assert not {"recordsList", "subdomains"} & plain.keys()
    below = dns.get(f"/domains/{domain['id']}/subdomains")
    assert [one["name"] for one in below["domains"]] == ["sub1.example.com"]


def test_a_new_domain_has_its_name_servers(dns: Client) -> None:
    """A domain without records has the two NS records of Cloud DNS and a TTL of 3600."""
    domain = dns.domain(name="Example.COM.")
    assert (domain["name"], domain["ttl"], "comment" in domain) == ("example.com", 3600, False)
    records = dns.get(f"/domains/{domain['id']}/records")["records"]
    assert [(one["type"], one["name"], one["data"], one["ttl"]) for one in records] == [
        ("NS", "example.com", server, 3600) for server in NS
    ]
    assert all(one["id"].startswith("NS-") for one in records)


@pytest.mark.parametrize(
    ("fields", "problems"),
    [
        ({"name": None}, 1),
        ({"name": "example"}, 1),
        ({"name": "a b.com"}, 1),
        ({"emailAddress": None}, 1),
        ({"emailAddress": "x"}, 1),
        ({"ttl": 299}, 1),
        ({"ttl": "3600"}, 1),
        ({"comment": "x" * 161}, 1),
        ({"recordsList": {"records": [{**A, "data": "x"}, {**A, "ttl": 1}, A]}}, 2),
        ({"subdomains": {"domains": [{"name": "sub.example.org", "emailAddress": EMAIL}]}}, 1),
        ({"subdomains": {"domains": [{"name": "sub.example.com"}]}}, 1),
    ],
)
def test_invalid_domains(dns: Client, fields: dict[str, Any], problems: int) -> None:
    """A create with invalid fields is refused at once, with a message for each of them."""
    body = {"domains": [{"name": "example.com", "emailAddress": EMAIL, **fields}]}
    status, fault = dns.refused("POST", "/domains", body)
    assert (status, fault) == (
        400,
        {"validationErrors": {"messages": fault["validationErrors"]["messages"]}, "code": 400},
    )
    assert len(fault["validationErrors"]["messages"]) == problems
    assert dns.get("/domains")["domains"] == []


def test_a_create_is_atomic(dns: Client) -> None:
    """A create of several domains of which one exists creates none."""
    dns.domain()
    orders = [{"name": name, "emailAddress": EMAIL} for name in ("example.org", "example.com")]
    assert dns.failed("POST", "/domains", {"domains": orders})["code"] == 409
    assert [one["name"] for one in dns.get("/domains")["domains"]] == ["example.com"]


def test_lists_of_domains(dns: Client) -> None:
    """Domains are listed without TTLs, are found by their name, and are searched by three letters or more."""
    orders = [{"name": name, "emailAddress": EMAIL} for name in ("example.com", "example.org", "rules.org")]
    dns.act("POST", "/domains", {"domains": orders})
    assert dns.get("/domains")["totalEntries"] == 3
    assert set(dns.get("/domains")["domains"][0]) == {
        "name",
        "id",
        "accountId",
        "emailAddress",
        "created",
        "updated",
    }
    for query, found in (
        ("?name=example.org", ["example.org"]),
        ("?name=example", []),
        ("/search?name=ample.", ["example.com", "example.org"]),
        ("/search?name=or", []),
    ):
        assert [one["name"] for one in dns.get(f"/domains{query}")["domains"]] == found


def test_pages() -> None:
    """A page has links to those beside it, no more items than permitted, and an offset of whole pages."""
    with running(dns_page=3) as dns:
        orders = [{"name": f"d{number}.example", "emailAddress": EMAIL} for number in range(7)]
        dns.act("POST", "/domains", {"domains": orders})
        page = dns.get("/domains?limit=100")
        assert (len(page["domains"]), page["totalEntries"]) == (3, 7)
        assert page["links"] == [
            {"content": "", "href": f"{dns.url}/domains?limit=3&offset=3", "rel": "next"}
        ]
        page = dns.get("/domains?limit=2&offset=4&name=")
        assert [link["rel"] for link in page["links"]] == ["previous", "next"]
        page = dns.get(page["links"][1]["href"])
        assert [one["name"] for one in page["domains"]] == ["d6.example"]
        assert [link["rel"] for link in page["links"]] == ["previous"]
        assert dns.get("/domains?offset=30")["domains"] == []
        for query in ("limit=2&offset=3", "offset=5", "limit=x"):
            assert dns.refused("GET", f"/domains?{query}")[0] == 400


def test_updates_of_domains(dns: Client) -> None:
    """The TTL, the address and the comment of one domain or several can be changed, the name cannot."""
    domain, other = dns.domain(), dns.domain(name="example.org")
    path = f"/domains/{domain['id']}"
    dns.later(60)
    assert dns.act("PUT", path, {"ttl": 900, "comment": "new"}) is None
    changed = dns.get(path)
    assert (changed["ttl"], changed["comment"], changed["emailAddress"]) == (900, "new", EMAIL)
    assert changed["updated"] > changed["created"]
    several = [{"id": domain["id"], "comment": None}, {"id": other["id"], "emailAddress": "new@example.org"}]
    dns.act("PUT", "/domains/", {"domains": several})
    assert "comment" not in dns.get(path)
    assert dns.get(f"/domains/{other['id']}")["emailAddress"] == "new@example.org"
    for body in ({"name": "example.net"}, {"ttl": 299}, {"emailAddress": "x"}, {"comment": "x" * 161}):
        assert dns.refused("PUT", path, body)[0] == 400
    assert dns.refused("PUT", "/domains", {"domains": [{"id": 1, "ttl": 900}]})[0] == 404


def test_deletes_of_domains(dns: Client) -> None:
    """A delete leaves subdomains alone unless it is told otherwise, and does what it can of several."""
    made = dns.act("POST", "/domains", {"domains": [EXAMPLE]})["domains"]
    dns.act("DELETE", f"/domains/{made[0]['id']}")
    assert [one["name"] for one in dns.get("/domains")["domains"]] == ["sub1.example.com"]
    dns.act("DELETE", f"/domains?id={made[1]['id']}")
    made = dns.act("POST", "/domains", {"domains": [EXAMPLE]})["domains"]
    fault = dns.failed("DELETE", f"/domains?id=7&id={made[0]['id']}&deleteSubdomains=true")
    assert fault == {
        "failedItems": {"faults": [{"message": "Object not Found.", "code": 404, "details": "Domain ID: 7"}]},
        "message": "One or more items could not be deleted.",
        "code": 500,
        "details": "See errors list for details.",
    }
    assert dns.get("/domains")["domains"] == []
    assert dns.refused("DELETE", f"/domains/{made[0]['id']}")[0] == 404
    assert dns.refused("DELETE", "/domains")[0] == 400


# Records


@pytest.mark.parametrize(
    ("record", "data"),
    [
        ({"type": "A", "data": "192.0.2.1"}, "192.0.2.1"),
        ({"type": "AAAA", "data": "4321:0:1:2:3:4:567:89ab"}, "4321:0:1:2:3:4:567:89ab"),
        ({"type": "cname", "data": "Host.Example.net."}, "host.example.net"),
        ({"type": "MX", "data": "mail.example.net", "priority": 0}, "mail.example.net"),
        ({"type": "NS", "data": "ns1.example.net"}, "ns1.example.net"),
        ({"type": "TXT", "data": "Some example text"}, "Some example text"),
        ({"type": "TXT", "data": '"a\\b"'}, "ab"),
        ({"type": "SRV", "data": "1 3443 sip.example.net", "priority": 30}, "1 3443 sip.example.net"),
        ({"type": "SRV", "data": "3443 sip.example.net.", "priority": 30}, "0 3443 sip.example.net"),
        ({"type": "SRV", "data": "sip.example.net", "priority": 30}, "0 0 sip.example.net"),
        ({"type": "SRV", "data": "1 2 sip.example.net 4", "priority": 30}, "1 2 sip.example.net"),
    ],
)
def test_records(dns: Client, record: dict[str, Any], data: str) -> None:
    """Records of each type are kept in one form, with the TTL of their domain unless they have one."""
    domain = dns.domain(ttl=600)
    (made,) = dns.add(domain, {"name": "_x._tcp.example.com", **record})
    assert (made["type"], made["data"], made["ttl"]) == (record["type"].upper(), data, 600)
    assert made.get("priority") == record.get("priority")
    assert made["id"].startswith(f"{made['type']}-")
    assert dns.get(f"/domains/{domain['id']}/records/{made['id']}") == made


@pytest.mark.parametrize(
    "record",
    [
        {"type": None},
        {"type": "SOA"},
        {"type": "PTR"},
        {"name": None},
        {"name": "www"},
        {"name": "www.example.org"},
        {"name": "a..example.com"},
        {"data": None},
        {"data": "2001:db8::1"},
        {"type": "AAAA"},
        {"type": "CNAME", "data": "a b"},
        {"type": "MX", "data": "mail.example.com"},
        {"type": "MX", "data": "mail.example.com", "priority": 65536},
        {"type": "SRV", "data": "x 2 sip.example.com", "priority": 1},
        {"type": "TXT", "data": '""'},
        {"priority": 1},
        {"ttl": 299},
        {"comment": "x" * 161},
        {"id": "A-1"},
    ],
)
def test_invalid_records(dns: Client, record: dict[str, Any]) -> None:
    """An invalid record is refused at once, and none of the others is added."""
    domain = dns.domain()
    path = f"/domains/{domain['id']}/records"
    status, fault = dns.refused("POST", path, {"records": [A, {**A, "data": "192.0.2.2", **record}]})
    assert (status, len(fault["validationErrors"]["messages"])) == (400, 1)
    assert dns.get(path)["totalEntries"] == len(NS)


@pytest.mark.parametrize(
    ("record", "is_refused"),
    [
        (A, True),
        ({**A, "ttl": 900}, True),
        ({**A, "data": "192.0.2.2"}, False),
        ({"name": "a.example.com", "type": "CNAME", "data": "b.example.com"}, True),
        ({"name": "b.example.com", "type": "CNAME", "data": "a.example.com"}, False),
    ],
)
def test_records_beside_each_other(dns: Client, record: dict[str, Any], is_refused: bool) -> None:
    """A duplicate, and a CNAME beside another record, are conflicts that end their jobs."""
    domain = dns.domain()
    dns.add(domain, A)
    path = f"/domains/{domain['id']}/records"
    if is_refused:
        assert dns.failed("POST", path, {"records": [record]})["code"] == 409
        assert dns.get(path)["totalEntries"] == len(NS) + 1
    else:
        dns.add(domain, record)


def test_searches_for_records(dns: Client) -> None:
    """Records are searched by their type, and then by name and data; a search without a type is refused."""
    domain = dns.domain()
    dns.add(domain, A, {**A, "data": "192.0.2.2"}, {**A, "name": "b.example.com"})
    path = f"/domains/{domain['id']}/records"
    assert dns.get(f"{path}?type=A")["totalEntries"] == 3
    assert dns.get(f"{path}?type=A&name=a.example.com")["totalEntries"] == 2
    assert dns.get(f"{path}?type=A&name=a.example.com&data=192.0.2.2")["totalEntries"] == 1
    assert dns.refused("GET", f"{path}?name=a.example.com")[0] == 400
    page = dns.get(f"{path}?type=A&limit=2")
    assert page["links"][0]["href"] == f"{dns.url}{path}?type=A&limit=2&offset=2"


def test_updates_of_records(dns: Client) -> None:
    """An update of one record or several keeps what it does not name, and all fail if one does."""
    domain = dns.domain()
    one, mail = dns.add(
        domain, A, {"name": "example.com", "type": "MX", "data": "mail.example.com", "priority": 5}
    )
    path = f"/domains/{domain['id']}/records"
    dns.later(60)
    dns.act("PUT", f"{path}/{one['id']}", {"name": "a.example.com", "data": "192.0.2.9", "comment": "c"})
    changed = dns.get(f"{path}/{one['id']}")
    assert (changed["data"], changed["comment"], changed["ttl"]) == ("192.0.2.9", "c", 3600)
    assert changed["updated"] > changed["created"]
    several = [
        {"id": one["id"], "name": "a.example.com", "ttl": 900},
        {"id": mail["id"], "priority": 7},
    ]
    dns.act("PUT", path, {"records": several})
    assert (dns.get(f"{path}/{one['id']}")["ttl"], dns.get(f"{path}/{mail['id']}")["priority"]) == (900, 7)
    dns.add(domain, {**A, "data": "192.0.2.1"})
    several = [
        {"id": mail["id"], "priority": 1},
        {"id": one["id"], "name": "a.example.com", "data": "192.0.2.1"},
    ]
    assert dns.failed("PUT", path, {"records": several})["code"] == 409
    assert dns.get(f"{path}/{mail['id']}")["priority"] == 7


@pytest.mark.parametrize(
    "change",
    [
        {"data": "192.0.2.9"},
        {"name": "b.example.com"},
        {"name": "a.example.com", "type": "TXT"},
        {"name": "a.example.com", "data": "x"},
        {"name": "a.example.com", "ttl": 299},
        {"name": "a.example.com", "priority": 1},
        {"name": "a.example.com", "comment": "x" * 161},
    ],
)
def test_invalid_updates(dns: Client, change: dict[str, Any]) -> None:
    """A record's name and type cannot be changed, and without a name the update means the domain's."""
    domain = dns.domain()
    (record,) = dns.add(domain, A)
    path = f"/domains/{domain['id']}/records/{record['id']}"
    assert dns.refused("PUT", path, change)[0] == 400
    assert dns.get(path) == record


def test_what_types_need_in_updates(dns: Client) -> None:
    """An update of a TXT record needs its data, and one of an SRV record may change its name."""
    domain = dns.domain()
    text, service = dns.add(
        domain,
        {"name": "example.com", "type": "TXT", "data": "a"},
        {"name": "_sip._tcp.example.com", "type": "SRV", "data": "1 2 sip.example.com", "priority": 3},
    )
    path = f"/domains/{domain['id']}/records"
    assert dns.refused("PUT", f"{path}/{text['id']}", {"ttl": 900})[0] == 400
    dns.act("PUT", f"{path}/{text['id']}", {"ttl": 900, "data": "a"})
    dns.act("PUT", f"{path}/{service['id']}", {"name": "_sips._tcp.example.com"})
    assert dns.get(f"{path}/{service['id']}")["name"] == "_sips._tcp.example.com"


def test_deletes_of_records(dns: Client) -> None:
    """A delete of several records deletes those that exist and names the others."""
    domain = dns.domain()
    one, two = dns.add(domain, A, {**A, "data": "192.0.2.2"})
    path = f"/domains/{domain['id']}/records"
    fault = dns.failed("DELETE", f"{path}/?id={one['id']}&id=111111111&id={two['id']}")
    assert fault["failedItems"]["faults"] == [
        {
            "message": "Object not Found.",
            "code": 404,
            "details": f"Domain ID: {domain['id']}; Record ID: 111111111",
        }
    ]
    assert dns.get(path)["totalEntries"] == len(NS)
    (again,) = dns.add(domain, A)
    assert dns.act("DELETE", f"{path}/{again['id']}") is None
    for method in ("GET", "PUT", "DELETE"):
        assert dns.refused(method, f"{path}/{again['id']}", {"name": "a.example.com"})[0] == 404


# Reverse records


def server(dns: Client) -> tuple[str, list[str]]:
    """The address of a new server, and its public addresses."""
    root = f"{dns.cloud.url}/DFW/compute/v2/1100111"
    order = {"name": "web", "flavorRef": "general1-1", "imageRef": "09de0a66-3156-48b4-90a5-1cf25a905207"}
    made = dns.send("POST", f"{root}/servers", {"server": order}).json()["server"]
    dns.later(10)
    shown = dns.get(f"{root}/servers/{made['id']}")["server"]
    return f"{root}/servers/{made['id']}", [row["addr"] for row in shown["addresses"]["public"]]


def reverse(href: str, *records: dict[str, Any], rel: str = "cloudServersOpenStack") -> dict[str, Any]:
    """The body of a request about the reverse records of a server."""
    link = {"content": "", "href": href, "rel": rel}
    return {"recordsList": {"records": [*records]}, "link": link}


def test_reverse_records(dns: Client) -> None:
    """The reverse records of a server are created, listed, shown, updated and deleted."""
    href, (address, *_) = server(dns)
    path = f"/rdns/cloudServersOpenStack?href={href}"
    order = {"name": "example.com", "type": "PTR", "data": address, "ttl": 56000}
    made = dns.act("POST", "/rdns", reverse(href, order))
    (record,) = made["recordsList"]["records"]
    assert made["link"] == {"content": "", "href": href, "rel": "cloudServersOpenStack"}
    assert order.items() <= record.items()
    assert dns.get(path) == made
    assert dns.get(f"/rdns/cloudServersOpenStack/{record['id']}?href={href}") == record
    assert dns.failed("POST", "/rdns", reverse(href, order))["code"] == 409
    changed = {"id": record["id"], "name": "bar.example.com", "type": "PTR", "data": address}
    dns.act("PUT", "/rdns", reverse(href, changed))
    (updated,) = dns.get(path)["recordsList"]["records"]
    assert (updated["name"], updated["ttl"]) == ("bar.example.com", 56000)
    assert dns.failed("DELETE", f"{path}&ip=192.0.2.1")["code"] == 404
    dns.act("DELETE", f"{path}&ip={address}")
    dns.act("DELETE", path)
    assert dns.get(path)["recordsList"]["records"] == []


def test_refused_reverse_records(dns: Client) -> None:
    """Addresses of others, changes of the address, and devices that do not exist are refused."""
    href, (address, *_) = server(dns)
    order = {"name": "example.com", "type": "PTR", "data": address}
    for changes in ({"data": "192.0.2.1"}, {"type": "A"}, {"name": "a b"}, {"ttl": 299}):
        assert dns.refused("POST", "/rdns", reverse(href, {**order, **changes}))[0] == 400
    assert dns.refused("POST", "/rdns", reverse(f"{href}0", order))[0] == 404
    assert dns.refused("POST", "/rdns", reverse(href, order, rel="cloudLoadBalancers"))[0] == 404
    assert dns.refused("GET", "/rdns/cloudServersOpenStack")[0] == 404
    (record,) = dns.act("POST", "/rdns", reverse(href, order))["recordsList"]["records"]
    changed = {"id": record["id"], "name": "example.com", "data": "192.0.2.1"}
    assert dns.refused("PUT", "/rdns", reverse(href, changed))[0] == 400
    assert dns.refused("PUT", "/rdns", reverse(href, {"id": "PTR-0", "name": "example.com"}))[0] == 404


# Zone files


def test_an_import(dns: Client) -> None:
    """The documentation's import makes a domain with the address of its SOA record and all its records."""
    contents = (
        f"\nexample.net. 3600 IN SOA {NS[0]}. {EMAIL}. 1308874739 3600 3600 3600 3600\n"
        "example.net. 86400 IN A 110.11.12.16\nexample.net. 3600 IN MX 5 mail2.example.net.\n"
        'www.example.net. 5400 IN CNAME example.net.\nt.example.net. IN TXT "a b" "c"\n'
    )
    body = {"domains": [{"contentType": "BIND_9", "contents": contents, "comment": "c"}]}
    (made,) = dns.act("POST", "/domains/import", body)["domains"]
    assert (made["name"], made["emailAddress"], made["comment"]) == ("example.net", EMAIL, "c")
    records = made["recordsList"]["records"]
    assert [(one["type"], one["name"], one["data"], one["ttl"]) for one in records[2:]] == [
        ("A", "example.net", "110.11.12.16", 86400),
        ("MX", "example.net", "mail2.example.net", 3600),
        ("CNAME", "www.example.net", "example.net", 5400),
        ("TXT", "t.example.net", "a bc", 3600),
    ]
    assert dns.failed("POST", "/domains/import", body)["details"] == "Domain already exists"
    with_servers = contents.replace("example.net", "example.org") + f"example.org. 300 IN NS {NS[0]}.\n"
    body = {"domains": [{"contentType": "BIND_9", "contents": with_servers}]}
    assert "duplicate" in dns.failed("POST", "/domains/import", body)["details"]


@pytest.mark.parametrize(
    "fields",
    [
        {"contentType": "BIND_8"},
        {"contents": "x"},
        {"contents": "example.net. 300 IN A 192.0.2.1\n"},
        {"contents": "$INCLUDE x\n"},
    ],
)
def test_invalid_imports(dns: Client, fields: dict[str, str]) -> None:
    """An import that is not a zone file with an SOA record is refused."""
    soa = f"example.net. 3600 IN SOA {NS[0]}. {EMAIL}. 1 2 3 4 5\n"
    body = {"domains": [{"contentType": "BIND_9", "contents": soa, **fields}]}
    assert dns.refused("POST", "/domains/import", body)[0] == 400


def test_an_export(dns: Client) -> None:
    """An export is a job whose response has the zone file, without comments, which can be imported again."""
    (domain, _) = dns.act("POST", "/domains", {"domains": [EXAMPLE]})["domains"]
    dns.add(domain, {"name": "example.com", "type": "TXT", "data": "a b"})
    exported = dns.act("GET", f"/domains/{domain['id']}/export")
    assert (exported["id"], exported["contentType"]) == (domain["id"], "BIND_9")
    soa, *lines = exported["contents"].splitlines()
    assert soa.startswith(f"example.com. 1800 IN SOA {NS[0]}. {EMAIL}. ")
    assert lines == [
        "ftp.example.com. 5771 IN A 192.0.2.8",
        f"example.com. 3600 IN NS {NS[0]}.",
        f"example.com. 3600 IN NS {NS[1]}.",
        "example.com. 3600 IN MX 5 mail.example.com.",
        "www.example.com. 1800 IN CNAME example.com.",
        'example.com. 1800 IN TXT "a b"',
    ]
    dns.act("DELETE", f"/domains/{domain['id']}")
    contents = "\n".join([soa, *(line for line in lines if " NS " not in line), ""])
    dns.act("POST", "/domains/import", {"domains": [{"contentType": "BIND_9", "contents": contents}]})


# Requests


def test_absolute_limits() -> None:
    """Domains, records of a domain and items of a request have limits, each with status 413 and its words."""
    with running(domain_limit=2, record_limit=4) as dns:
        domain = dns.domain()
        assert dns.get("/limits")["limits"]["absolute"]["limit"] == [
            {"name": "domains", "value": 2},
            {"name": "records per domain", "value": 4},
        ]
        orders = [{"name": name, "emailAddress": EMAIL} for name in ("example.org", "example.net")]
        status, fault = dns.refused("POST", "/domains", {"domains": orders})
        assert (status, fault["details"]) == (413, "Limit of 2 domains has been reached.")
        records = [{**A, "data": f"192.0.2.{number}"} for number in range(101)]
        path = f"/domains/{domain['id']}/records"
        status, fault = dns.refused("POST", path, {"records": records[:3]})
        assert (status, fault["details"]) == (413, "Limit of 4 records per domain has been reached.")
        status, fault = dns.refused("POST", path, {"records": records})
        assert (status, fault["details"]) == (413, "Limit of 100 entities per request has been reached.")
        assert dns.get(path)["totalEntries"] == len(NS)


def test_the_rate_limit() -> None:
    """More requests of one method in a minute have status 413, with the date at which to try again."""
    with running(dns_limit=2) as dns:
        for _ in range(2):
            dns.get("/domains")
        response = dns.send("GET", "/domains")
        assert (response.status, response.json()["code"]) == (413, 413)
        assert response.headers["Retry-After"].endswith("Z")
        dns.begin("POST", "/domains", {"domains": [{"name": "example.com", "emailAddress": EMAIL}]})
        dns.later(60)
        assert dns.get("/domains")["totalEntries"] == 1


def test_refused_requests(dns: Client) -> None:
    """Unknown tokens and accounts have status 401, unknown paths 404, other methods 405, and no JSON 400."""
    assert dns.refused("GET", f"{dns.cloud.url}/dns/v1.0/7/domains")[0] == 401
    for method, path, status in (
        ("GET", "/domains/1", 404),
        ("GET", "/domains/x/records", 404),
        ("GET", "/nothing", 404),
        ("PATCH", "/domains", 405),
        ("POST", "/domains", 400),
    ):
        assert dns.refused(method, path)[0] == status
    assert dns.refused("POST", "/domains", b"{")[0] == 400
    dns.token = "x"
    assert dns.refused("GET", "/domains")[0] == 401


def test_faults_and_resets(dns: Client) -> None:
    """Faults are injected into Cloud DNS too, and a reset forgets its domains and jobs."""
    dns.domain()
    dns.cloud.fault(503, path="/dns/*")
    assert dns.send("GET", "/domains").status == 503
    dns.cloud.reset()
    again = Client(dns.cloud, urllib3.PoolManager(), [0.0])
    assert again.get("/domains")["totalEntries"] == again.get("/status")["totalEntries"] == 0

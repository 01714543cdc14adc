"""A small Vultr, as the documents of its API v2 describe it: instances, plans, SSH keys, domains ..."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from itertools import count
from typing import Any

from support.web import Answer, Seen, Web

TOKEN = "vultr-token-0123456789"
PAGE = 2
POWER = {"halt": "stopped", "reboot": "running", "start": "running"}
REGIONS = [
    {
        "id": "ams",
        "city": "Amsterdam",
        "country": "NL",
        "continent": "Europe",
        "options": ["ddos_protection"],
    },
    {"id": "ewr", "city": "New Jersey", "country": "US", "continent": "North America", "options": []},
]
PLANS = [
    {
        "id": f"vc2-{cpus}c-{cpus}gb",
        "vcpu_count": cpus,
        "ram": 1024 * cpus,
        "disk": 25 * cpus,
        "disk_count": 1,
        "bandwidth": 1024,
        "monthly_cost": 5 * cpus,
        "type": "vc2",
        "locations": ["ams", "ewr"],
    }
    for cpus in (2, 1, 4)
]
SYSTEMS = [
    {"id": 387, "name": "Ubuntu 20.04 x64", "arch": "x64", "family": "ubuntu"},
    {"id": 2136, "name": "Debian 12 x64 (bookworm)", "arch": "x64", "family": "debian"},
]


class Vultr:
    """The cloud; `answer` responds to a request. `refuse` is a status with which it refuses everything."""

    def __init__(self) -> None:
        self.instances: dict[str, dict[str, Any]] = {}
        self.keys: dict[str, dict[str, Any]] = {}
        self.domains: dict[str, dict[str, dict[str, Any]]] = {}
        self.refuse: int | None = None
        self._numbers = count(1)
        self._lock = threading.Lock()

    def answer(self, seen: Seen) -> Answer:
        if seen.headers.get("Authorization") != f"Bearer {TOKEN}":
            return error(401, "Invalid API token.")
        if self.refuse is not None:
            return error(self.refuse, f"refused, with the key {TOKEN}")
        with self._lock:
            noun, id_, action = (*seen.path.removeprefix("/v2/").split("/"), "", "")[:3]
            return self._of(seen, noun, id_, action)

    def _of(self, seen: Seen, noun: str, id_: str, action: str) -> Answer:
        things: dict[str, list[Any]] = {
            "regions": REGIONS,
            "plans": PLANS,
            "plans-metal": [],
            "os": SYSTEMS,
            "bare-metals": [],
            "snapshots": [],
        }
        if noun in things:
            return page(seen, noun.replace("-", "_"), things[noun])
        if noun == "instances":
            return self._instances(seen, id_, action)
        if noun == "ssh-keys":
            return self._keys(seen, id_)
        if noun == "domains":
            return self._domains(seen, id_) if not action else self._records(seen, id_)
        return error(404, "Resource not found")

    def _domains(self, seen: Seen, name: str) -> Answer:
        if not name and seen.method == "GET":
            return page(seen, "domains", [domain(one) for one in self.domains])
        if not name:
            wanted = json.loads(seen.body)["domain"]
            if wanted in self.domains:
                return error(409, "Domain already exists.")
            self.domains[wanted] = {}
            return Answer(200, {"domain": domain(wanted)})
        if name not in self.domains:
            return error(404, "Invalid domain.")
        if seen.method == "DELETE":
            del self.domains[name]
            return Answer(204)
        return Answer(200, {"domain": domain(name)})

    def _records(self, seen: Seen, name: str) -> Answer:
        if name not in self.domains:
            return error(404, "Invalid domain.")
        records, id_ = self.domains[name], (*seen.path.split("/"), "")[5]
        if not id_ and seen.method == "GET":
            return page(seen, "records", list(records.values()))
        if not id_:
            id_ = f"cb676a46-66fd-4dfb-b839-{next(self._numbers):012}"
            records[id_] = {"id": id_, "priority": -1, "ttl": 300, **json.loads(seen.body)}
            return Answer(201, {"record": records[id_]})
        if id_ not in records:
            return error(404, "Invalid record.")
        if seen.method == "GET":
            return Answer(200, {"record": records[id_]})
        if seen.method == "DELETE":
            del records[id_]
        else:
            records[id_] |= json.loads(seen.body)
        return Answer(204)

    def _instances(self, seen: Seen, id_: str, action: str) -> Answer:
        if not id_ and seen.method == "GET":
            return page(seen, "instances", list(self.instances.values()))
        if not id_:
            return self._create(json.loads(seen.body))
        if id_ in POWER:  # of several
            ids, action = json.loads(seen.body)["instance_ids"], id_
        else:
            ids = [id_]
        if any(one not in self.instances for one in ids):
            return error(404, "Invalid instance.")
        for one in ids:
            if seen.method == "DELETE":
                del self.instances[one]
            elif action:
                self.instances[one]["power_status"] = POWER[action]
            else:
                return Answer(200, {"instance": self.instances[one]})
        return Answer(204)

    def _create(self, wanted: dict[str, Any]) -> Answer:
        plan = next((one for one in PLANS if one["id"] == wanted.get("plan")), None)
        if plan is None:
            return error(400, "Invalid plan chosen.")
        number = next(self._numbers)
        id_ = f"cb676a46-66fd-4dfb-b839-{number:012}"
        self.instances[id_] = {
            "id": id_,
            "os": "Debian 12 x64 (bookworm)",
            "ram": plan["ram"],
            "disk": plan["disk"],
            "main_ip": f"192.0.2.{number}",
            "vcpu_count": plan["vcpu_count"],
            "region": wanted["region"],
            "plan": plan["id"],
            "date_created": "2026-10-10T01:56:20+00:00",
            "status": "active",
            "allowed_bandwidth": 2000,
            "netmask_v4": "255.255.252.0",
            "gateway_v4": "192.0.2.254",
            "power_status": "running",
            "server_status": "ok",
            "v6_network": "",
            "v6_main_ip": "",
            "v6_network_size": 0,
            "label": wanted.get("label", ""),
            "internal_ip": "",
            "kvm": "https://my.vultr.com/subs/vps/novnc/api.php",
            "hostname": wanted.get("hostname", ""),
            "os_id": wanted.get("os_id", 0),
            "app_id": 0,
            "image_id": "",
            "firewall_group_id": "",
            "features": [],
            "tag": "",  # of the API's earlier days, and still there
            "tags": [],
            "user_scheme": "root",
        }
        return Answer(202, {"instance": {**self.instances[id_], "default_password": "v5{Fkvb#2ycPGwHs"}})

    def _keys(self, seen: Seen, id_: str) -> Answer:
        if seen.method == "GET" and not id_:
            return page(seen, "ssh_keys", list(self.keys.values()))
        if seen.method == "GET":
            found = self.keys.get(id_)
            return Answer(200, {"ssh_key": found}) if found else error(404, "Invalid SSH key.")
        if seen.method == "DELETE":
            return Answer(204) if self.keys.pop(id_, None) else error(404, "Invalid SSH key.")
        wanted = json.loads(seen.body)
        id_ = f"3b8066a7-b438-455a-9688-{next(self._numbers):012}"
        self.keys[id_] = {"id": id_, "date_created": "2026-10-10T01:56:20+00:00", **wanted}
        return Answer(201, {"ssh_key": self.keys[id_]})


@dataclass
class VultrCloud:
    """A Vultr that runs, and a bridged driver of it."""

    cloud: Vultr
    web: Web
    driver: Any


def page(seen: Seen, noun: str, things: list[Any]) -> Answer:
    """Return a page of a list, with the cursors of its neighbours."""
    start = int(seen.query.get("cursor", ["0"])[0] or 0)
    end = start + min(PAGE, int(seen.query.get("per_page", ["100"])[0]))
    following = str(end) if end < len(things) else ""
    links = {"next": following, "prev": ""}
    return Answer(200, {noun: things[start:end], "meta": {"total": len(things), "links": links}})


def domain(name: str) -> dict[str, Any]:
    """Return a domain as lists have it."""
    return {"domain": name, "date_created": "2026-10-10T01:56:20+00:00", "dns_sec": "disabled"}


def error(status: int, text: str) -> Answer:
    """Return a refusal."""
    return Answer(status, {"error": text, "status": status})

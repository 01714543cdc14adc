"""Call Salt's modules and states that are written for Libcloud, as a minion calls them.

`python salt_modules.py STORE`: `STORE` is `local`, or the URL of a moto server, as a MinIO. Servers and zones
are those of the dummy drivers. Prints one JSON object: the outcome of each test by its name, and the version
and files of the `libcloud` in use.
"""

from __future__ import annotations

import sys
import tempfile
import unittest
import unittest.mock
from collections.abc import Callable
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any
from urllib.parse import urlsplit

import alias

alias.install()

import salt.config  # noqa: F401 - before its modules, which import each other
from salt.cloud import libcloudfuncs
from salt.modules import libcloud_compute, libcloud_dns, libcloud_storage
from salt.states import libcloud_dns as dns_states
from salt.states import libcloud_storage as storage_states

STORE = sys.argv[1]
MODULES: dict[str, Any] = {
    module.__name__.rpartition(".")[2]: module
    for module in (libcloud_compute, libcloud_dns, libcloud_storage)
}


def profile(folder: str) -> dict[str, Any]:
    """Return what a minion's configuration says of the store."""
    if STORE == "local":
        return {"driver": "local", "key": folder, "secret": "none"}
    url = urlsplit(STORE)
    address = {"host": url.hostname, "port": url.port, "secure": False}
    return {"driver": "minio", "key": "key", "secret": "secret", **address}


def functions(name: str, module: ModuleType) -> dict[str, Callable[..., Any]]:
    """Return the functions of a module by the names that states call."""
    own = {key: one for key, one in vars(module).items() if isinstance(one, FunctionType)}
    return {f"{name}.{key}": one for key, one in own.items() if not key.startswith("_")}


class Minion(unittest.TestCase):
    """What Salt's loader does: modules that know the configuration and each other."""

    def setUp(self) -> None:
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        options = {"libcloud_storage": {"store": profile(self.folder)}}
        known: dict[str, Any] = {"config.option": options.__getitem__}
        for name, module in MODULES.items():
            known |= functions(name, module)
            module.__salt__ = known
            self.assertIs(module.__virtual__(), True)
        for states in (dns_states, storage_states):
            states.__salt__, states.__opts__ = known, {"test": False}

    def dummy(self, module: Any, *credentials: str) -> Any:
        """Have a module work on one dummy driver, which holds its things in memory."""
        driver = module.get_driver("dummy")(*credentials)
        self.enterContext(unittest.mock.patch.object(module, "_get_driver", lambda profile: driver))
        return driver


class Servers(Minion):
    """libcloud_compute."""

    def setUp(self) -> None:
        super().setUp()
        self.driver = self.dummy(libcloud_compute, "key")

    def nodes(self) -> list[tuple[str, str]]:
        return [(node["name"], node["state"]) for node in libcloud_compute.list_nodes("p")]

    def test_lists(self) -> None:
        self.assertEqual(self.nodes(), [("dummy-1", "running"), ("dummy-2", "running")])
        self.assertEqual([one["name"] for one in libcloud_compute.list_sizes("p")][:2], ["Small", "Medium"])
        self.assertEqual([one["ram"] for one in libcloud_compute.list_sizes("p")], [128, 512, 4096, 8192])
        self.assertEqual([one["country"] for one in libcloud_compute.list_locations("p")], ["US", "GB", "FJ"])
        self.assertEqual([one["id"] for one in libcloud_compute.list_images("p")], ["1", "2", "3"])

    def test_a_node(self) -> None:
        self.assertTrue(libcloud_compute.reboot_node("1", "p"))
        self.assertTrue(libcloud_compute.destroy_node("1", "p"))
        self.assertEqual(self.nodes(), [("dummy-2", "running")])

    def test_a_missing_node(self) -> None:
        with self.assertRaises(ValueError):
            libcloud_compute.destroy_node("none", "p")

    def test_salt_cloud(self) -> None:
        cached: list[Any] = []
        libcloudfuncs.__opts__, libcloudfuncs.__active_provider_name__ = {}, "dummy"
        libcloudfuncs.__utils__ = {
            "cloud.cache_node": lambda node, *_: cached.append(node),
            "cloud.cache_node_list": lambda nodes, *_: cached.append(sorted(nodes)),
        }
        self.assertEqual(libcloudfuncs.get_node(self.driver, "dummy-2").id, "2")
        self.assertEqual(
            (cached[0]["id"], cached[0]["name"], cached[0]["state"]), ("2", "dummy-2", "running")
        )
        full = libcloudfuncs.list_nodes_full(self.driver)
        self.assertEqual(cached[1], ["dummy-1", "dummy-2"])
        self.assertEqual((full["dummy-1"]["id"], full["dummy-1"]["public_ips"]), ("1", ["127.0.0.1"]))
        self.assertEqual(libcloudfuncs.list_nodes(self.driver)["dummy-1"]["state"], "RUNNING")
        self.assertEqual(libcloudfuncs.avail_sizes(self.driver)["Small"]["ram"], 128)
        self.assertEqual(libcloudfuncs.avail_locations(self.driver)["London Loft"]["country"], "GB")
        self.assertIn("Ubuntu 9.10", libcloudfuncs.avail_images(self.driver))

    def test_any_method(self) -> None:
        nodes = libcloud_compute.extra(method="list_nodes", profile="p")
        self.assertEqual([node.id for node in nodes], ["1", "2"])


class Zones(Minion):
    """libcloud_dns, and its states."""

    def setUp(self) -> None:
        super().setUp()
        self.zone = self.dummy(libcloud_dns, "key", "secret").create_zone("example.org", ttl=60)

    def test_zones(self) -> None:
        found = libcloud_dns.list_zones("p")
        self.assertEqual(
            [(one["domain"], one["type"], one["ttl"]) for one in found], [("example.org", "master", 60)]
        )
        self.assertEqual(libcloud_dns.get_zone(self.zone.id, "p"), found[0])

    def test_records(self) -> None:
        made = libcloud_dns.create_record("www", self.zone.id, "A", "192.0.2.1", "p")
        self.assertEqual((made["name"], made["type"], made["data"]), ("www", "A", "192.0.2.1"))
        self.assertEqual(libcloud_dns.list_records(self.zone.id, "p", type="A"), [made])
        self.assertEqual(libcloud_dns.list_records(self.zone.id, "p", type="TXT"), [])
        self.assertEqual(libcloud_dns.get_record(self.zone.id, made["id"], "p"), made)
        self.assertTrue(libcloud_dns.delete_record(self.zone.id, made["id"], "p"))
        self.assertEqual(libcloud_dns.list_records(self.zone.id, "p"), [])

    def test_states(self) -> None:
        wanted = ("www", "example.org", "A", "192.0.2.1", "p")
        self.assertEqual(
            dns_states.zone_present("example.org", "master", "p")["comment"], "Zone already exists"
        )
        for comment in ("Created new record", "Record already exists"):
            done = dns_states.record_present(*wanted)
            self.assertEqual((done["result"], done["comment"]), (True, comment))
        for _ in range(2):
            self.assertTrue(dns_states.record_absent(*wanted)["result"])
        self.assertTrue(dns_states.zone_absent("example.org", "p")["result"])
        self.assertEqual(libcloud_dns.list_zones("p"), [])


class Store(Minion):
    """libcloud_storage, and its states."""

    def setUp(self) -> None:
        super().setUp()
        self.source = Path(self.enterContext(tempfile.TemporaryDirectory()), "source.txt")
        self.source.write_text("content")
        self.assertTrue(storage_states.container_present("of-salt", "store")["result"])
        self.addCleanup(self.empty)

    def names(self) -> list[str]:
        return sorted(one["name"] for one in libcloud_storage.list_container_objects("of-salt", "store"))

    def empty(self) -> None:
        for name in self.names():
            libcloud_storage.delete_object("of-salt", name, "store")
        self.assertTrue(storage_states.container_absent("of-salt", "store")["result"])

    def test_containers(self) -> None:
        self.assertIn("of-salt", [one["name"] for one in libcloud_storage.list_containers("store")])
        self.assertEqual(libcloud_storage.get_container("of-salt", "store")["name"], "of-salt")

    def test_objects(self) -> None:
        path = str(self.source)
        self.assertEqual(libcloud_storage.upload_object(path, "of-salt", "a/b.txt", "store"), "a/b.txt")
        self.assertEqual(self.names(), ["a/b.txt"])
        found = libcloud_storage.list_container_objects("of-salt", "store")[0]
        self.assertEqual((found["name"], found["size"], found["container"]), ("a/b.txt", 7, "of-salt"))
        copy = self.source.with_name("copy.txt")
        self.assertTrue(libcloud_storage.download_object("of-salt", "a/b.txt", str(copy), "store"))
        self.assertEqual(copy.read_text(), "content")
        self.assertTrue(libcloud_storage.delete_object("of-salt", "a/b.txt", "store"))
        self.assertEqual(self.names(), [])

    def test_states(self) -> None:
        libcloud_storage.upload_object(str(self.source), "of-salt", "o", "store")
        copy = self.source.with_name("copy.txt")
        self.assertTrue(storage_states.file_present("of-salt", "o", str(copy), "store")["result"])
        self.assertEqual(copy.read_text(), "content")
        again = storage_states.container_present("of-salt", "store")
        self.assertEqual((again["result"], again["comment"]), (True, "Container already exists"))


def main() -> None:
    """Run the tests, and print their outcomes."""
    outcomes = alias.Outcomes()
    for tests in (Servers, Zones, Store) if STORE == "local" else (Store,):
        unittest.defaultTestLoader.loadTestsFromTestCase(tests).run(outcomes)
    alias.report(outcomes)


if __name__ == "__main__":
    main()

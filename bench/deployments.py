"""Deployments over SSH, at once or one by one; prints one line of JSON.

python bench/deployments.py once|each NUMBER HOST PORT TOKEN SSH_PORT
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

from polycloud import aio
from polycloud.compute import keys
from polycloud.compute.base import NodeAuthSSHKey
from polycloud.compute.deployment import ScriptDeployment


async def main(how: str, number: str, host: str, port: str, token: str, ssh_port: str) -> dict[str, float]:
    """Deploy `number` nodes, and destroy them after the measurement."""
    private, public = keys.generate()
    where: dict[str, Any] = {"host": host, "port": int(port), "secure": False}
    async with aio.connect("digitalocean", token, **where) as cloud:
        size, image = (await cloud.list_sizes())[0], (await cloud.list_images())[0]
        location = (await cloud.list_locations())[0]
        await cloud.import_key_pair_from_string("bench", public)

        async def deploy(at: int) -> Any:
            script = ScriptDeployment("#!/bin/sh\necho done\n")
            node = await cloud.deploy_node(
                script,
                name=f"web-{at}",
                size=size,
                image=image,
                location=location,
                auth=NodeAuthSSHKey(public),
                ssh_key=private,
                ssh_port=int(ssh_port),
            )
            assert script.stdout == "done\n"
            return node

        began, at_cpu = time.perf_counter(), time.process_time()
        if how == "once":
            nodes = await asyncio.gather(*map(deploy, range(int(number))))
        else:
            nodes = [await deploy(at) for at in range(int(number))]
        wall, cpu = time.perf_counter() - began, time.process_time() - at_cpu
        await asyncio.gather(*map(cloud.destroy_node, nodes))
        await cloud.delete_key_pair(await cloud.get_key_pair("bench"))
    return {"wall_ms": wall / len(nodes) * 1e3, "cpu_ms": cpu / len(nodes) * 1e3}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(*sys.argv[1:]))))  # noqa: T201

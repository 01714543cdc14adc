"""Machines behind the servers of a sandbox: they have an SSH server, run commands and keep files.

A cloud describes the machine of a server (`Machines.add`: host name, address, who may log in) and says when
it is on. What isolates machines from this computer and from each other depends on what the computer allows:

| isolation         | needs       | address       | what a command sees                                     |
|-------------------|-------------|---------------|---------------------------------------------------------|
| `namespaces`      | Linux, root | its own       | its own processes and network, a copy of the files      |
| `user-namespaces` | Linux       | own, loopback | the same, but it cannot change the system's files       |
| `folder`          | Linux       | own, loopback | commands are refused, or run on this computer on demand |

Nothing is imported, tried or started before the first machine is needed.
"""

from polycloud.sandbox.machines.faults import SSHFault
from polycloud.sandbox.machines.fleet import Machines, Node
from polycloud.sandbox.machines.isolation import Access, MachineError
from polycloud.sandbox.machines.kinds import CHOICES

__all__ = ["CHOICES", "Access", "MachineError", "Machines", "Node", "SSHFault"]

"""Machines behind the servers of a sandbox: they answer SSH, run commands and keep files.

A cloud says which machine it wants (`Machines.add`: host name, address, who may log in) and when it is on;
how machines are kept apart from this computer and from each other is chosen by what the computer allows:

| isolation         | needs       | address       | what a command sees                                     |
|-------------------|-------------|---------------|---------------------------------------------------------|
| `namespaces`      | Linux, root | its own       | own processes and network, a copy of the files          |
| `user-namespaces` | Linux       | own, loopback | the same, but it cannot change what the system has      |
| `folder`          | Linux       | own, loopback | nothing: it is refused, or runs here itself if so told  |

Nothing is imported, tried or started before the first machine is wanted.
"""

from polycloud.sandbox.machines.faults import SSHFault
from polycloud.sandbox.machines.fleet import Access, Machines, Node
from polycloud.sandbox.machines.kinds import CHOICES, MachineError

__all__ = ["CHOICES", "Access", "MachineError", "Machines", "Node", "SSHFault"]

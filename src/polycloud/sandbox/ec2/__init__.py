"""Amazon EC2, as moto has it: an independent emulator, in a process of its own.

moto knows the states, ids, errors and answers of EC2, and signatures are checked. It has no machines, so
nothing answers at an instance's addresses. What is asked for happens at once. A `ClientToken` means nothing
to it: the same one starts a second instance. `stop()` ends the process, and with it everything that was made.
"""

from polycloud.sandbox.ec2.cloud import EC2, EC2Knobs

__all__ = ["EC2", "EC2Knobs"]

"""Small but faithful clouds on 127.0.0.1, to try programs on without an account.

    with Sandbox("nephoscale") as cloud:
        cloud.url, cloud.credentials, cloud.options

A sandbox speaks the provider's own API and does not use polycloud's drivers. Operations that take time at
the provider take time here, set in seconds; network faults are injected on demand (`Sandbox.fault`). Behind
each server that is created there is a machine with an SSH server (`polycloud.sandbox.machines`). AWS is moto,
an independent emulator, without such settings and machines (`polycloud.sandbox.aws`). The object stores of
OpenStack, Rackspace, Azure and Google take no time at all.
"""

try:
    import starlette  # noqa: F401 - every cloud needs it, but clouds are imported when they are first used

    from polycloud.sandbox.clouds import CLOUDS
    from polycloud.sandbox.faults import Answer, SeenRequest, Slow
    from polycloud.sandbox.machines import MachineError
    from polycloud.sandbox.server import Sandbox, serve
except ModuleNotFoundError as missing:
    if missing.name not in {"starlette", "uvicorn"}:
        raise
    message = f"the sandbox needs {missing.name}: pip install 'polycloud[sandbox]'"
    raise ImportError(message, name=missing.name) from missing

__all__ = ["CLOUDS", "Answer", "MachineError", "Sandbox", "SeenRequest", "Slow", "serve"]

"""Small but faithful clouds on 127.0.0.1, to try programs on without an account.

    with Sandbox("nephoscale") as cloud:
        cloud.url, cloud.credentials, cloud.options

A sandbox speaks the provider's own API and knows nothing of polycloud's drivers. What takes time at the
provider takes time here, by knobs in seconds; what goes wrong on a network goes wrong on demand
(`Sandbox.fault`). Behind each server that is created there is a machine that answers SSH
(`polycloud.sandbox.machines`). EC2 is an emulator that others wrote, without such knobs and machines
(`polycloud.sandbox.ec2`).
"""

try:
    import starlette  # noqa: F401 - every cloud needs it, but a cloud is imported when it is first wanted

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

"""Actions on servers: each is checked at once and takes effect when its time has passed."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from polycloud.sandbox.machines import Node
from polycloud.sandbox.openstack import instant
from polycloud.sandbox.openstack.dialect import ACCEPTED, texts
from polycloud.sandbox.openstack.orders import (
    check_fit,
    check_name,
    check_quota,
    find_flavor,
    find_image,
    invalid,
)
from polycloud.sandbox.openstack.resources import Server, show_updated
from polycloud.sandbox.openstack.state import State
from polycloud.sandbox.rest.bodies import Body
from polycloud.sandbox.rest.collection import Item
from polycloud.sandbox.rest.errors import ConflictError, ForbiddenError, InputError
from polycloud.sandbox.rest.replies import Call, Reply

Prepare = Callable[[State, Server, Body], "Plan | Reply"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What an action does.

    Attributes:
        task: the task state until it has been done.
        then: the state of the server after it.
        seconds: how long it takes.
        effect: called at the end, before the state changes.
        start: called on the server's machine at the start.
        reply: the response.
    """

    task: str | None
    then: str
    seconds: float = 0.0
    effect: Callable[[], object] = lambda: None
    start: Callable[[Node], object] | None = None
    reply: Reply = ACCEPTED


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """A type of action.

    Attributes:
        prepare: checks the request and returns what will be done, or the response where that is all.
        states: the states in which it may begin; empty for all.
        name: Nova's name for it in messages and records.
        of_admin: the policy that it needs; empty for every user.
        takes: whether the body must have an object for it.
        when_frozen: whether it is carried out on a server that is locked.
        when_busy: whether it is carried out while another is under way.
    """

    prepare: Prepare
    states: str = ""
    name: str = ""
    of_admin: str = ""
    takes: bool = False
    when_frozen: bool = False
    when_busy: bool = False


def frozen(server: Server) -> ConflictError:
    """Return the refusal of a change to a server that is locked."""
    return ConflictError(f"Instance {server.id} is locked")


def act(state: State, server: Server, call: Call) -> Reply:
    """Carry out the action that a body names."""
    body = call.body
    verb = next(iter(body.fields), "")
    kind = _KINDS.get(verb)
    if kind is None:
        raise InputError(f"There is no such action: {verb}")
    if kind.takes and body.get(verb, dict) is None:
        value = body.value(verb)
        raise invalid(verb, value, f"{value!r} is not of type 'object'")
    given = body.part(verb) if isinstance(body.value(verb), dict) else Body({})
    name = kind.name or verb
    if kind.of_admin and not state.caller.is_admin:
        raise ForbiddenError(f"Policy doesn't allow os_compute_api:{kind.of_admin} to be performed.")
    _check(state, server, name, kind)
    plan = kind.prepare(state, server, given)
    return plan if isinstance(plan, Reply) else _begin(state, server, name, plan)


def _check(state: State, server: Server, name: str, kind: _Kind) -> None:
    if server.frozen and not kind.when_frozen and not state.caller.is_admin:
        raise frozen(server)
    cannot = f"Cannot '{name}' instance {server.id} while it is in"
    if kind.states and server.vm_state not in kind.states.split():
        raise ConflictError(f"{cannot} vm_state {server.vm_state}")
    if server.task_state is not None and not kind.when_busy:
        raise ConflictError(f"{cannot} task_state {server.task_state}")


def _begin(state: State, server: Server, name: str, plan: Plan) -> Reply:
    before = server.vm_state

    def effect() -> None:
        plan.effect()
        server.become(plan.then)

    def undo() -> None:
        server.fault = {
            "code": 500,
            "created": state.stamp(),
            "message": "No valid host was found. No valid host found for " + name,
            "details": f"nova.exception.NoValidHost: {name}",
        }
        server.become(before)

    server.become(before, plan.task)
    if server.machine and plan.start:
        plan.start(server.machine)
    state.begin(name, plan.seconds, server, effect, undo=undo)
    return plan.reply


# Power


def _stop_machine(node: Node) -> None:
    node.stop()


def _start_machine(node: Node) -> None:
    node.start()


def _reboot(state: State, server: Server, given: Body) -> Plan:
    kind = given.get("type", str)
    if kind is None or kind.upper() not in {"SOFT", "HARD"}:
        raise invalid(
            "type", kind, f"{kind!r} is not one of ['HARD', 'Hard', 'hard', 'SOFT', 'Soft', 'soft']"
        )
    if kind.upper() == "SOFT" and server.vm_state != "active":
        raise ConflictError(f"Cannot 'reboot' instance {server.id} while it is in vm_state {server.vm_state}")
    task = "rebooting" if kind.upper() == "SOFT" else "rebooting_hard"
    return Plan(
        task=task,
        then="active",
        seconds=state.settings.power,
        start=lambda node: node.restart(),
    )


def _power(task: str, then: str, machine: Callable[[Node], object] | None = None) -> Prepare:
    def prepare(state: State, _: Server, __: Body) -> Plan:
        return Plan(task=task, then=then, seconds=state.settings.power, start=machine)

    return prepare


def _rescue(state: State, server: Server, given: Body) -> Plan:
    server.previous_state = server.vm_state
    password = given.get("adminPass", str) or secrets.token_urlsafe(9)
    return Plan(
        task="rescuing",
        then="rescued",
        seconds=state.settings.power,
        start=lambda node: node.restart(),
        reply=Reply(200, {"adminPass": password}),
    )


# Resizing


def _resize(state: State, server: Server, given: Body) -> Plan:
    flavor = find_flavor(state, given.need("flavorRef", str))
    if flavor is server.flavor:
        raise InputError("When resizing, instances must change flavor!")
    if flavor.disk < server.flavor.disk and not flavor.disk and server.image_id:
        raise InputError("Resize to zero disk flavor is not allowed.")
    check_quota(state, flavor, 1, instead=server.flavor)
    return _move(state, server, flavor)


def _move(state: State, server: Server, flavor: Item) -> Plan:
    server.previous_state = server.vm_state

    def effect() -> None:
        server.previous_flavor, server.flavor = server.flavor, flavor

    return Plan(task="resize_prep", then="resized", seconds=state.settings.copy, effect=effect)


def _migrate(state: State, server: Server, _: Body) -> Plan:
    return _move(state, server, server.flavor)


def _confirm(state: State, server: Server, _: Body) -> Plan:
    """Confirm a resize; the server is resized, without a task, until that is done."""

    def effect() -> None:
        server.previous_flavor = None

    then = "active" if server.previous_state != "stopped" else "stopped"
    return Plan(task=None, then=then, seconds=state.settings.power, effect=effect, reply=Reply(204))


def _revert(state: State, server: Server, _: Body) -> Plan:
    def effect() -> None:
        server.flavor, server.previous_flavor = server.previous_flavor or server.flavor, None

    return Plan(
        task="resize_reverting", then=server.previous_state, seconds=state.settings.power, effect=effect
    )


# Images


def _rebuild(state: State, server: Server, given: Body) -> Plan:
    if not given.names("imageRef"):
        raise InputError("Invalid input for field/attribute rebuild. 'imageRef' is a required property")
    image = find_image(state, given.need("imageRef", str), "Cannot find image for rebuild")
    check_fit(image, server.flavor)
    name = check_name(given.value("name")) if given.names("name") else server.name
    server.password = given.get("adminPass", str) or secrets.token_urlsafe(9)
    then = "stopped" if server.vm_state == "stopped" else "active"

    def effect() -> None:
        server.launched_at, server.fault = state.precise(), None

    server.name, server.image_id = name, image.id
    if given.names("metadata"):
        server.metadata = texts(given, "metadata")
    if given.names("description") and state.version >= (2, 19):
        server.description = given.get("description", str)
    if server.machine:
        state.replace_machine(server, running=then == "active")
    server.task_state = "rebuilding"
    shown = {**show_updated(server), "adminPass": server.password}
    return Plan(
        task="rebuilding",
        then=then,
        seconds=state.settings.build,
        effect=effect,
        reply=Reply(202, {"server": shown}, {"Location": f"{state.nova}/servers/{server.id}"}),
    )


def _create_image(state: State, server: Server, given: Body) -> Reply:
    if not given.names("name"):
        raise InputError("Invalid input for field/attribute createImage. 'name' is a required property")
    name = check_name(given.value("name"))
    source = state.images.get(server.image_id or "")
    metadata = texts(given, "metadata")
    image = state.add_image(
        name=name,
        project_id=server.project_id,
        visibility="private",
        status="queued",
        min_disk=server.flavor.disk,
        min_ram=source.min_ram if source else 0,
        properties={
            **(source.properties if source else {}),
            **metadata,
            "image_type": "snapshot",
            "instance_uuid": server.id,
            "base_image_ref": server.image_id or "",
            "user_id": server.user_id,
            "image_location": "snapshot",
        },
    )
    before, server.task_state = server.vm_state, "image_snapshot"

    def effect() -> None:
        image.status, image.size = "active", source.size if source else 0
        image.updated_at = state.stamp()
        server.become(before)

    def undo() -> None:
        del state.images[image.id]
        server.become(before)

    state.begin("createImage", state.settings.copy, server, effect, undo=undo, also_locks=(image,))
    image.status = "saving" if image.status == "queued" else image.status
    location = {"Location": f"{state.base}/compute/images/{image.id}"}
    return Reply(202, {"image_id": image.id}) if state.version >= (2, 45) else Reply(202, None, location)


# Shelving


def _shelve(state: State, _: Server, __: Body) -> Plan:
    return Plan(task="shelving", then="shelved_offloaded", seconds=state.settings.copy, start=_stop_machine)


def _offload(_: State, __: Server, ___: Body) -> Plan:
    return Plan(task="shelving_offloading", then="shelved_offloaded")


def _unshelve(state: State, _: Server, __: Body) -> Plan:
    return Plan(task="unshelving", then="active", seconds=state.settings.copy, start=_start_machine)


_KINDS = {
    "reboot": _Kind(prepare=_reboot, states="active stopped paused suspended error", takes=True),
    "os-start": _Kind(
        prepare=_power("powering-on", "active", _start_machine), states="stopped", name="start"
    ),
    "os-stop": _Kind(
        prepare=_power("powering-off", "stopped", _stop_machine), states="active error", name="stop"
    ),
    "pause": _Kind(prepare=_power("pausing", "paused", _stop_machine), states="active"),
    "unpause": _Kind(prepare=_power("unpausing", "active", _start_machine), states="paused"),
    "suspend": _Kind(prepare=_power("suspending", "suspended", _stop_machine), states="active"),
    "resume": _Kind(prepare=_power("resuming", "active", _start_machine), states="suspended"),
    "rescue": _Kind(prepare=_rescue, states="active stopped error"),
    "unrescue": _Kind(prepare=_power("unrescuing", "active"), states="rescued"),
    "resize": _Kind(prepare=_resize, states="active stopped", takes=True),
    "confirmResize": _Kind(prepare=_confirm, states="resized"),
    "revertResize": _Kind(prepare=_revert, states="resized"),
    "migrate": _Kind(prepare=_migrate, states="active stopped", of_admin="os-migrate-server:migrate"),
    "rebuild": _Kind(prepare=_rebuild, states="active stopped paused error", takes=True),
    "createImage": _Kind(prepare=_create_image, states="active stopped paused suspended", takes=True),
    "shelve": _Kind(prepare=_shelve, states="active stopped paused suspended"),
    "shelveOffload": _Kind(
        prepare=_offload, states="shelved shelved_offloaded", of_admin="os-shelve:shelve_offload"
    ),
    "unshelve": _Kind(prepare=_unshelve, states="shelved shelved_offloaded"),
    "lock": _Kind(prepare=instant.lock, when_frozen=True, when_busy=True),
    "unlock": _Kind(prepare=instant.unlock, when_frozen=True, when_busy=True),
    "changePassword": _Kind(prepare=instant.change_password, states="active", takes=True),
    "os-getConsoleOutput": _Kind(prepare=instant.console_output, when_frozen=True, when_busy=True),
    "os-getVNCConsole": _Kind(prepare=instant.old_console, when_frozen=True, when_busy=True, takes=True),
    "addSecurityGroup": _Kind(prepare=instant.add_group, when_busy=True, takes=True),
    "removeSecurityGroup": _Kind(prepare=instant.remove_group, when_busy=True, takes=True),
    "os-resetState": _Kind(
        prepare=instant.reset_state, of_admin="os-admin-actions:reset_state", when_busy=True, takes=True
    ),
}

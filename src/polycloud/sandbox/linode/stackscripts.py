"""StackScripts of the account. They can be named where something is deployed, and are not run."""

from __future__ import annotations

from functools import partial

from polycloud.sandbox.linode import views
from polycloud.sandbox.linode.calls import DONE, Call, Listing, Reply, Routes
from polycloud.sandbox.linode.errors import InputError
from polycloud.sandbox.linode.inputs import Body, check_length
from polycloud.sandbox.linode.resources import StackScript
from polycloud.sandbox.linode.state import State, found

_FIELDS = frozenset({"deployments_total", "description", "is_public", "label", "mine", "rev_note"})


def _script(state: State, call: Call) -> StackScript:
    return found(state.stackscripts, call.path["script"])


def _reply(state: State, script: StackScript) -> Reply:
    return Reply(views.stackscript(script, state.knobs.username))


def _list(state: State, call: Call) -> Listing:
    visible = [script for script in state.stackscripts.values() if script.public or call.known]
    return Listing(visible, partial(views.stackscript, username=state.knobs.username), _FIELDS)


def _create(state: State, call: Call) -> Reply:
    body = call.body
    script = StackScript(
        id=state.new_id(),
        label=body.need("label", str),
        images=_images(state, body),
        script=body.need("script", str),
        created=state.stamp(),
        updated=state.stamp(),
    )
    _fill(script, body)
    state.stackscripts[script.id] = script
    state.note("stackscript_create", script)
    return _reply(state, script)


def _images(state: State, body: Body) -> tuple[str, ...]:
    images = tuple(body.each("images", str))
    if not images or not {*state.images, "any/all"}.issuperset(images):
        raise InputError("images is not valid", "images")
    return images


def _fill(script: StackScript, body: Body) -> None:
    label = body.get("label", str) or script.label
    check_length(label, 3, 128, "label")
    script.label = label
    script.description = body.get("description", str) or script.description
    script.rev_note = body.get("rev_note", str) or script.rev_note
    script.public = script.public or body.flag("is_public")


def _get(state: State, call: Call) -> Reply:
    return _reply(state, _script(state, call))


def _update(state: State, call: Call) -> Reply:
    script, body = _script(state, call), call.body
    images = _images(state, body) if "images" in body else script.images
    _fill(script, body)
    script.images, script.updated = images, state.stamp()
    script.script = body.get("script", str) or script.script
    state.note("stackscript_update", script)
    return _reply(state, script)


def _delete(state: State, call: Call) -> Reply:
    script = _script(state, call)
    if script.public:
        raise InputError("A public StackScript cannot be deleted.")
    del state.stackscripts[script.id]
    state.note("stackscript_delete", script)
    return DONE


ROUTES: Routes = {
    "/linode/stackscripts": {"GET": _list, "POST": _create},
    "/linode/stackscripts/{script:int}": {"GET": _get, "PUT": _update, "DELETE": _delete},
}

"""The account, and the jobs that change it.

A job is accepted with status 202 and runs for a while; then what it is for is done, and its response or its
fault can be read for a day. Source: Cloud DNS Developer Guide, "Synchronous and asynchronous responses".
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from polycloud.sandbox.clouds import Clock
from polycloud.sandbox.machines import Machines
from polycloud.sandbox.rackspace.dns.faults import FailedError, fault
from polycloud.sandbox.rest.collection import Item
from polycloud.sandbox.rest.errors import ApiError, NotFoundError
from polycloud.sandbox.rest.replies import Call, Json, Listing, Reply, Routes
from polycloud.sandbox.rest.timeline import Account, Event

Work = Callable[[], Json | None]
"""Carries out a job and returns its response. Raises ApiError."""

_KEPT = 24 * 3600.0
_ERROR, _RUNNING, _COMPLETED = "ERROR", "RUNNING", "COMPLETED"


@dataclass(eq=False)
class Job:
    """A change that was asked for.

    Attributes:
        id: a UUID.
        verb: the method of the request.
        path: the path and the query of the request.
        request: the body of the request.
        began: when it was accepted, on the clock.
    """

    id: str
    verb: str
    path: str
    request: str
    began: float
    status: str = _RUNNING
    response: Json | None = None
    error: Json | None = None
    locked: bool = False


class DnsState(Account[Event]):
    """The domains and the jobs of the account.

    Attributes:
        domains: by id.
        jobs: by id, oldest first.
        pointers: the reverse records of servers, by id.
        addresses: returns the addresses of the server of an id, none if there is no such server.
    """

    addresses: Callable[[str], list[str]]

    event_type = Event
    date_format: ClassVar[str] = "%Y-%m-%dT%H:%M:%S.000+0000"
    first_number = 2725233

    def __init__(self, settings: Any, clock: Clock, machines: Machines) -> None:
        super().__init__(settings, clock, machines, settings.errored)
        self.domains: dict[int, Item] = {}
        self.jobs: dict[str, Job] = {}
        self.pointers: dict[str, Item] = {}


def start(state: DnsState, call: Call, verb: str, kind: str, work: Work) -> Reply:
    """Begin a job; return the response that accepts it.

    Args:
        state: the account.
        call: the request.
        verb: its method.
        kind: by which name it can be made to fail.
        work: what it does at its end.
    """
    query = "&".join(f"{name}={value}" for name, value in call.query.pairs)
    path = call.url.removeprefix(state.root) + (f"?{query}" if query else "")
    raw = getattr(call.body, "raw", b"")
    job = Job(str(uuid.uuid4()), verb, path, raw.decode(errors="replace"), state.now)
    state.jobs[job.id] = job
    accepted = _show(state, job, details=True)
    undo = partial(_run, job, _fail)
    state.begin(kind, state.settings.dns_job, job, partial(_run, job, work), undo=undo)
    return Reply(202, accepted)


def _run(job: Job, work: Work) -> None:
    try:
        job.response = work()
    except ApiError as error:
        job.status, job.error = _ERROR, fault(error)
    else:
        job.status = _COMPLETED


def _fail() -> None:
    raise FailedError("The job failed.")


def _show(state: DnsState, job: Job, *, details: bool) -> Json:
    shown: Json = {
        "status": job.status,
        "jobId": job.id,
        "callbackUrl": f"{state.root}{_base(job)}/status/{job.id}",
    }
    if details:
        shown |= {"requestUrl": state.root + job.path, "verb": job.verb}
        more = {"request": job.request or None, "response": job.response, "error": job.error}
        shown |= {name: value for name, value in more.items() if value is not None}
    return shown


def _base(job: Job) -> str:
    return "/".join(job.path.split("/")[:4])


def _kept(state: DnsState) -> list[Job]:
    return [job for job in state.jobs.values() if state.now - job.began < _KEPT]


def _get(state: DnsState, call: Call) -> Reply:
    job = next((one for one in _kept(state) if one.id == call.path["job"]), None)
    if job is None:
        raise NotFoundError(f"Job ID: {call.path['job']}")
    shown = _show(state, job, details=_flag(call, "showDetails", default=False))
    return Reply(202 if job.status == _RUNNING else 200, shown)


def _list(state: DnsState, call: Call) -> Listing:
    shown = {"showErrors": _ERROR, "showRunning": _RUNNING, "showCompleted": _COMPLETED}
    kinds = [status for name, status in shown.items() if _flag(call, name, default=True)]
    details = _flag(call, "showDetails", default=False)
    jobs = [job for kind in kinds for job in _kept(state) if job.status == kind]
    return Listing(jobs, lambda job: _show(state, job, details=details), "asyncResponses")


def _flag(call: Call, name: str, *, default: bool) -> bool:
    return call.query.get(name, str(default)).lower() == "true"


ROUTES: Routes = {"/status": {"GET": _list}, "/status/{job}": {"GET": _get}}

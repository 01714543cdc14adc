"""Creates that happen exactly once, even if the response is lost; for every service.

The idea: the driver gives the new resource a marker by which it alone can be found again, such as a tag, or a
unique name that it has until it is renamed. If the response to the create is lost, `Creation` searches for
the resource with the marker until the provider's settle time is over, and never sends the create a second
time. If the search finds nothing, nobody can know, and `AmbiguousCreateError` says what to look for. A
provider that recognises a repeated request (an idempotency token) needs none of this: send the request with
`idempotent=True`.

A response is lost not only where none arrives: `LOST_STATUSES` may come from an edge after the create.

Many creates have no `Creation`, since a search for what they made is not possible, or needs rights that the
create does not. They are sent once, and `creates`, which `OperationsDriver` applies to every operation that
is called `create_...` or the like, adds a note to the error: what may exist, and where to look.
`Connection` reports to `creating` what it sends.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, Generic, ParamSpec, TypeVar

from polycloud.concurrency import waiting
from polycloud.errors import (
    AmbiguousCreateError,
    ConnectError,
    InvalidArgumentError,
    MalformedResponseError,
    OperationTimeoutError,
    PolycloudError,
    ProviderError,
    TLSError,
    TransportError,
    UnsupportedOperationError,
)
from polycloud.http.retry import LOST_STATUSES
from polycloud.utils.status import HTTPStatus

__all__ = [
    "Creation",
    "NewCreation",
    "UniqueCreation",
    "creates",
    "creating",
    "is_refusal",
    "led_by_one",
    "marker_for",
    "note_done",
    "note_named",
    "note_sent",
]

P = ParamSpec("P")
T = TypeVar("T")
REDIRECTS = frozenset({301, 302, 307, 308})
"""Statuses that name another place for the same request; a 303 names the result of one."""
READS = frozenset({"GET", "HEAD"})


def marker_for(idempotency_key: str | None = None) -> str:
    """Return twelve hex digits for the marker of a create: derived from the key, or random without one.

    Raises `InvalidArgumentError` for a key that is not a non-empty str.
    """
    if idempotency_key is None:
        import secrets

        return secrets.token_hex(6)
    if not isinstance(idempotency_key, str) or not idempotency_key:
        raise InvalidArgumentError(f"idempotency_key must be a non-empty str, got {idempotency_key!r}")
    import hashlib

    return hashlib.sha256(idempotency_key.encode(errors="surrogatepass")).hexdigest()[:12]


_keyed = waiting.SingleFlight()


def led_by_one(account: tuple[Any, ...], idempotency_key: str, create: Callable[[], T]) -> T:
    """Return the result of `create`, which one caller runs for all that use this key of an account now.

    They may be threads and tasks of this process, and use several drivers. One that stops waiting for another
    gets a note that the other goes on.
    """
    import hashlib

    leads = False

    def lead() -> T:
        nonlocal leads
        leads = True
        return create()

    # A digest: an account has secrets, and keys are shown by debuggers
    identity = hashlib.sha256(repr((account, idempotency_key)).encode(errors="surrogatepass")).digest()
    try:
        return _keyed(identity, lead, alone=True)
    except BaseException as error:
        if not leads and (isinstance(error, OperationTimeoutError) or not isinstance(error, Exception)):
            error.add_note("another caller creates it with the same idempotency_key: call again with it")
        raise


class Creation(ABC, Generic[T]):
    """One create of one resource; a driver says how to send it and how to find the resource.

    `what` names the resource in messages ("the droplet 'web-1'"), `marker` its marker ("the tag
    'polycloud-create-0123456789ab'"), `keyed` says whether the create has an idempotency key.
    """

    def __init__(self, what: str, marker: str, *, keyed: bool) -> None:
        self.what, self.marker, self.keyed = what, marker, keyed
        self._created: T | None = None
        self._in_flight = False

    @abstractmethod
    def send(self) -> T | None:
        """Send the create, once; return the resource, or None if the response does not contain it.

        Look up what the request needs before: the error of a read in here is taken for a failed read of the
        created resource, for which `run` then searches.
        """

    @abstractmethod
    def find(self) -> T | None:
        """Return the resource with the marker; None while there is none."""

    def settle(self, resource: T) -> None:
        """Remove the marker once the resource is known; by default it stays.

        Errors raised here get a note that names the resource.
        """

    def begun(self) -> bool:
        """Return whether an earlier run with this key started the create; otherwise record it.

        By default False: the provider lists a new resource at once, so `find` would have found it.
        """
        return False

    def run(self, *, settle_time: float, timeout: float) -> T:
        """Create the resource and return it.

        Args:
            settle_time: Seconds after which the provider certainly lists what it has accepted.
            timeout: Seconds to wait for the resource if the response does not contain it.

        Raises:
            AmbiguousCreateError: The response was lost and the resource not found within `settle_time`.
            OperationTimeoutError: The resource was not listed within `timeout`; a note says how it may
                appear.
            PolycloudError: The error of `send` if the provider refused, or that of `settle`.
        """
        with _named_by_itself():
            try:
                self._created = self._earlier(settle_time) or self._create(settle_time, timeout)
                self.settle(self._created)
            except BaseException as error:
                if self._created is not None or self._in_flight:
                    error.add_note(self._location_note())
                raise
        return self._created

    def _earlier(self, settle_time: float) -> T | None:
        """Return the resource of an earlier run that started this create and ended before it was known."""
        if not self.keyed:
            return None
        found = self.find()
        if found is not None or not self.begun():
            return found
        try:
            return self._search(settle_time)
        except OperationTimeoutError:
            return None  # the earlier request was not carried out

    def _create(self, settle_time: float, timeout: float) -> T:
        self._in_flight = True
        try:
            resource = self.send()
        except PolycloudError as error:
            if is_refusal(error):
                self._in_flight = False
                raise
            return self._find_lost(error, min(settle_time, timeout))
        return resource or self._search(timeout)

    def _find_lost(self, lost: PolycloudError, timeout: float) -> T:
        try:
            return self._search(timeout)
        except PolycloudError as error:
            raise AmbiguousCreateError(
                f"the response to the create of {self.what} was lost ({lost}); nothing with {self.marker} "
                f"was found ({error}); look for that before creating another",
                look_for=self.marker,
            ) from error

    def _search(self, timeout: float) -> T:
        listed = f"{self.what} with {self.marker} to be listed"
        return waiting.poll(self.find, waiting_for=listed, timeout=timeout)

    def _location_note(self) -> str:
        if self._created is None:
            return f"the create of {self.what} was sent; it may exist or appear, with {self.marker}"
        created: Any = self._created
        return f"{self.what} exists: id {created.id}; it has, or had, {self.marker}"


class UniqueCreation(Creation[T]):
    """A create of a resource that has no marker: its content alone describes it, as that of a DNS record.

    `what` names the resource in messages, `send` creates it, and `equal` lists the resources with its
    content: none before the create. If the response is lost, the resource is the one with its content. If
    there are several, another program has created an equal one in the meantime, and the create is ambiguous.
    If there is one, but the create failed and another program made it in the meantime, this is not noticed.
    """

    def __init__(self, what: str, send: Callable[[], T], equal: Callable[[], Sequence[T]]) -> None:
        super().__init__(what, "this content", keyed=False)
        self._send, self._equal = send, equal

    def send(self) -> T:
        """Send the create."""
        return self._send()

    def find(self) -> T | None:
        """Return the only resource with this content."""
        equal = self._equal()
        return equal[0] if len(equal) == 1 else None


class NewCreation(UniqueCreation[T]):
    """A create of a resource that has no marker, among others of its name, such as a volume's snapshot.

    `what` names the resource in messages, `send` creates it, and `listed` lists those that it will be among,
    which is also called before the create: that costs a request. If the response is lost, the resource is the
    one that is listed and was not before. If there are several, the create is ambiguous.
    """

    def __init__(self, what: str, send: Callable[[], T], listed: Callable[[], Sequence[T]]) -> None:
        before = {_id_of(one) for one in listed()}
        super().__init__(what, send, lambda: [one for one in listed() if _id_of(one) not in before])
        self.marker = "this name"


def _id_of(resource: Any) -> Any:
    return resource.id


def is_refusal(error: PolycloudError) -> bool:
    """Return whether a create that ended with `error` was certainly not carried out."""
    if error.exchange is None:  # nothing was sent, or a check of the created resource failed
        return isinstance(error, InvalidArgumentError | UnsupportedOperationError)
    if error.exchange.method in READS and not error.changes:  # a read of the created resource
        return False
    if isinstance(error, ConnectError | TLSError):
        return True
    status = error.exchange.status
    if isinstance(error, MalformedResponseError):
        return status in REDIRECTS
    if isinstance(error, TransportError):
        return False
    if not isinstance(error, ProviderError):
        return status not in LOST_STATUSES
    # A provider may report in a 200 that it failed midway; then the error has the status of that
    said = error.http_code if status == HTTPStatus.OK else status
    return error.definite or said not in LOST_STATUSES


VERBS = frozenset({"create", "clone", "copy", "import", "allocate", "reserve"})
"""What the names of operations that create something begin with."""
NAMING = ("name", "domain", "container_name", "address", "member_id")
"""The parameters that name what is created."""


class _Attempt:
    """What a create has sent: any change, one that was carried out, one that its error names already."""

    __slots__ = ("done", "named", "sent")

    def __init__(self) -> None:
        self.sent = self.done = self.named = False

    def may_have_left(self, error: BaseException) -> bool:
        """Return whether the create that ended with `error` may have left something that nothing names."""
        if self.named or not self.sent:
            return False
        if self.done or not isinstance(error, PolycloudError):
            return True
        return error.exchange is not None and error.exchange.method not in READS and not is_refusal(error)


_attempt: ContextVar[_Attempt | None] = ContextVar("polycloud_create", default=None)


def creates(fn: Callable[P, T]) -> Callable[P, T]:
    """Wrap an operation that creates something: its error gets a note of what may exist, and where to look.

    The name of the operation says what it creates. Errors of a `Creation` have their own words.
    """

    @wraps(fn)
    def create(*args: P.args, **kwargs: P.kwargs) -> T:
        if _attempt.get() is not None:  # an outer create has the name that the caller knows
            return fn(*args, **kwargs)
        attempt = _Attempt()
        token = _attempt.set(attempt)
        try:
            return fn(*args, **kwargs)
        except BaseException as error:
            if attempt.may_have_left(error):
                error.add_note(_loss_note(fn, args, kwargs))
            raise
        finally:
            _attempt.reset(token)

    return create


def creating(operation: str) -> str:
    """Return what an operation creates, by its name, such as "node"; "" if it creates nothing.

    A copy of an object counts as nothing: it takes a name that the caller chose.
    """
    verb, _, noun = operation.removeprefix("ex_").partition("_")
    return noun.partition("_from_")[0] if verb in VERBS and not noun.startswith("object") else ""


def note_sent() -> None:
    """Report, for the create in progress, that a request that changes something is sent now."""
    attempt = _attempt.get()
    if attempt is not None:
        attempt.sent = True


def note_done(method: str) -> None:
    """Report that one was carried out. A delete undoes what the create has made before."""
    attempt = _attempt.get()
    if attempt is not None:
        attempt.done = method != "DELETE"


def note_named() -> None:
    """Report that the create's own error says what is left of it, if anything."""
    attempt = _attempt.get()
    if attempt is not None:
        attempt.named = True


@contextmanager
def _named_by_itself() -> Iterator[None]:
    """Keep what a `Creation` sends from the create around it: the error in the block says all of it."""
    outer, own = _attempt.get(), _Attempt()
    token = _attempt.set(own)
    try:
        yield
    except BaseException:
        if outer is not None:
            outer.named = True
        raise
    else:
        if outer is not None:
            outer.sent = outer.done = True
    finally:
        _attempt.reset(token)


def _loss_note(fn: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> str:
    from inspect import signature

    noun = creating(fn.__name__)
    given = signature(fn).bind_partial(*args, **kwargs).arguments
    name = next((given[one] for one in NAMING if isinstance(given.get(one), str)), None)
    kind = noun.replace("_", " ")
    what = f"the new {kind}" if name is None else f"the {kind} {name!r}"
    listed = re.compile(rf"(ex_)?(list|describe_all)_(all_)?{noun.removesuffix('y')}(s|es|ies)")
    lists = sorted(one for one in dir(type(args[0])) if listed.fullmatch(one))
    where = f"with {lists[-1]}()" if lists else "in the account"
    return f"the create of {what} was sent; it may exist or appear: look for it {where} before another create"

"""Creates that happen exactly once, however their answers are lost.

A driver marks what it creates with something by which it alone is found again: a tag, or a unique name that
it has until it is renamed. Where the provider's answer is lost, the node with the mark is looked for, and
nothing is sent a second time. A provider that knows a request again (an idempotency token) needs none of
this: its request is sent with `idempotent=True`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from polycloud.common import waiting
from polycloud.common.types import (
    AmbiguousCreateError,
    ConnectError,
    InvalidArgumentError,
    MalformedResponseError,
    OperationTimeoutError,
    PolycloudError,
    ServerError,
    TLSError,
    TransportError,
    UnsupportedOperationError,
)
from polycloud.compute.types import Node

__all__ = ["Creation", "is_refusal", "mark_for"]

UNSETTLED = frozenset({500, 502, 503, 504})
TIMED_OUT = 408
REDIRECTS = range(300, 400)
READS = frozenset({"GET", "HEAD"})


def mark_for(idempotency_key: str | None = None) -> str:
    """Twelve hex digits to mark a create with: always the same for a key, and without one never used before.

    Raises `InvalidArgumentError` for a key that is no text.
    """
    if idempotency_key is None:
        import secrets

        return secrets.token_hex(6)
    if not isinstance(idempotency_key, str) or not idempotency_key:
        raise InvalidArgumentError(f"idempotency_key={idempotency_key!r} is no text")
    import hashlib

    return hashlib.sha256(idempotency_key.encode(errors="surrogatepass")).hexdigest()[:12]


class Creation(ABC):
    """One create of one node; a driver says how it is sent and found.

    `what` is how messages call it ("the droplet 'web-1'"), `mark` what it is known by ("the tag
    'polycloud-create-0123456789ab'"), `keyed` whether it has an idempotency key.
    """

    def __init__(self, what: str, mark: str, *, keyed: bool) -> None:
        self.what, self.mark, self.keyed = what, mark, keyed
        self._node: Node | None = None
        self._under_way = False

    @abstractmethod
    def send(self) -> Node | None:
        """Ask for it, once; the node, or None where the provider answers without it.

        What the request needs is looked up before: the error of a look in here is taken for one at the node
        that was created, and that is searched for.
        """

    @abstractmethod
    def find(self) -> Node | None:
        """The node with the mark; None while there is none."""

    @abstractmethod
    def settle(self, node: Node) -> None:
        """Take off the mark that the node needs no longer; what is raised here tells of the node."""

    @abstractmethod
    def begun(self) -> bool:
        """Whether an earlier program began this keyed create; where none did, note that this one does."""

    def run(self, *, settle_time: float, timeout: float) -> Node:
        """Carry it out.

        Args:
            settle_time: Seconds after which the provider lists for certain what it has accepted.
            timeout: Seconds to wait for the node where the provider answers without it.

        Raises:
            AmbiguousCreateError: The answer was lost, and the node was not found in `settle_time`.
            OperationTimeoutError: The node was not listed in `timeout`; a note says how it may yet appear.
            PolycloudError: What `send` raises where the provider refused, and what `settle` raises.
        """
        try:
            self._node = self._earlier(settle_time) or self._create(settle_time, timeout)
            self.settle(self._node)
        except BaseException as error:
            if self._node is not None or self._under_way:
                error.add_note(self._whereabouts())
            raise
        return self._node

    def _earlier(self, settle_time: float) -> Node | None:
        """The node of a program that began this create and did not live to see its end."""
        if not self.keyed:
            return None
        found = self.find()
        if found is not None or not self.begun():
            return found
        try:
            return self._look(settle_time)
        except OperationTimeoutError:
            return None  # nothing is on its way any more

    def _create(self, settle_time: float, timeout: float) -> Node:
        self._under_way = True
        try:
            node = self.send()
        except PolycloudError as error:
            if is_refusal(error):
                self._under_way = False
                raise
            return self._find_lost(error, min(settle_time, timeout))
        return node or self._look(timeout)

    def _find_lost(self, lost: PolycloudError, timeout: float) -> Node:
        try:
            return self._look(timeout)
        except PolycloudError as error:
            raise AmbiguousCreateError(
                f"the answer to the create of {self.what} was lost ({lost}), and none with {self.mark} was "
                f"found ({error}); look for that before creating another",
                look_for=self.mark,
            ) from error

    def _look(self, timeout: float) -> Node:
        sought = f"{self.what} with {self.mark} to be listed"
        return waiting.poll(self.find, waiting_for=sought, timeout=timeout)

    def _whereabouts(self) -> str:
        if self._node is None:
            return f"the create of {self.what} was sent; it may exist or appear, with {self.mark}"
        return f"{self.what} exists: id {self._node.id}; it has, or had, {self.mark}"


def is_refusal(error: PolycloudError) -> bool:
    """Whether a create that ended with `error` was certainly not carried out."""
    if error.exchange is None:  # nothing was sent, or something is amiss with the node that was created
        return isinstance(error, InvalidArgumentError | UnsupportedOperationError)
    if error.exchange.method in READS:  # a look at the node that was created
        return False
    if isinstance(error, ConnectError | TLSError):
        return True
    status = error.exchange.status
    if isinstance(error, MalformedResponseError):
        return status in REDIRECTS
    if isinstance(error, TransportError):
        return False
    if status == TIMED_OUT:  # some say so of a create that comes about
        return False
    # A failure of the server's may have come after the deed; one that an envelope tells is its word
    return not (isinstance(error, ServerError) and status in UNSETTLED)

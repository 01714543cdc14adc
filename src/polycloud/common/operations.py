"""Compute what a driver can do from what it overrides.

The base driver of a service declares each operation with `optional` (the base refuses it) or with `template`
(the base implements it with other operations, which it names).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from types import FunctionType
from typing import TYPE_CHECKING, Any, ClassVar, ParamSpec, TypeVar

from polycloud.common.creation import creates, creating
from polycloud.common.driver import BaseDriver
from polycloud.concurrency.calls import as_operation
from polycloud.errors import InvalidArgumentError, UnsupportedOperationError
from polycloud.utils.values import shown

if TYPE_CHECKING:
    from polycloud.common.checking import ArgumentChecks

__all__ = ["OperationsDriver", "optional", "template"]

P = ParamSpec("P")
R = TypeVar("R")


class _Check:
    """Checks the arguments of a method; `owner` is its class, if it may override another method.

    Annotations are read at the first call with arguments: importing a driver must not take that long.
    """

    __slots__ = ("_checks", "_fn", "_owner")

    def __init__(self, fn: Callable[..., Any], owner: type | None = None) -> None:
        self._fn = fn
        self._owner = owner
        self._checks: ArgumentChecks | None = None

    def __call__(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        if self._checks is None:
            from polycloud.common.checking import ArgumentChecks

            inherited = () if self._owner is None else map(vars, self._owner.__mro__[1:])
            name = self._fn.__name__
            self._checks = ArgumentChecks(self._fn, [names[name] for names in inherited if name in names])
        self._checks.require(args, kwargs)


def optional(fn: Callable[P, R]) -> Callable[P, R]:
    """Declare an operation that a driver may offer; otherwise it raises `UnsupportedOperationError`."""

    @wraps(fn)
    def refuse(*args: P.args, **_: P.kwargs) -> R:
        driver = args[0]
        name = getattr(driver, "name", "") or type(driver).__name__
        raise UnsupportedOperationError(
            f"{name} does not offer {fn.__name__}; ask supports({fn.__name__!r}) first", driver=driver
        )

    refuse.needs = None  # type: ignore[attr-defined]
    return refuse


def template(*needs: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Declare an operation that the base implements for drivers that offer all of `needs`."""

    def mark(fn: Callable[P, R]) -> Callable[P, R]:
        check = _Check(fn)

        @wraps(fn)
        def carry_out(*args: P.args, **kwargs: P.kwargs) -> R:
            driver: Any = args[0]
            if not driver.supports(fn.__name__):
                missing = " and ".join(need for need in needs if not driver.supports(need))
                which = f", which needs {missing}" if missing else ""
                raise UnsupportedOperationError(f"{driver.name} does not offer {fn.__name__}{which}", driver)
            check(args, kwargs)
            return fn(*args, **kwargs)

        carry_out.needs = needs  # type: ignore[attr-defined]
        return carry_out

    return mark


class OperationsDriver(BaseDriver):
    """A driver that knows which of its service's operations it offers.

    `service` is the name of the service, such as "compute". Each public method of a driver is an operation:
    its arguments are checked (`polycloud.common.checking`), traces attribute requests to its name, and the
    error of one that creates something says what may exist (`polycloud.common.creation.creates`).
    """

    service: ClassVar[str] = ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name, member in list(vars(cls).items()):
            if isinstance(member, FunctionType) and not name.startswith("_"):
                declared = hasattr(member, "needs")  # it refuses, or checks by itself
                check = None if declared else _Check(member, cls)
                setattr(cls, name, as_operation(creates(member) if creating(name) else member, check))

    @classmethod
    def operations(cls) -> list[str]:
        """Return the names of the service's operations, offered or not, in the order of the base."""
        names = (name for base in cls._bases() for name, fn in vars(base).items() if hasattr(fn, "needs"))
        return list(dict.fromkeys(names))

    @classmethod
    def _bases(cls) -> list[type[OperationsDriver]]:
        """Return the classes whose methods are operations, the most general first."""
        return [base for base in reversed(cls.__mro__) if issubclass(base, OperationsDriver)]

    @classmethod
    def extensions(cls) -> list[str]:
        """Return the names of the provider's own methods (`ex_...`), sorted."""
        return sorted(name for name in dir(cls) if name.startswith("ex_") and callable(getattr(cls, name)))

    @classmethod
    def offers(cls, name: str) -> bool:
        """Return whether drivers of this class offer the operation `name`.

        Raises `InvalidArgumentError` for a name that is not an operation and does not begin with `ex_`.
        """
        if not isinstance(name, str):
            raise InvalidArgumentError(f"the name of an operation must be a str, got {shown(name)}")
        operation = getattr(cls, name, None)
        if name.startswith("ex_"):
            return callable(operation)
        if not any(hasattr(vars(base).get(name), "needs") for base in cls._bases()):
            import difflib

            near = difflib.get_close_matches(name, cls.operations(), 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise InvalidArgumentError(f"{cls.__name__} has no operation {name!r}{hint}")
        overridden: tuple[str, ...] = ()
        needs = getattr(operation, "needs", overridden)
        return needs is not None and all(cls.offers(need) for need in needs)

    def supports(self, name: str) -> bool:
        """Return whether this instance offers the operation `name`; see `offers`."""
        return self.offers(name)

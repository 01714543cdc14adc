"""Values of parameters that need no validator.

Typer has Pydantic validate each parameter, even one that was not given. To import Pydantic and to build the
validators takes longer than a short command itself, and there is nothing to check in a text, a default, or
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import EnumType
from typing import Any

from typer.core import TyperArgument, TyperOption

__all__ = ["spare_validators"]


def spare_validators() -> None:
    """Have Typer validate only numbers, paths, and what is missing or wrong."""
    kinds: tuple[Any, ...] = (TyperArgument, TyperOption)
    for kind in kinds:
        kind.process_value = _sparing(kind.process_value)


def _sparing(process: Callable[[Any, Any, Any], Any]) -> Callable[[Any, Any, Any], Any]:
    def process_value(param: Any, ctx: Any, value: Any) -> Any:
        if not hasattr(param, "type_descriptor") or not _is_valid(param, value):  # before Typer 0.29
            return process(param, ctx, value)
        if param.multiple or param.nargs != 1:
            value = [*(value or ())]
        elif value is not None:
            value = param.type_descriptor.annotation(value)
        return param.callback(ctx, param, value) if param.callback else value

    return process_value


def _is_valid(param: Any, value: Any) -> bool:
    """Return whether the value is known to be valid: a text for a text, a choice, a default, or nothing."""
    if not value and param.required:
        return False
    annotation = param.type_descriptor.annotation
    if value is None or annotation in (str, list[str]):
        return True
    if isinstance(annotation, EnumType):
        choices: Iterable[Any] = annotation
        return value in [choice.value for choice in choices]
    return not isinstance(value, str | list | tuple)

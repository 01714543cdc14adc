"""Groups of options that several commands have, which reach a command as one argument."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Any, get_type_hints

from polycloud.cli import listing, options

__all__ = ["takes", "takes_form", "takes_view"]

Function = Callable[..., None]


def takes(name: str, group: Function, make: Callable[..., Any]) -> Callable[[Function], Function]:
    """Give a command the parameters of `group` in place of its parameter `name`.

    The command gets what `make` returns for their values.
    """

    def decorate(command: Function) -> Function:
        @wraps(command)
        def with_group(**given: Any) -> None:
            chosen = {key: given.pop(key) for key in ours.parameters}
            command(**{name: make(**chosen)}, **given)

        ours = signature(group, eval_str=True)
        # The type of `name` may be one that only type checkers import
        hints = get_type_hints(command, localns={str(_annotation(command, name)): Any}, include_extras=True)
        parameters: list[Parameter] = []
        for key, parameter in signature(command).parameters.items():
            own = [parameter.replace(annotation=hints[key])]
            parameters += ours.parameters.values() if key == name else own
        del with_group.__wrapped__  # its parameters are not those of the command
        with_group.__signature__ = Signature(parameters)  # type: ignore[attr-defined] # as Typer reads it
        with_group.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return with_group

    return decorate


def _annotation(command: Function, name: str) -> Any:
    return signature(command).parameters[name].annotation


def _form_options(
    *,
    as_json: options.Json = False,
    as_csv: options.Csv = False,
    safe_csv: options.SafeCsv = False,
    output_format: options.Output = None,
    no_header: options.NoHeader = False,
    columns: options.Columns = None,
) -> None:
    """Has the options of `show` as its parameters."""


def _view_options(
    *,
    as_json: options.Json = False,
    as_csv: options.Csv = False,
    safe_csv: options.SafeCsv = False,
    output_format: options.Output = None,
    no_header: options.NoHeader = False,
    columns: options.Columns = None,
    filters: options.Filters = None,
    sort: options.Sort = None,
    reverse: options.Reverse = False,
    limit: options.Limit = None,
) -> None:
    """Has the options of a list as its parameters."""


def _view(
    *,
    as_json: bool,
    as_csv: bool,
    safe_csv: bool,
    output_format: listing.Format | None,
    no_header: bool,
    filters: list[str] | None = None,
    **others: Any,
) -> listing.View:
    form = listing.format_of(output_format, as_json=as_json, as_csv=as_csv, safe_csv=safe_csv)
    return listing.View(form, not no_header, filters=filters or (), **others)


takes_form = takes("view", _form_options, _view)
"""Give a command the options of `show`; its parameter `view` says how the resource is printed."""
takes_view = takes("view", _view_options, _view)
"""Give a command the options of a list; its parameter `view` says how the list is printed."""

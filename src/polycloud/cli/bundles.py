"""Groups of options that several commands have, which reach a command as one argument."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Any, get_type_hints

from polycloud.cli import listing, options

__all__ = ["takes", "takes_form", "takes_view"]

Function = Callable[..., None]
Group = tuple[Function, Callable[..., Any]]


def takes(**groups: Group) -> Callable[[Function], Function]:
    """Give a command the parameters of groups, each in place of its parameter of the group's name.

    A group is a function with these parameters, and one that makes the command's argument of their values.
    """

    def decorate(command: Function) -> Function:
        @wraps(command)
        def with_groups(**given: Any) -> None:
            for name, (_, make) in groups.items():
                chosen = {key: given.pop(key) for key in parameters_of[name]}
                given[name] = make(**chosen)
            command(**given)

        parameters_of = {
            name: signature(options_, eval_str=True).parameters for name, (options_, _) in groups.items()
        }
        own = signature(command).parameters
        command.__annotations__ |= dict.fromkeys(groups, Any)  # only type checkers import their types
        hints = get_type_hints(command, include_extras=True)
        parameters: list[Parameter] = []
        for name, parameter in own.items():
            if name in groups:
                parameters += parameters_of[name].values()
            else:
                parameters.append(parameter.replace(annotation=hints[name]))
        del with_groups.__wrapped__  # its parameters are not those of the command
        with_groups.__signature__ = Signature(parameters)  # type: ignore[attr-defined] # as Typer reads it
        with_groups.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return with_groups

    return decorate


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


takes_form = takes(view=(_form_options, _view))
"""Give a command the options of `show`; its parameter `view` says how the resource is printed."""
takes_view = takes(view=(_view_options, _view))
"""Give a command the options of a list; its parameter `view` says how the list is printed."""

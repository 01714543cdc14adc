"""Texts that a driver generates, such as random names, and their placeholders in recorded exchanges."""

import re
from collections.abc import Mapping

from polycloud.testing.exchange import Exchange

__all__ = ["Variables"]


class Variables:
    """Replaces texts that are different each time by ``{{name}}``.

    Args:
        patterns: by name, the regular expression of a text.

    Raises:
        ValueError: a name is not an identifier, or its regular expression is invalid.
    """

    def __init__(self, patterns: Mapping[str, str]) -> None:
        for name in patterns:
            if not name.isidentifier():
                raise ValueError(f"the name of a variable must be an identifier, got {name!r}")
        either = "|".join(f"(?P<{name}>{pattern})" for name, pattern in patterns.items())
        try:
            self._pattern = re.compile(either or "(?!)")  # the latter matches nothing
        except re.error as error:
            raise ValueError(f"invalid regular expression for {', '.join(patterns)}: {error}") from None
        self._last: dict[str | None, str] = {}

    def named(self, exchange: Exchange) -> Exchange:
        """Return the exchange with placeholders; in responses only for the text that a request sent last."""
        request = exchange.request.with_texts(lambda text: self._pattern.sub(self._remember, text))
        response = exchange.response.with_texts(lambda text: self._pattern.sub(self._named, text))
        return Exchange(request=request, response=response)

    def _remember(self, match: re.Match[str]) -> str:
        self._last[match.lastgroup] = match[0]
        return self._named(match)

    def _named(self, match: re.Match[str]) -> str:
        known = match[0] and self._last.get(match.lastgroup) == match[0]
        return f"{{{{{match.lastgroup}}}}}" if known else match[0]

"""What a driver makes up, such as a random name, and what stands for it in recorded exchanges."""

import re
from collections.abc import Mapping

from polycloud.testing.exchange import Exchange

__all__ = ["Variables"]


class Variables:
    """Writes ``{{name}}`` for what is different each time.

    Args:
        patterns: by name, a regular expression for it.

    Raises:
        ValueError: a name is no Python name, or its expression not regular.
    """

    def __init__(self, patterns: Mapping[str, str]) -> None:
        for name in patterns:
            if not name.isidentifier():
                raise ValueError(f"A variable is called by a Python name, not {name!r}")
        either = "|".join(f"(?P<{name}>{pattern})" for name, pattern in patterns.items())
        try:
            self._pattern = re.compile(either or "(?!)")  # which matches nothing
        except re.error as error:
            raise ValueError(f"The expressions of {', '.join(patterns)} are not regular: {error}") from None
        self._last: dict[str | None, str] = {}

    def named(self, exchange: Exchange) -> Exchange:
        """The exchange with a name for each match: in the answer for what a request has sent last."""
        request = exchange.request.with_texts(lambda text: self._pattern.sub(self._remember, text))
        response = exchange.response.with_texts(lambda text: self._pattern.sub(self._named, text))
        return Exchange(request=request, response=response)

    def _remember(self, match: re.Match[str]) -> str:
        self._last[match.lastgroup] = match[0]
        return self._named(match)

    def _named(self, match: re.Match[str]) -> str:
        known = match[0] and self._last.get(match.lastgroup) == match[0]
        return f"{{{{{match.lastgroup}}}}}" if known else match[0]

"""YAML with the line of every value: the nodes of PyYAML, which know where they stand.

The aliases of a file can repeat its parts without end: what is visited is counted, up to `MOST_NODES`. No tag
makes an object, and none reads another file, as octoDNS's `!include` does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.error import MarkedYAMLError

from polycloud.dns.lines import ZoneFileError
from polycloud.utils.values import shown

MOST_NODES = 1_000_000
DEEPEST = 20
PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's parser where PyYAML has it; its composer, which recurses in C, would crash on deep nesting."""
PREFIX = "tag:yaml.org,2002:"
MERGE, NULL = f"{PREFIX}merge", f"{PREFIX}null"
TAGS = frozenset(
    f"{PREFIX}{name}" for name in ("bool", "float", "int", "map", "null", "seq", "str", "timestamp")
)


class _Loader(Composer, PARSER):  # type: ignore[misc]
    """Composes the events of a parser to nodes, which may be nested a little."""

    def __init__(self, text: str) -> None:
        PARSER.__init__(self, text)
        Composer.__init__(self)
        self._depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Return the next node."""
        if self._depth > DEEPEST:
            raise MarkedYAMLError(
                problem="it is nested too deeply", problem_mark=self.peek_event().start_mark
            )
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


class Document:
    """A YAML file: its `root` node, None if it is empty, and what nodes say."""

    def __init__(self, text: str, path: str) -> None:
        self._path = path
        self._lines = text.count("\n") + 1
        self._visited = 0
        try:
            root = _Loader(text).get_single_node()
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            reason = f"this is not YAML: {getattr(error, 'problem', None) or error}"
            raise ZoneFileError(reason, path, self._line(mark.line) if mark else 1) from error
        self.root: yaml.Node | None = root if root is not None and root.tag != NULL else None

    def line_of(self, node: yaml.Node) -> int:
        """Return the line where a node begins, from 1."""
        return self._line(node.start_mark.line)

    def _line(self, number: int) -> int:
        """Return the line of a mark, which may be after the end."""
        return min(number + 1, self._lines)

    def error(self, node: yaml.Node, reason: object) -> ZoneFileError:
        """Return the error that a node is not valid."""
        return ZoneFileError(reason, self._path, self.line_of(node))

    def mapping(self, node: yaml.Node, what: str) -> dict[str, yaml.Node]:
        """Return the values of a mapping by their keys, with those that it merges (`<<`)."""
        return dict(self._pairs(node, what, DEEPEST))

    def items(self, node: yaml.Node) -> list[yaml.Node]:
        """Return the items of a list; anything else is the only item."""
        items = list(node.value) if isinstance(node, yaml.SequenceNode) else [node]
        self._visit(node, len(items))
        return items

    def plain(self, node: yaml.Node, depth: int = DEEPEST) -> Any:
        """Return a node as text, None, or lists and dicts of these: `1.10` and `on` are texts."""
        self._visit(node, 1)
        if not depth or node.tag not in TAGS:
            raise self.error(node, f"the tag {node.tag} is not supported" if depth else "this is too deep")
        if isinstance(node, yaml.SequenceNode):
            return [self.plain(one, depth - 1) for one in node.value]
        if isinstance(node, yaml.MappingNode):
            return {key: self.plain(one, depth - 1) for key, one in self._pairs(node, "this", depth)}
        return None if node.tag == NULL else node.value

    def _pairs(self, node: yaml.Node, what: str, depth: int) -> Iterator[tuple[str, yaml.Node]]:
        """Yield the pairs of a mapping, after those that it merges and overrides."""
        if not isinstance(node, yaml.MappingNode) or not depth:
            given = shown(node.value) if isinstance(node, yaml.ScalarNode) else "a list"
            raise self.error(node, f"{what} must be a mapping, got {given}" if depth else "this is too deep")
        for key, value in node.value:
            if key.tag == MERGE:
                for merged in reversed(self.items(value)):  # the first of a list counts
                    yield from self._pairs(merged, "what is merged", depth - 1)
        lines: dict[str, int] = {}
        for key, value in node.value:
            self._visit(key, 1)
            if key.tag == MERGE:
                continue
            if not isinstance(key, yaml.ScalarNode):
                raise self.error(key, "a key must be a text, not a list or a mapping")
            if key.value in lines:
                raise self.error(key, f"the key {shown(key.value)} is on line {lines[key.value]} already")
            lines[key.value] = self.line_of(key)
            yield key.value, value

    def _visit(self, node: yaml.Node, count: int) -> None:
        self._visited += count
        if self._visited > MOST_NODES:
            raise self.error(node, f"the file has more than {MOST_NODES} values, with those of its aliases")

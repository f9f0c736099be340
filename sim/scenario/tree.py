"""YAML text as a tree of dicts and lists that know where every key and value stands.

The YAML library is used here and nowhere else. Stricter than YAML 1.2: keys are text and unique, the only
booleans are ``true`` and ``false``, ``<<`` is refused, and what looks like a date stays text.
"""

# The YAML library has no types: what its nodes hold is checked where it is used.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, ReusedAnchorWarning
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from sim.vocabulary import Problem, ScenarioError

NONE = "none"
"""Absence, as it stands in a file; it clears what would otherwise be inherited."""

_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_LONGEST_NUMBER = 100
_MOST_VALUES = 100_000
"""Aliases of aliases could stand for more than fits into memory."""
_TOO_DEEP = "not valid YAML: blocks inside blocks, too deep to be read"
_HINTS = {
    "mapping values are not allowed here": "a colon where none can stand; quote text that contains ': '",
    "but found another document": "a second document begins with ---; a file holds one scenario",
    "found character '\\t' that cannot start any token": "a tab; indent with spaces",
}
_STANDARD_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True)
class Mark:
    """A place: file as the user named it, line and column counted from 1.

    Attributes:
        inset: how many characters later the text of a value begins, 1 behind a quote; None where it begins in
            another line.
    """

    file: str
    line: int
    column: int
    inset: int | None = 0

    def problem(self, message: str) -> Problem:
        """Something wrong at this place."""
        return Problem(self.file, self.line, self.column, message)


class Branch(dict[str, Any]):
    """A mapping that knows the places of its keys and values."""

    def __init__(self) -> None:
        super().__init__()
        self.key_marks: dict[str, Mark] = {}
        self.value_marks: dict[str, Mark] = {}

    def put(self, key: str, value: Any, key_mark: Mark, value_mark: Mark) -> None:
        """Set a key."""
        self[key] = value
        self.key_marks[key] = key_mark
        self.value_marks[key] = value_mark

    def take(self, key: str, other: Branch) -> None:
        """Set a key as another mapping has it."""
        self.put(key, other[key], other.key_marks[key], other.value_marks[key])

    def copy(self) -> Branch:
        """A mapping with the same keys; the values are shared."""
        twin = Branch()
        for key in self:
            twin.take(key, self)
        return twin

    def drop(self, key: str) -> None:
        """Remove a key, if it is there."""
        self.pop(key, None)

    def under(self, key: str) -> Branch:
        """The mapping under a key; an empty one where there is none."""
        value = self.get(key)
        return value if isinstance(value, Branch) else Branch()

    def branches(self) -> Iterator[tuple[str, Branch]]:
        """Keys whose values are mappings."""
        for key, value in list(self.items()):
            if isinstance(value, Branch):
                yield key, value


class Row(list[Any]):
    """A list that knows the places of its items."""

    def __init__(self) -> None:
        super().__init__()
        self.marks: list[Mark] = []


@dataclass(frozen=True)
class Source:
    """What a scenario is made from, before it is judged.

    Attributes:
        tree: with what it extends and what is set from outside.
        text: of its own file.
        path: of that file.
    """

    tree: Branch = field(compare=False)
    text: str
    path: Path


def twin(value: Any) -> Any:
    """A copy of a value down to its leaves, at the same places."""
    if isinstance(value, Branch):
        branch = value.copy()
        for key, each in value.items():
            branch[key] = twin(each)
        return branch
    if isinstance(value, Row):
        row = Row()
        row.marks = list(value.marks)
        row.extend(twin(each) for each in value)
        return row
    return value


def read(path: Path, shown: str) -> tuple[Branch, str]:
    """The tree of a file, and its text.

    Raises:
        ScenarioError: it cannot be read, or is not a mapping in our YAML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ScenarioError([Problem(shown, 1, 1, f"cannot read the file: {error.strerror}")]) from None
    except UnicodeDecodeError:
        raise ScenarioError([Problem(shown, 1, 1, "the file is not text in UTF-8")]) from None
    except ValueError:
        raise ScenarioError([Problem(shown, 1, 1, f"no file can be called {shown!r}")]) from None
    return parse(text, shown, path.parent), text


def parse(text: str, shown: str, folder: Path) -> Branch:
    """The tree of a text; the paths of data files in it become absolute, starting at the folder.

    Raises:
        ScenarioError: every problem that was found.
    """
    value, _ = _parse(text, shown, folder)
    if value is None:
        raise ScenarioError([Problem(shown, 1, 1, "the scenario is empty: it needs workload, effects, …")])
    if not isinstance(value, Branch):
        raise ScenarioError(
            [Problem(shown, 1, 1, "a scenario is a mapping: keys such as workload: and effects:")]
        )
    return value


def parse_value(text: str, shown: str, folder: Path) -> Any:
    """A value as it may stand behind a key; its places are those in the text.

    Raises:
        ScenarioError: the text is not YAML.
    """
    return _parse(text, shown, folder)[0]


def file_path(folder: Path, name: str, mark: Mark) -> str:
    """Where a file is that is named in a file of a folder.

    Raises:
        ScenarioError: no file can have that name.
    """
    try:
        return str((folder / name).resolve())
    except ValueError:
        raise ScenarioError([mark.problem(f"no file can be called {name!r}")]) from None


def _parse(text: str, shown: str, folder: Path) -> tuple[Any, Mark]:
    try:
        node = _compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        told = _HINTS.get(str(error.problem), error.problem or "syntax error")
        if "while parsing a flow" in str(error.context) and error.context_mark:
            told += f"; the bracket of line {error.context_mark.line + 1} is still open"
        raise ScenarioError([Problem(shown, line, column, f"not valid YAML: {told}")]) from None
    except ReaderError as error:
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
        raise ScenarioError(
            [Problem(shown, line, column, f"not valid YAML: {text[error.position]!r} cannot stand in it")]
        ) from None
    except RecursionError:
        raise ScenarioError([Problem(shown, 1, 1, _TOO_DEEP)]) from None
    except Exception as error:  # noqa: BLE001 - the library checks some of its input by assertions
        told = str(error).partition("\n")[0] or "syntax error"
        raise ScenarioError([Problem(shown, 1, 1, f"not valid YAML: {told}")]) from None
    builder = _Builder(shown, folder)
    if node is None:
        return None, Mark(shown, 1, 1)
    try:
        value = builder.value(node)
    except RecursionError:
        raise ScenarioError([Problem(shown, 1, 1, _TOO_DEEP)]) from None
    if builder.problems:
        raise ScenarioError(builder.problems)
    return value, builder.mark(node)


def _compose(text: str) -> Node | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ReusedAnchorWarning)  # YAML allows it: the later anchor counts
        return YAML(typ="safe", pure=True).compose(text)


class _Builder:
    """Turns the nodes of one text into a tree."""

    def __init__(self, shown: str, folder: Path) -> None:
        self.problems: list[Problem] = []
        self._shown = shown
        self._folder = folder
        self._open: list[Node] = []
        self._count = 0

    def mark(self, node: Node) -> Mark:
        """Where a node begins."""
        start = node.start_mark
        assert start is not None
        inset: int | None = 0
        if isinstance(node, ScalarNode) and node.style:
            inset = 1 if node.style in "'\"" else None
        return Mark(self._shown, start.line + 1, start.column + 1, inset)

    def value(self, node: Node) -> Any:
        """The value of a node."""
        if any(node is outer for outer in self._open):
            self.problems.append(self.mark(node).problem("an alias cannot stand inside what it refers to"))
            return None
        self._count += 1
        if self._count > _MOST_VALUES:
            mark = Mark(self._shown, 1, 1)
            raise ScenarioError([mark.problem("too large: more values than a scenario can need")])
        self._open.append(node)
        try:
            if isinstance(node, MappingNode):
                return self._branch(node)
            if isinstance(node, SequenceNode):
                return self._row(node)
            assert isinstance(node, ScalarNode)
            return self._scalar(node)
        finally:
            self._open.pop()

    def _branch(self, node: MappingNode) -> Branch:
        branch = Branch()
        for key_node, value_node in node.value:
            mark = self.mark(key_node)
            if not isinstance(key_node, ScalarNode):
                self.problems.append(mark.problem("a key must be a word"))
                continue
            key = str(key_node.value)
            if key == "<<":
                self.problems.append(mark.problem("<< is not taken, it merges only one level: use extends"))
            elif key in branch:
                first = branch.key_marks[key]
                self.problems.append(
                    mark.problem(f"duplicate key {key!r}: it stands in line {first.line} too")
                )
            else:
                value = self.value(value_node)
                if key == "file" and isinstance(value, str):
                    value = self._file(value, value_node)
                branch.put(key, value, mark, self.mark(value_node))
        return branch

    def _file(self, value: str, node: Node) -> str:
        try:
            return file_path(self._folder, value, self.mark(node))
        except ScenarioError as error:
            self.problems += error.problems
            return value

    def _row(self, node: SequenceNode) -> Row:
        row = Row()
        for item in node.value:
            row.append(self.value(item))
            row.marks.append(self.mark(item))
        return row

    def _scalar(self, node: ScalarNode) -> Any:
        text = str(node.value)
        tag = str(node.tag)
        if not tag.startswith(_STANDARD_TAG):
            self.problems.append(self.mark(node).problem(f"the tag {tag} is not taken"))
            return None
        if node.style is not None and node.style in "'\"|>":
            return text
        if text in ("true", "false"):
            return text == "true"
        if text in ("", "~", "null"):
            return None
        if len(text) > _LONGEST_NUMBER:
            return text
        if _INTEGER.fullmatch(text):
            return int(text)
        if _FLOAT.fullmatch(text):
            return float(text)
        return text

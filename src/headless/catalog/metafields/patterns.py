"""Does a text match a pattern of staff's making, whatever they wrote, in time that grows with its length alone?

A pattern is a regular expression without what makes matching explode: no references back, no looking around. It is
run over all its states at once, character by character, so that `(a+)+b` costs no more than `a+b`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

MAX_LENGTH = 500
MAX_STATES = 1000
MAX_TEXT = 1000
"""Characters of a text that is held against a pattern."""

Test = Callable[[str], bool]
_CLASSES: dict[str, Test] = {
    "d": lambda char: char.isascii() and char.isdigit(),
    "w": lambda char: char.isalnum() or char == "_",
    "s": str.isspace,
}
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


class BadPattern(Exception):
    """The pattern can't be read; the message says why."""


@dataclass(slots=True)
class _State:
    """One step: a character that passes the test leads to `then`; without a test `then` and `other` are free."""

    test: Test | None = None
    then: int = -1
    other: int = -1


class Pattern:
    """A pattern, ready to be matched against whole texts."""

    def __init__(self, text: str) -> None:
        """Raise `BadPattern` for what can't be read or is too large."""
        if len(text) > MAX_LENGTH:
            message = f"A pattern has at most {MAX_LENGTH} characters."
            raise BadPattern(message)
        self._states: list[_State] = []
        parser = _Parser(text)
        tree = parser.parsed()
        self._end = self._add(_State())
        self._start = self._build(tree, self._end)

    def matches(self, text: str) -> bool:
        """Whether the whole text is as the pattern says; one longer than `MAX_TEXT` isn't."""
        if len(text) > MAX_TEXT:
            return False
        known: dict[tuple[frozenset[int], str], frozenset[int]] = {}
        current = self._closed([self._start])
        for char in text:
            found = known.get((current, char))
            if found is None:
                found = known[current, char] = self._closed(list(self._after(current, char)))
            current = found
            if not current:
                return False
        return self._end in current

    def _after(self, states: frozenset[int], char: str) -> Iterator[int]:
        for number in states:
            state = self._states[number]
            if state.test is not None and state.test(char):
                yield state.then

    def _closed(self, pending: list[int]) -> frozenset[int]:
        """The states and all that are reached from them for free."""
        reached: set[int] = set()
        while pending:
            number = pending.pop()
            if number < 0 or number in reached:
                continue
            reached.add(number)
            state = self._states[number]
            if state.test is None:
                pending += [state.then, state.other]
        return frozenset(reached)

    def _add(self, state: _State) -> int:
        if len(self._states) >= MAX_STATES:
            message = "The pattern is too large: repeat less, or fewer times."
            raise BadPattern(message)
        self._states.append(state)
        return len(self._states) - 1

    def _build(self, node: _Node, then: int) -> int:
        """The state from which what the node describes leads to `then`."""
        match node:
            case _Char(test):
                return self._add(_State(test, then))
            case _Row(parts):
                for part in reversed(parts):
                    then = self._build(part, then)
                return then
            case _Either(branches):
                first, *rest = (self._build(branch, then) for branch in branches)
                for other in rest:
                    first = self._add(_State(None, first, other))
                return first
            case _Repeat(part, least, most):
                if most is None:
                    loop = self._add(_State(None, -1, then))
                    self._states[loop].then = self._build(part, loop)
                    then = loop
                else:
                    end = then
                    for _nth in range(most - least):
                        then = self._add(_State(None, self._build(part, then), end))
                for _nth in range(least):
                    then = self._build(part, then)
                return then


@dataclass(frozen=True, slots=True)
class _Char:
    test: Test


@dataclass(frozen=True, slots=True)
class _Row:
    parts: tuple[_Node, ...]


@dataclass(frozen=True, slots=True)
class _Either:
    branches: tuple[_Node, ...]


@dataclass(frozen=True, slots=True)
class _Repeat:
    part: _Node
    least: int
    most: int | None


_Node = _Char | _Row | _Either | _Repeat


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text.removeprefix("^")
        if self._text.endswith("$") and not self._text.endswith("\\$"):
            self._text = self._text[:-1]
        self._at = 0
        self._depth = 0

    def parsed(self) -> _Node:
        node = self._either()
        if self._at < len(self._text):
            message = "A parenthesis is closed that was never opened."
            raise BadPattern(message)
        return node

    def _peek(self) -> str:
        return self._text[self._at] if self._at < len(self._text) else ""

    def _take(self) -> str:
        char = self._peek()
        if not char:
            message = "The pattern ends too early."
            raise BadPattern(message)
        self._at += 1
        return char

    def _either(self) -> _Node:
        branches = [self._row()]
        while self._peek() == "|":
            self._take()
            branches.append(self._row())
        return branches[0] if len(branches) == 1 else _Either(tuple(branches))

    def _row(self) -> _Node:
        parts: list[_Node] = []
        while self._peek() and self._peek() not in "|)":
            parts.append(self._repeated(self._one()))
        return _Row(tuple(parts))

    def _one(self) -> _Node:
        char = self._take()
        match char:
            case "(":
                return self._group()
            case "[":
                return _Char(self._set())
            case ".":
                return _Char(lambda other: other != "\n")
            case "\\":
                return _Char(self._escaped())
            case "^" | "$" | "*" | "+" | "?" | "{" | "}" | "]":
                message = f"{char!r} can't stand here; write \\{char} for the character itself."
                raise BadPattern(message)
            case _:
                return _Char(char.__eq__)

    def _group(self) -> _Node:
        if self._text.startswith("?:", self._at):
            self._at += 2
        elif self._peek() == "?":
            message = "Groups that look around, or have names or flags, can't be used."
            raise BadPattern(message)
        self._depth += 1
        if self._depth > 20:  # noqa: PLR2004 - deeper than anybody reads
            message = "Groups are nested too deep."
            raise BadPattern(message)
        node = self._either()
        self._depth -= 1
        if self._take() != ")":
            message = "A parenthesis is opened that is never closed."
            raise BadPattern(message)
        return node

    def _escaped(self) -> Test:
        char = self._take()
        if char.lower() in _CLASSES:
            test = _CLASSES[char.lower()]
            return test if char.islower() else lambda other: not test(other)
        if char in _ESCAPES:
            return _ESCAPES[char].__eq__
        if char.isalnum():
            message = f"\\{char} can't be used."
            raise BadPattern(message)
        return char.__eq__

    def _set(self) -> Test:
        is_negated = self._peek() == "^"
        if is_negated:
            self._take()
        tests: list[Test] = []
        while not tests or self._peek() != "]":
            char = self._take()
            if char == "\\":
                if self._peek().lower() in _CLASSES:
                    tests.append(self._escaped())
                    continue
                char = _ESCAPES.get(self._peek(), self._peek())
                self._take()
            if self._peek() == "-" and self._text[self._at + 1 : self._at + 2] not in {"]", ""}:
                self._take()
                last = self._take()
                last = self._take() if last == "\\" else last
                if last < char:
                    message = f"The range {char}-{last} is the wrong way round."
                    raise BadPattern(message)
                tests.append(_between(char, last))
            else:
                tests.append(char.__eq__)
        self._take()
        return lambda other: any(test(other) for test in tests) != is_negated

    def _repeated(self, part: _Node) -> _Node:
        least: int
        most: int | None
        match self._peek():
            case "*":
                least, most = 0, None
            case "+":
                least, most = 1, None
            case "?":
                least, most = 0, 1
            case "{":
                least, most = self._counted()
            case _:
                return part
        self._take()
        if self._peek() == "?":  # as few as possible: the same for whole texts
            self._take()
        if self._peek() and self._peek() in "*+?{":
            message = "Two repetitions stand next to each other."
            raise BadPattern(message)
        return _Repeat(part, least, most)

    def _counted(self) -> tuple[int, int | None]:
        """Read `{2}`, `{2,}` or `{2,5}` up to its last character."""
        end = self._text.find("}", self._at)
        first, comma, last = self._text[self._at + 1 : max(end, 0)].partition(",")
        if end < 0 or not (first.isascii() and first.isdigit()) or (last and not (last.isascii() and last.isdigit())):
            message = "A number of repetitions is written like {2}, {2,} or {2,5}."
            raise BadPattern(message)
        least = int(first)
        most = None if comma and not last else int(last) if comma else least
        if max(least, most or 0) > MAX_STATES or (most is not None and most < least):
            message = "A number of repetitions is too large or the wrong way round."
            raise BadPattern(message)
        self._at = end
        return least, most


def _between(first: str, last: str) -> Test:
    return lambda char: first <= char <= last

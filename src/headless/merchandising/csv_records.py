"""Which records does a CSV file hold, on which physical lines do they start, and which lines cannot be read?"""

import codecs
import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final, TextIO

_LONGEST_RECORD: Final = 1_000_000
_CHUNK: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Record:
    """One record with something in it; quoted line ends let it span lines, of which `line` is the first."""

    line: int
    fields: Sequence[str]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Lines that are no record; reading goes on after them."""

    line: int
    message: str


def decode(raw: BinaryIO) -> TextIO:
    """Open a seekable file as UTF-8, with a byte order mark or not, else as Windows-1252; closing it closes `raw`."""
    encoding = "utf-8-sig" if _is_utf8(raw) else "cp1252"
    raw.seek(0)
    # newline="" keeps line ends inside quotes; five bytes mean nothing in Windows-1252 and must not stop an import.
    return io.TextIOWrapper(raw, encoding=encoding, errors="replace", newline="")


def records(text: Iterable[str]) -> Iterator[Record | Unreadable]:
    """Read the records of an open file (see `decode`) or of its lines as RFC 4180 writes them, passing over empty ones.

    A record is at most 1,000,000 characters long and a field at most `csv.field_size_limit()`.
    """
    lines = _Lines(_physical_lines(text))
    # Strict, so that a quote left open fails at the next quoted field instead of swallowing the file.
    reader = csv.reader(lines, strict=True)
    while True:
        lines.record_size = 0
        line = lines.number + 1
        try:
            fields = next(reader, None)
        except csv.Error as error:
            yield _unreadable(line, lines.number, error)
            continue
        if fields is None:
            return
        if any("\0" in field for field in fields):
            yield Unreadable(line, "The row contains a NUL byte and is skipped; save the file as text again.")
        elif any(field.strip() for field in fields):
            yield Record(line, fields)


@dataclass(slots=True)
class _Lines:
    """The physical lines of a file, counted, for a reader whose records may span several."""

    lines: Iterator[str]
    number: int = 0
    record_size: int = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self.lines)
        self.number += 1
        self.record_size += len(line)
        if self.record_size > _LONGEST_RECORD:
            message = f"longer than {_LONGEST_RECORD:,} characters"
            raise csv.Error(message)
        return line


def _physical_lines(text: Iterable[str]) -> Iterator[str]:
    if not isinstance(text, io.TextIOBase):
        yield from text
        return
    # A file without line ends is one line as long as the file: hold no more of a line than a record may have.
    while line := text.readline(_LONGEST_RECORD + 1):
        yield line
        while len(line) > _LONGEST_RECORD and not line.endswith(("\n", "\r")):
            line = text.readline(_LONGEST_RECORD + 1)


def _unreadable(first: int, last: int, error: csv.Error) -> Unreadable:
    lines = (
        f"Line {first} cannot be read and is" if first == last else f"Lines {first} to {last} cannot be read and are"
    )
    advice = "Most often a quote is opened and not closed, or a quote inside a quoted field is not doubled"
    return Unreadable(first, f"{lines} skipped ({error}). {advice}; correct it.")


def _is_utf8(raw: BinaryIO) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    raw.seek(0)
    try:
        while chunk := raw.read(_CHUNK):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True

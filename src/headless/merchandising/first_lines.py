"""On which line of a file did something come first, however long the file is?"""

from __future__ import annotations

import sqlite3


class FirstLines:
    """Remembers where each text came first, in little memory: what doesn't fit lies in a file that ends with it."""

    def __init__(self) -> None:
        self._kept = sqlite3.connect("", isolation_level=None, check_same_thread=False)  # read from worker threads, too
        self._kept.execute("PRAGMA journal_mode = OFF")
        self._kept.execute("PRAGMA synchronous = OFF")
        self._kept.execute("CREATE TABLE first (text BLOB PRIMARY KEY, line INTEGER NOT NULL) WITHOUT ROWID")
        self._kept.execute("BEGIN")

    def of(self, text: str, line: int) -> int:
        """The line where a text came first: this one, if it is new."""
        key = text.encode(errors="surrogatepass")
        fresh = self._kept.execute("INSERT INTO first VALUES (?, ?) ON CONFLICT DO NOTHING", (key, line))
        if fresh.rowcount:
            return line
        first: int = self._kept.execute("SELECT line FROM first WHERE text = ?", (key,)).fetchone()[0]
        return first

    def close(self) -> None:
        self._kept.close()

"""What did the provider of the tests really do? Its books are a file of its own that outlives the shop's crashes."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from uuid import UUID

from headless.payments.rules import Authorization

PAYABLE = range(50, 99_999_999 + 1)
"""Amounts that the provider takes."""


class State(StrEnum):
    """How far a charge is, in the words of a large provider."""

    REQUIRES_PAYMENT_METHOD = "requires_payment_method"
    REQUIRES_ACTION = "requires_action"
    PROCESSING = "processing"
    REQUIRES_CAPTURE = "requires_capture"
    SUCCEEDED = "succeeded"
    CANCELED = "canceled"


TAKEN = frozenset({State.REQUIRES_CAPTURE, State.SUCCEEDED})


class KeyReused(Exception):
    """A key came again with other arguments: whoever asks has mixed up two payments."""


@dataclass(frozen=True, slots=True)
class Charge:
    """A payment as the provider knows it. An amount of 0: the key was given up before it was heard of."""

    key: UUID
    token: str
    amount: int
    currency: str
    captures: bool
    state: State
    returned: int

    @property
    def is_kept(self) -> bool:
        """Whether somebody has paid and not got his money back."""
        return self.state in TAKEN and self.returned < self.amount


class Ledger:
    """Charges by key, money that moved, and how often was asked."""

    def __init__(self, path: Path) -> None:
        # Autocommit: transactions are begun below. What a killed process wrote is in the kernel's hands already.
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=20)
        self._connection.executescript("""
            PRAGMA journal_mode = WAL;
            PRAGMA synchronous = OFF;
            CREATE TABLE IF NOT EXISTS charge (
                key TEXT PRIMARY KEY, token TEXT, amount INTEGER, currency TEXT, captures INTEGER, state TEXT,
                returned INTEGER NOT NULL DEFAULT 0 CHECK (returned BETWEEN 0 AND amount)
            );
            CREATE TABLE IF NOT EXISTS refund (key TEXT PRIMARY KEY, charge TEXT, amount INTEGER, is_done INTEGER);
            CREATE TABLE IF NOT EXISTS movement (key TEXT, amount INTEGER);
            CREATE TABLE IF NOT EXISTS mismatch (key TEXT);
            CREATE TABLE IF NOT EXISTS strike (token TEXT, habit TEXT, times INTEGER, PRIMARY KEY (token, habit));
        """)

    def close(self) -> None:
        self._connection.close()

    def strike(self, token: str, habit: str) -> int:
        """Count how often a token's habit was asked for; answer the count."""
        row = self._connection.execute(
            "INSERT INTO strike VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET times = times + 1 RETURNING times",
            (token, habit),
        ).fetchone()
        return int(row[0])

    def find(self, key: UUID) -> Charge | None:
        return next(self._charges("WHERE key = ?", str(key)), None)

    def charges(self) -> list[Charge]:
        return list(self._charges(""))

    def times_charged(self) -> Counter[UUID]:
        """How often money was taken, by key."""
        return Counter(UUID(key) for (key,) in self._connection.execute("SELECT key FROM movement WHERE amount > 0"))

    def mismatches(self) -> int:
        """How often a key was used for two different things."""
        return int(self._connection.execute("SELECT count(*) FROM mismatch").fetchone()[0])

    def accept(self, request: Authorization, state: State) -> Charge:
        """Open a charge in a state, or go on with the one of this key; raises `KeyReused`."""
        with self._transaction():
            known = self.find(request.key)
            if known is None:
                self._connection.execute(
                    "INSERT INTO charge VALUES (?, ?, ?, ?, ?, ?, 0)",
                    (str(request.key), request.token, request.amount, request.currency, request.capture, state),
                )
                self._note(request.key, request.amount, state)
            elif known.state is not State.CANCELED or known.amount:
                self._refuse_reuse(
                    request.key,
                    (known.token, known.amount, known.currency) == (request.token, request.amount, request.currency),
                )
        if known is not None and known.state is State.REQUIRES_ACTION:
            return self.move(request.key, State.REQUIRES_ACTION, paid(captures=request.capture))
        return self._known(request.key)

    def move(self, key: UUID, before: State, after: State) -> Charge:
        """Take a charge on, if it is where it is thought to be."""
        with self._transaction():
            charge = self._known(key)
            if charge.state is before:
                self._connection.execute("UPDATE charge SET state = ? WHERE key = ?", (after, str(key)))
                self._note(key, charge.amount, after)
        return self._known(key)

    def cancel(self, key: UUID) -> Charge:
        """See to it that nothing will be charged under a key; what was charged or is being charged stays."""
        with self._transaction():
            self._connection.execute(
                "INSERT INTO charge VALUES (?, '', 0, '', 0, ?, 0) ON CONFLICT DO NOTHING", (str(key), State.CANCELED)
            )
            self._connection.execute(
                "UPDATE charge SET state = ? WHERE key = ? AND state IN (?, ?)",
                (State.CANCELED, str(key), State.REQUIRES_ACTION, State.REQUIRES_PAYMENT_METHOD),
            )
        return self._known(key)

    def give_back(self, key: UUID, *, payment: UUID, amount: int) -> bool:
        """Return money once per key; False: there is not so much to return. Raises `KeyReused`."""
        with self._transaction():
            earlier = self._connection.execute(
                "SELECT charge, amount, is_done FROM refund WHERE key = ?", (str(key),)
            ).fetchone()
            if earlier is not None:
                self._refuse_reuse(key, earlier[:2] == (str(payment), amount))
                return bool(earlier[2])
            charge = self._known(payment)
            is_done = charge.state in TAKEN and charge.returned + amount <= charge.amount
            self._connection.execute(
                "INSERT INTO refund VALUES (?, ?, ?, ?)", (str(key), str(payment), amount, is_done)
            )
            if is_done:
                after = State.CANCELED if charge.state is State.REQUIRES_CAPTURE else charge.state
                self._connection.execute(
                    "UPDATE charge SET returned = returned + ?, state = ? WHERE key = ?", (amount, after, str(payment))
                )
                self._connection.execute("INSERT INTO movement VALUES (?, ?)", (str(payment), -amount))
        return is_done

    def _charges(self, where: str, *values: str) -> Iterator[Charge]:
        columns = "key, token, amount, currency, captures, state, returned"
        rows = self._connection.execute(f"SELECT {columns} FROM charge {where} ORDER BY key", values)  # noqa: S608
        for key, token, amount, currency, captures, state, returned in rows:
            yield Charge(UUID(key), token, amount, currency, bool(captures), State(state), returned)

    def _known(self, key: UUID) -> Charge:
        charge = self.find(key)
        assert charge is not None, key
        return charge

    def _note(self, key: UUID, amount: int, state: State) -> None:
        if state in TAKEN:
            self._connection.execute("INSERT INTO movement VALUES (?, ?)", (str(key), amount))

    def _refuse_reuse(self, key: UUID, is_same: bool) -> None:
        if not is_same:
            self._connection.execute("INSERT INTO mismatch VALUES (?)", (str(key),))
            raise KeyReused(key)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            # Nothing is written before a refusal but the note of it.
            self._connection.execute("COMMIT")


def paid(*, captures: bool) -> State:
    return State.SUCCEEDED if captures else State.REQUIRES_CAPTURE

"""How does a provider behave that moves no money? Its tokens play every ending; its charges survive a crash.

`tok_visa` succeeds, `tok_declined` and `tok_insufficient_funds` are declined, `tok_error` fails, `tok_3ds` wants an
action of the buyer and succeeds when asked again, `tok_timeout` charges and then loses the answer.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, delete, select, update
from sqlmodel import Field, SQLModel

from headless.payments.rules import AnswerLost, Authorization, NextAction, Outcome, PaymentStatus
from headless.platform import clock, columns, ids
from headless.platform.db import Database, Record, Session, insert_into


class SandboxCharge(SQLModel, table=True):
    """What the sandbox remembers of a payment, one row per key, as a real provider would."""

    __tablename__ = "sandbox_charge"
    __table_args__ = (CheckConstraint("returned_amount BETWEEN 0 AND amount", name="returned_amount"),)

    key: UUID = Field(primary_key=True)
    reference: str = Field(unique=True)
    token: str
    amount: int = Field(sa_type=columns.Sequence)
    returned_amount: int = Field(default=0, sa_type=columns.Sequence)
    status: str
    return_url: str
    created_at: datetime = Field(sa_type=columns.UtcDateTime)


class SandboxReturn(SQLModel, table=True):
    """Money that the sandbox gave back, one row per key."""

    __tablename__ = "sandbox_return"

    key: UUID = Field(primary_key=True)
    charge_key: UUID
    amount: int = Field(sa_type=columns.Sequence)


charges = columns.table_of(SandboxCharge)
returns = columns.table_of(SandboxReturn)

PATIENCE_SECONDS = 6.0
"""How long it queues for SQLite's writer: an answer that is given up looks lost to who paid."""
DECLINES = {
    "tok_declined": "The card was declined. Try another one.",
    "tok_insufficient_funds": "The card has insufficient funds. Try another one.",
}
KNOWN = {"tok_visa", "tok_error", "tok_3ds", "tok_timeout", *DECLINES}


class Sandbox:
    """A provider with its own transactions in the shop's database."""

    name = "sandbox"

    def __init__(self, database: Database) -> None:
        self._database = database

    async def authorize(self, request: Authorization) -> Outcome:
        token = request.token
        if token not in KNOWN:
            return Outcome(
                PaymentStatus.DECLINED,
                message=f"The sandbox doesn't know this token. Use one of: {', '.join(sorted(KNOWN))}.",
            )
        if token == "tok_error":  # noqa: S105 - the name of a test token
            return Outcome(PaymentStatus.FAILED, message="The sandbox failed, as asked. Nothing was charged.")
        if token in DECLINES:
            return Outcome(PaymentStatus.DECLINED, message=DECLINES[token])
        paid = PaymentStatus.CAPTURED if request.capture else PaymentStatus.AUTHORIZED
        async with self._database.transaction(patience=PATIENCE_SECONDS) as session:
            written = await session.execute(
                insert_into(session, charges)
                .values(
                    key=request.key,
                    reference=f"sandbox_{ids.new().hex}",
                    token=token,
                    amount=request.amount,
                    returned_amount=0,
                    status=PaymentStatus.ACTION_REQUIRED if token == "tok_3ds" else paid,  # noqa: S105
                    return_url=request.return_url,
                    created_at=clock.now(),
                )
                .on_conflict_do_nothing()
                .returning(*charges.c)
            )
            charge = written.first()
            if charge is None:
                # Asked again: the buyer has come back from the action.
                await session.execute(
                    update(charges)
                    .where(charges.c.key == request.key, charges.c.status == PaymentStatus.ACTION_REQUIRED)
                    .values(status=paid)
                )
                charge = await _charge(session, request.key)
        if token == "tok_timeout":  # noqa: S105
            raise AnswerLost
        return _outcome(charge)

    async def find(self, key: UUID) -> Outcome | None:
        async with self._database.reading() as session:
            charge = (await session.execute(select(charges).where(charges.c.key == key))).first()
        return _outcome(charge) if charge is not None else None

    async def abandon(self, key: UUID) -> Outcome:
        async with self._database.transaction(patience=PATIENCE_SECONDS) as session:
            await session.execute(
                insert_into(session, charges)
                .values(
                    key=key, reference=f"sandbox_{ids.new().hex}", token="", amount=0, returned_amount=0,
                    status=PaymentStatus.VOIDED, return_url="", created_at=clock.now(),
                )
                .on_conflict_do_nothing()
            )  # fmt: skip
            await session.execute(
                update(charges)
                .where(charges.c.key == key, charges.c.status == PaymentStatus.ACTION_REQUIRED)
                .values(status=PaymentStatus.VOIDED)
            )
            return _outcome(await _charge(session, key))

    async def give_back(self, key: UUID, *, payment: UUID, amount: int) -> bool:
        async with self._database.transaction(patience=PATIENCE_SECONDS) as session:
            charge = await _charge(session, payment)
            fresh = await session.execute(
                insert_into(session, returns)
                .values(key=key, charge_key=payment, amount=amount)
                .on_conflict_do_nothing()
                .returning(returns.c.key)
            )
            if fresh.first() is None:
                return True
            if charge.status in {PaymentStatus.AUTHORIZED, PaymentStatus.CAPTURED}:
                void = {"status": PaymentStatus.VOIDED} if charge.status == PaymentStatus.AUTHORIZED else {}
                returned = await session.execute(
                    update(charges)
                    .where(charges.c.key == payment, charges.c.returned_amount + amount <= charges.c.amount)
                    .values(returned_amount=charges.c.returned_amount + amount, **void)
                    .returning(charges.c.key)
                )
                if returned.first() is not None:
                    return True
            # Refused: asked again with this key, the answer must not be that it was done.
            await session.execute(delete(returns).where(returns.c.key == key))
            return False


async def _charge(session: Session, key: UUID) -> Record:
    return (await session.execute(select(charges).where(charges.c.key == key).with_for_update())).one()


def _outcome(charge: Record) -> Outcome:
    status = PaymentStatus(charge.status)
    action = None
    if status is PaymentStatus.ACTION_REQUIRED:
        action = NextAction(type="REDIRECT", url=charge.return_url, client_secret=f"{charge.reference}_secret")
    return Outcome(status, reference=charge.reference, next_action=action)

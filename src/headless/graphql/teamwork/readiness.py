"""How does the API tell what would improve a product page?"""

from datetime import datetime
from typing import Any, cast

import strawberry

from headless.accounts.rules import Permission
from headless.graphql.context import Info
from headless.graphql.declare import field
from headless.merchandising import readiness
from headless.platform import ids
from headless.teamwork.rules import Answer, ChecklistItemKind

strawberry.enum(ChecklistItemKind, description="What an item of the checklist before publishing asks for.")


@strawberry.type(description="Something that the checklist asks for or that is advised.")
class ReadinessItem:
    code: ChecklistItemKind
    title: str
    is_met: bool
    hint: str | None = strawberry.field(description="What to do, as long as it isn't met.")
    is_required: bool = strawberry.field(description="Whether it can't be published without, unless by force.")
    item_id: strawberry.ID | None = strawberry.field(description="The item of the checklist; null for mere advice.")
    ticked_by: str | None
    ticked_at: datetime | None


@strawberry.type(description="How ready a product page is for shoppers.")
class ProductReadiness:
    score: int = strawberry.field(description="How much of it is met, in percent.")
    items: list[ReadinessItem]


def readiness_of_product() -> Any:
    """The field `readiness` of products."""

    async def read(self: Any, info: Info) -> ProductReadiness | None:
        """What the checklist wants of it and what would improve its page."""
        found = cast("readiness.Readiness", await info.context.load(readiness.readiness_by_product, self.id))
        return ProductReadiness(score=found.score, items=[_shown(answer) for answer in found.answers])

    return field(requires=Permission.READ_PRODUCTS)(read)


def _shown(answer: Answer) -> ReadinessItem:
    item, tick = answer.item, answer.tick
    return ReadinessItem(
        code=item.kind,
        title=item.title,
        is_met=answer.is_met,
        hint=answer.hint,
        is_required=item.is_required,
        item_id=strawberry.ID(ids.encode("checklist_item", item.id)) if item.id is not None else None,
        ticked_by=tick.by if tick is not None else None,
        ticked_at=tick.at if tick is not None else None,
    )

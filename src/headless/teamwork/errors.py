"""What can teamwork refuse?"""

from __future__ import annotations

from headless.platform.errors import Refusal


class VersionUnknown(Refusal):
    """The record's history doesn't reach back to this version, or never had it."""


class NotYourComment(Refusal):
    """Only its author may change or delete a comment. Answer it instead."""


class ChecklistIncomplete(Refusal):
    """The product lacks something that the checklist requires before it is published."""

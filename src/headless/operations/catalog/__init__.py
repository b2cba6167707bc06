"""Is what the catalog keeps beside its products equal to what they are? What isn't can be made so."""

from headless.operations.catalog.check import Check, Finding, Problem
from headless.operations.catalog.running import CHECKS, find_all, repair

__all__ = ["CHECKS", "Check", "Finding", "Problem", "find_all", "repair"]

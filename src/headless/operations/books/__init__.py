"""Is what the shop has written down true? One statement for every promise; each finds the rows that break it."""

from headless.operations.books.check import Check, Finding, Sample, Severity
from headless.operations.books.running import CHECKS, find, find_all

__all__ = ["CHECKS", "Check", "Finding", "Sample", "Severity", "find", "find_all"]

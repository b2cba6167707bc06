"""How did the soak go? Makes a table of the test results that pytest wrote: `report.py junit.xml > report.md`."""

import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

BAD = ("failure", "error", "skipped")


def report(junit: str) -> str:
    """The Markdown table of a file in JUnit's format, and the sums in front of it."""
    cases = list(ET.fromstring(junit).iter("testcase"))
    ended = [_result(case) for case in cases]
    seconds = sum(float(case.get("time", 0)) for case in cases)
    passed, skipped = ended.count("passed"), ended.count("skipped")
    lines = [
        "# Soak",
        "",
        f"{passed} passed, {len(ended) - passed - skipped} failed, {skipped} skipped; {seconds:.0f} s of tests.",
        "",
        "| test | rounds | seconds | result |",
        "|---|---:|---:|---|",
        *(_row(case, result) for case, result in zip(cases, ended, strict=True)),
    ]
    return "\n".join(lines)


def _row(case: ET.Element, result: str) -> str:
    name = f"{case.get('classname', '')}::{case.get('name', '')}".replace("|", "\\|")
    return f"| {name} | {next(_rounds(case), '1')} | {float(case.get('time', 0)):.1f} | {result} |"


def _rounds(case: ET.Element) -> Iterator[str]:
    for kept in case.iter("property"):
        if kept.get("name") == "rounds":
            yield kept.get("value", "")


def _result(case: ET.Element) -> str:
    return next((kind for kind in BAD if case.find(kind) is not None), "passed")


if __name__ == "__main__":
    sys.stdout.write(report(Path(sys.argv[1]).read_text(encoding="utf-8")) + "\n")

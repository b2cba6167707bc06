"""Does the report of a soak say what was run, how often, and what failed?"""

from tests.crashes.report import report

JUNIT = """<?xml version="1.0" encoding="utf-8"?>
<testsuites><testsuite name="pytest">
<testcase classname="tests.crashes.test_kill" name="test_one[sqlite]" time="61.25">
<properties><property name="rounds" value="20"/></properties></testcase>
<testcase classname="tests.races.test_http" name="test_two[a|b]" time="1"><failure message="no">x</failure></testcase>
<testcase classname="tests.races.test_http" name="test_three" time="0"><skipped message="none"/></testcase>
<testcase classname="tests.races.test_http" name="test_four" time="0.04"><error message="no">x</error></testcase>
</testsuite></testsuites>"""


def test_report_has_a_row_for_every_test() -> None:
    assert report(JUNIT).splitlines() == [
        "# Soak",
        "",
        "1 passed, 2 failed, 1 skipped; 62 s of tests.",
        "",
        "| test | rounds | seconds | result |",
        "|---|---:|---:|---|",
        "| tests.crashes.test_kill::test_one[sqlite] | 20 | 61.2 | passed |",
        "| tests.races.test_http::test_two[a\\|b] | 1 | 1.0 | failure |",
        "| tests.races.test_http::test_three | 1 | 0.0 | skipped |",
        "| tests.races.test_http::test_four | 1 | 0.0 | error |",
    ]

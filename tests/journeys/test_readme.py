"""Do the README's commands do what it says, copied word for word?"""

import asyncio
import re
import subprocess
from pathlib import Path

from tests.conftest import ROOT, Templates
from tests.serving import serving

BLOCKS = re.compile(r"```sh\n(.*?)```", re.DOTALL)


async def test_the_walk_of_the_readme_ends_in_an_order(templates: Templates, tmp_path: Path) -> None:
    commands = [block for block in BLOCKS.findall((ROOT / "README.md").read_text("utf-8")) if "8000/graphql" in block]

    async with templates.sqlite() as database_url, serving(database_url, tmp_path) as served:
        first_query, walk = [await _run(block.replace("http://127.0.0.1:8000", served.urls[0])) for block in commands]

    assert first_query.count('"quantityAvailable"') == 3
    assert '"problems":[]' in walk
    assert '"status":"CONFIRMED"' in walk
    assert '"userErrors":[]' in walk


async def _run(script: str) -> str:
    done = await asyncio.to_thread(
        subprocess.run,
        ["bash", "-euo", "pipefail", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout

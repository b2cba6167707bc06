"""How fast does a product file become a catalog, in how much memory? `python -m bench.imports FILE` is the child."""

from __future__ import annotations

import asyncio
import csv
import os
import random
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import orjson

from bench.processes import SetupFailed, output_of
from bench.servers import HEADLESS, ROOT, environment_of
from headless.merchandising import importing, opening, shopify_csv
from headless.platform.db import Database
from headless.settings import Settings

ROWS = 10_000
VARIANTS = 3
COLUMNS = (
    *("Handle", "Title", "Body (HTML)", "Vendor", "Type", "Tags", "Published", "Option1 Name", "Option1 Value"),
    *("Variant SKU", "Variant Grams", "Variant Inventory Tracker", "Variant Inventory Qty", "Variant Price"),
    *("Variant Barcode", "Image Src", "Image Position", "Image Alt Text", "Status"),
)


@dataclass(frozen=True, slots=True)
class Imported:
    """One import of a file."""

    name: str
    rows: int
    seconds: float
    cpu_seconds: float
    peak_mb: float

    @property
    def per_second(self) -> float:
        return self.rows / self.seconds

    @property
    def per_cpu_second(self) -> float:
        return self.rows / self.cpu_seconds


async def measure(directory: Path, database: str, *, say: Callable[[str], None]) -> list[Imported]:
    """Import a tenth of a file, the file, it once more, and with other prices, each in a process of its own."""
    shop = directory / "import"
    shop.mkdir()
    environment = environment_of(shop, port=0, database=database)
    await output_of([HEADLESS, "migrate"], environment=environment, directory=shop)
    prefix = f"bench-{random.randrange(10**9)}"
    small, whole = shop / "small.csv", shop / "whole.csv"
    write_file(small, rows=ROWS // 10, prefix=f"{prefix}-small")
    write_file(whole, rows=ROWS, prefix=prefix)
    changed = shop / "changed.csv"
    write_file(changed, rows=ROWS, prefix=prefix, cents=95)
    found = []
    for name, file in (("new", small), ("new", whole), ("unchanged", whole), ("changed", changed)):
        say(f"import, {name}")
        command = [sys.executable, "-m", "bench.imports", str(file)]
        answer = orjson.loads(await output_of(command, environment=environment, directory=ROOT))
        if answer["refused"]:
            raise SetupFailed(f"The import refused {answer['refused']} products.")
        del answer["refused"]
        found.append(Imported(name=name, **answer))
    return found


def write_file(path: Path, *, rows: int, prefix: str, cents: int = 90) -> None:
    """Write products of a few variants each, with a picture per variant."""
    with path.open("w", newline="", encoding="utf-8") as text:
        writer = csv.DictWriter(text, COLUMNS)
        writer.writeheader()
        for nth in range(rows):
            number, place = divmod(nth, VARIANTS)
            handle = f"{prefix}-{number}"
            row = {
                "Handle": handle,
                "Option1 Value": f"Size {place + 1}",
                "Variant SKU": f"{handle}-{place}",
                "Variant Grams": 100 + place,
                "Variant Inventory Tracker": "shopify",
                "Variant Inventory Qty": nth % 50,
                "Variant Price": f"{5 + nth % 90}.{cents}",
                "Image Src": f"https://img.example/{handle}-{place}.jpg",
                "Image Position": place + 1,
                "Image Alt Text": f"Picture {place + 1}",
            }
            if place == 0:
                row |= {
                    "Title": f"Sturdy thing number {number} at {cents}",
                    "Body (HTML)": f"<p>The <b>thing</b> number {number} &amp; its parts.</p><ul><li>One</li></ul>",
                    "Vendor": f"Vendor {number % 40}",
                    "Type": f"Type {number % 12}",
                    "Tags": f"summer, sale, tag {number % 7}",
                    "Published": "true",
                    "Option1 Name": "Size",
                    "Status": "active",
                }
            writer.writerow(row)


async def _import(file: Path) -> dict[str, float]:
    database = Database(Settings().database)
    await opening.open_default_shop(database)
    began, began_cpu = time.perf_counter(), time.process_time()
    with file.open("rb") as raw, shopify_csv.decode(raw) as text:
        report = await importing.import_products(database, shopify_csv.read(text))
    taken, cpu = time.perf_counter() - began, time.process_time() - began_cpu
    await database.close()
    unit = 1_000_000 if sys.platform == "darwin" else 1_000
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    return {"rows": report.rows, "seconds": taken, "cpu_seconds": cpu, "peak_mb": peak, "refused": report.refused}


if __name__ == "__main__":
    os.write(1, orjson.dumps(asyncio.run(_import(Path(sys.argv[1])))))

"""Do the commands do what they say, and do they fail with one clear line?"""

import json
import os
import re
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from subprocess import CompletedProcess, Popen

import pytest
from sqlalchemy import make_url, text

from headless.cli.running import Stop, run
from headless.platform import db
from headless.platform.db import Database
from headless.settings import Settings
from tests.plugin_servers import needs_postgres

CSV = Path(__file__).parent / "merchandising" / "csv"
COMMAND = [sys.executable, "-c", "from headless.cli import main; main()"]
START_SECONDS = 60


def environment(data_dir: Path, settings: dict[str, str]) -> dict[str, str]:
    # Compiling all modules again for every command would take most of the time.
    unwanted = ("HEADLESS_", "PYTHONDONTWRITEBYTECODE")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    return inherited | {"HEADLESS_DATA_DIR": str(data_dir)} | settings


def headless(data_dir: Path, *arguments: str, **settings: str) -> CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(  # noqa: S603 - our own command
        [*COMMAND, *arguments],
        env=environment(data_dir, settings),
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )


def started(data_dir: Path, *arguments: str, **settings: str) -> Popen[str]:
    return Popen(  # noqa: S603 - our own command
        [*COMMAND, *arguments],
        env=environment(data_dir, settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def output(*commands: CompletedProcess[str]) -> list[tuple[int, str, str]]:
    return [(command.returncode, command.stdout, command.stderr) for command in commands]


def rows(data_dir: Path, query: str) -> Sequence[tuple[object, ...]]:
    with closing(sqlite3.connect(data_dir / "headless.db")) as connection:
        return connection.execute(query).fetchall()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def wait_until_ready(port: int, process: Popen[str]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                return
        except OSError:
            time.sleep(0.05)
    pytest.fail("the server did not start in time")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def migrated(data_dir: Path) -> Path:
    assert headless(data_dir, "migrate").returncode == 0
    return data_dir


def test_help_names_every_command(data_dir: Path) -> None:
    done = headless(data_dir, "--help")

    assert re.findall(r"^  ([a-z]+)  ", done.stdout, re.MULTILINE) == [
        "dev", "serve", "worker", "migrate", "seed", "schema", "doctor", "import", "export", "token",
    ]  # fmt: skip


def test_bad_settings_are_named_in_one_line(data_dir: Path) -> None:
    done = headless(data_dir, "migrate", HEADLESS_PORT="many", HEADLESS_DATABASE_URL="mysql://me:geheim@host/shop")

    assert output(done) == [
        (
            2,
            "",
            (
                "headless: HEADLESS_DATABASE_URL: must be sqlite:///path/to/file.db or "
                "postgresql://user:password@host:5432/name; "
                "HEADLESS_PORT: Input should be a valid integer, unable to parse string as an integer\n"
            ),
        )
    ]
    assert not data_dir.exists()


def test_serving_wants_a_secret_key(data_dir: Path) -> None:
    assert output(headless(data_dir, "serve")) == [
        (
            2,
            "",
            (
                "headless: HEADLESS_SECRET_KEY is not set. "
                "Set it to a long random text, such as `openssl rand -hex 32` prints.\n"
            ),
        )
    ]


@pytest.mark.parametrize("arguments", [["serve"], ["worker"], ["token", "list"]])
def test_database_that_is_not_migrated_is_refused(data_dir: Path, arguments: list[str]) -> None:
    done = headless(data_dir, *arguments, HEADLESS_SECRET_KEY="a secret of the tests", HEADLESS_PORT="0")

    assert output(done) == [(2, "", "headless: The database isn't migrated to this version. Run `headless migrate`.\n")]
    assert not data_dir.exists()


def test_database_newer_than_the_code_is_refused(migrated: Path) -> None:
    with closing(sqlite3.connect(migrated / "headless.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'from the future'")

    for arguments in (["migrate"], ["serve"], ["dev"]):
        done = headless(migrated, *arguments, HEADLESS_SECRET_KEY="a secret of the tests", HEADLESS_PORT="0")

        assert output(done) == [
            (
                2,
                "",
                (
                    "headless: The database is newer than this headless. "
                    "Install the version that migrated it, or a later one.\n"
                ),
            )
        ]


def test_unreachable_database_is_told_without_its_password(data_dir: Path) -> None:
    done = headless(data_dir, "migrate", HEADLESS_DATABASE_URL=f"postgresql://me:geheim@127.0.0.1:{free_port()}/shop")

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert re.match(
        r"headless: The database postgresql\+asyncpg://me:\*\*\*@127.0.0.1:\d+/shop can't be reached: .+\. "
        r"Check HEADLESS_DATABASE_URL\.$",
        done.stderr,
    )


def test_unknown_database_is_told_in_one_line(data_dir: Path) -> None:
    url = make_url(needs_postgres()).set(database="nowhere").render_as_string(hide_password=False)

    done = headless(data_dir, "migrate", HEADLESS_DATABASE_URL=url)

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.endswith('can\'t be reached: database "nowhere" does not exist. Check HEADLESS_DATABASE_URL.\n')


@pytest.mark.parametrize("is_translated", [True, False])
def test_statement_that_took_too_long_is_told_as_that(is_translated: bool) -> None:
    settings = Settings(database_url=needs_postgres())

    async def wait() -> None:
        database = Database(settings.database)
        try:
            async with database.reading() as session:
                await session.execute(text("SET LOCAL statement_timeout = '10ms'"))
                with db.translated() if is_translated else nullcontext():
                    await session.execute(text("SELECT pg_sleep(5)"))
        finally:
            await database.close()

    with pytest.raises(Stop) as stopped:
        run(wait(), settings)

    assert re.fullmatch(
        r"The database postgresql\+asyncpg://\S+ took too long: canceling statement due to statement timeout\. "
        r"What was done before is kept; try again\.",
        str(stopped.value),
    )


def test_file_that_is_no_database_is_told_in_one_line(data_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("Remember the milk. " * 100)

    done = headless(data_dir, "migrate", HEADLESS_DATABASE_URL=f"sqlite:///{tmp_path / 'notes.txt'}")

    assert output(done) == [
        (
            2,
            "",
            (
                f"headless: The database {tmp_path / 'notes.txt'} can't be reached: file is not a database. "
                "Check HEADLESS_DATABASE_URL.\n"
            ),
        )
    ]


def test_migrating_twice_is_harmless(data_dir: Path) -> None:
    first, second = headless(data_dir, "migrate"), headless(data_dir, "migrate")

    file = data_dir / "headless.db"
    assert output(first, second) == [
        (0, f"Migrated: {file}\nOpened My shop with the channel `default` in EUR\n", ""),
        (0, f"Is up to date: {file}\n", ""),
    ]
    assert mode(data_dir) == 0o700


def test_two_migrations_at_once_make_one_schema(data_dir: Path) -> None:
    both = [started(data_dir, "migrate") for _ in range(2)]

    ends = [(*process.communicate(timeout=START_SECONDS), process.returncode) for process in both]

    assert [(errors, code) for _printed, errors, code in ends] == [("", 0), ("", 0)]
    assert rows(data_dir, "SELECT count(*) FROM alembic_version") == [(1,)]
    assert rows(data_dir, "SELECT name FROM shop") == [("My shop",)]


def test_migration_finds_nothing_to_do_on_either_database(tmp_path: Path, database_url: str) -> None:
    first = headless(tmp_path, "migrate", HEADLESS_DATABASE_URL=database_url)
    second = headless(tmp_path, "doctor", HEADLESS_DATABASE_URL=database_url)

    assert (first.returncode, first.stderr, first.stdout.startswith("Is up to date: ")) == (0, "", True)
    assert (second.returncode, second.stderr) == (0, "")


def test_token_stands_alone_on_standard_output_until_it_is_revoked(migrated: Path) -> None:
    made = headless(migrated, "token", "create", "--name", "till", "-p", "read_orders", "-p", "WRITE_PRODUCTS")
    listed = headless(migrated, "token", "list")
    token_id = re.findall(r"token_\w+", listed.stdout)[0]
    revoked = headless(migrated, "token", "revoke", token_id)
    again = headless(migrated, "token", "revoke", token_id)

    assert (made.returncode, made.stderr) == (0, "")
    assert re.fullmatch(r"hl_[\w-]{43}\n", made.stdout)
    assert re.search(rf"{token_id} +till +READ_ORDERS, WRITE_PRODUCTS +\d{{4}}-\d\d-\d\d", listed.stdout)
    assert output(revoked, again) == [
        (0, "", ""),
        (2, "", f"headless: There is no valid token {token_id}. `headless token list` shows them.\n"),
    ]


def test_token_expires_when_it_was_told_to(migrated: Path) -> None:
    create = ("token", "create", "--all", "--expires-at")
    over = headless(migrated, *create, "2020-01-01T00:00:00", "--name", "old")
    made = headless(migrated, *create, "2199-12-31", "--name", "till")
    listed = headless(migrated, "token", "list")

    assert output(over) == [(2, "", "headless: A token expires in the future, or never.\n")]
    assert (made.returncode, made.stderr) == (0, "")
    assert re.search(r"till +everything +\d{4}-\d\d-\d\d +2199-12-31 *\n", listed.stdout)
    assert "old" not in listed.stdout


def test_token_wants_known_permissions(data_dir: Path) -> None:
    unknown = headless(data_dir, "token", "create", "--name", "x", "-p", "READ_MINDS", "-p", "READ_ORDERS")
    none = headless(data_dir, "token", "create", "--name", "x")

    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert unknown.stderr.startswith("headless: There is no permission READ_MINDS. There are: READ_PRODUCTS, ")
    assert output(none) == [
        (
            2,
            "",
            "headless: Say what the token may do: either --permission, once or several times, or --all.\n",
        )
    ]


def test_import_into_an_empty_database_opens_a_shop_and_runs_again_without_a_trace(data_dir: Path) -> None:
    file = str(CSV / "shop.csv")

    dry = headless(data_dir, "import", "products", file, "--dry-run")
    assert rows(data_dir, "SELECT count(*) FROM product") == [(0,)]
    first = headless(data_dir, "import", "products", file)
    second = headless(data_dir, "import", "products", file, "--stock")

    assert output(dry, first, second) == [
        (
            0,
            "Dry run, nothing was kept. Products: 4 created, 0 updated, 0 unchanged, 0 refused. Problems: 0.\n",
            "",
        ),
        (0, "Products: 4 created, 0 updated, 0 unchanged, 0 refused. Problems: 0.\n", ""),
        (0, "Products: 0 created, 0 updated, 4 unchanged, 0 refused. Problems: 0.\n", ""),
    ]
    assert rows(data_dir, "SELECT max(version) FROM variant") == [(1,)]


def test_import_names_rows_with_problems_and_goes_on(data_dir: Path) -> None:
    done = headless(data_dir, "import", "products", str(CSV / "publication.csv"))

    assert output(done) == [
        (
            1,
            "Products: 4 created, 0 updated, 0 unchanged, 0 refused. Problems: 2.\n",
            (
                'line 5, Published: "perhaps" is neither true nor false, so the product is not published; '
                "write one of them.\n"
                'line 5, Status: "Unlisted" is not a known status, so the product is a draft; '
                "write active, draft or archived.\n"
            ),
        )
    ]


def test_import_of_what_is_no_product_file_is_a_usage_error(migrated: Path, tmp_path: Path) -> None:
    missing = headless(migrated, "import", "products", str(tmp_path / "none.csv"))
    foreign = headless(migrated, "import", "products", str(CSV / "missing_columns.csv"))
    channel = headless(migrated, "import", "products", str(CSV / "shop.csv"), "--channel", "moon")

    assert output(missing, channel) == [
        (2, "", f"headless: {tmp_path / 'none.csv'} can't be read: No such file or directory.\n"),
        (2, "", "headless: There is no channel 'moon'.\n"),
    ]
    assert (foreign.returncode, foreign.stderr.startswith("line 1: The first line must name the columns")) == (2, True)


def test_stock_file_is_written_whole_or_not_at_all(data_dir: Path, tmp_path: Path) -> None:
    headless(data_dir, "import", "products", str(CSV / "shop.csv"))
    ((place,),) = rows(data_dir, "SELECT handle FROM location")
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text("SKU,On hand\nTOWEL-R,7\n")
    bad.write_text(f"SKU,Location,On hand\nTOWEL-R,{place},8\nNOTHING,{place},1\n")

    def imported(file: Path, *options: str) -> CompletedProcess[str]:
        return headless(data_dir, "import", "stock", str(file), "--location", str(place), *options)

    found = [
        imported(good, "--dry-run"), imported(good), imported(good), imported(bad), imported(bad, "--skip-errors"),
        imported(tmp_path / "none.csv"), imported(CSV / "missing_columns.csv"),
    ]  # fmt: skip

    unknown = 'line 3, SKU: No variant has the SKU "NOTHING". Correct it, or make the product first.\n'
    columns = "line 1: The first line must name the columns, and these are missing: "
    assert output(*found)[:6] == [
        (0, "Dry run, nothing was kept. Quantities: 1 changed, 0 unchanged. Problems: 0.\n", ""),
        (0, "Quantities: 1 changed, 0 unchanged. Problems: 0.\n", ""),
        (0, "Quantities: 0 changed, 1 unchanged. Problems: 0.\n", ""),
        (1, "Nothing was written. Quantities: 0 changed, 0 unchanged. Problems: 1.\n", unknown),
        (1, "Quantities: 1 changed, 0 unchanged. Problems: 1.\n", unknown),
        (2, "", f"headless: {tmp_path / 'none.csv'} can't be read: No such file or directory.\n"),
    ]
    assert (found[6].returncode, found[6].stderr.startswith(columns)) == (2, True)
    assert rows(data_dir, "SELECT on_hand FROM level JOIN variant ON id = variant_id WHERE sku = 'TOWEL-R'") == [(8,)]


def test_doctor_finds_stock_that_went_past_the_books(data_dir: Path) -> None:
    headless(data_dir, "import", "products", str(CSV / "shop.csv"))
    healthy = headless(data_dir, "doctor")
    with closing(sqlite3.connect(data_dir / "headless.db")) as connection, connection:
        connection.execute("UPDATE level SET on_hand = on_hand + 1")
    sick = headless(data_dir, "doctor")

    assert (healthy.returncode, healthy.stdout.count("✓"), healthy.stdout.count("✗")) == (0, 5, 0)
    assert (sick.returncode, sick.stdout.count("✓"), sick.stdout.count("✗")) == (1, 4, 1)
    assert "The books are broken: ledger (3)" in sick.stdout


def test_doctor_finds_books_that_balance(migrated: Path) -> None:
    table = headless(migrated, "doctor", "books")
    document = headless(migrated, "doctor", "books", "--json")

    found = json.loads(document.stdout)
    assert (table.returncode, table.stderr, table.stdout.count("✗")) == (0, "", 0)
    assert table.stdout.count("✓") == len(found["books"]) > 20
    assert (document.returncode, found["violations"]) == (0, 0)
    assert {(book["violations"], tuple(book["samples"])) for book in found["books"]} == {(0, ())}


def test_doctor_names_promises_that_are_broken(data_dir: Path) -> None:
    headless(data_dir, "import", "products", str(CSV / "shop.csv"))
    with closing(sqlite3.connect(data_dir / "headless.db")) as connection, connection:
        connection.execute("UPDATE level SET on_hand = on_hand + 1")

    table = headless(data_dir, "doctor", "books")
    document = headless(data_dir, "doctor", "books", "--json")

    found = json.loads(document.stdout)
    ledger = next(book for book in found["books"] if book["name"] == "ledger")
    samples = [sample["id"] for sample in ledger["samples"]]
    assert (table.returncode, table.stdout.count("✗"), document.returncode) == (1, 1, 1)
    assert re.search(rf"✗ +ledger +3 +{', '.join(samples)}", table.stdout)
    assert f"ledger (CRITICAL): {ledger['description']}\n  {samples[0]}  on_hand at location_" in table.stdout
    assert (found["violations"], ledger["violations"], ledger["severity"]) == (3, 3, "CRITICAL")
    assert all(re.fullmatch(r"on_hand at location_\w+ is off by \+1", one["detail"]) for one in ledger["samples"])


def test_books_of_a_database_that_is_not_migrated_can_not_be_checked(data_dir: Path) -> None:
    assert output(headless(data_dir, "doctor", "books")) == [
        (2, "", "headless: The database isn't migrated to this version. Run `headless migrate`.\n")
    ]


def test_seed_fills_an_empty_database_once(data_dir: Path) -> None:
    first, second = headless(data_dir, "seed"), headless(data_dir, "seed")

    assert output(first, second) == [
        (
            0,
            "Drawing the demo shop's pictures\nFilling the demo shop\n60 products, 162 variants, 117 pictures\n",
            "",
        ),
        (0, "The shop has products already, or had: nothing was changed.\n", ""),
    ]
    with closing(sqlite3.connect(data_dir / "headless.db")) as connection:
        unnumbered, numbered, head = connection.execute(
            "SELECT count(*) FILTER (WHERE position IS NULL), max(position), (SELECT position FROM log_head) FROM fact"
        ).fetchone()
    assert (unnumbered, numbered) == (0, head)


def test_port_in_use_is_told_before_anything_is_touched(data_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = headless(data_dir, "dev", HEADLESS_PORT=str(port))

    assert output(done) == [
        (
            2,
            "",
            f"headless: Port {port} on 127.0.0.1 is in use. Choose another one: HEADLESS_PORT={port + 1}.\n",
        )
    ]
    assert not data_dir.exists()


def test_development_shop_comes_up_and_keeps_its_secrets_and_ends_in_order(data_dir: Path) -> None:
    port, printed, errors = free_port(), [], []
    for number in (signal.SIGTERM, signal.SIGINT):
        process = started(data_dir, "dev", HEADLESS_PORT=str(port))
        try:
            wait_until_ready(port, process)
            token = (data_dir / "token").read_text().strip()
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/graphql",
                data=b'{"query": "{ shop { name } viewer { permissions } }"}',
                headers={"Content-Type": "application/json", "Authorization": f"Bearer {token}"},
            )
            with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - our own server
                data = json.load(response)["data"]
            process.send_signal(number)
            out, err = process.communicate(timeout=START_SECONDS)
        finally:
            process.kill()
        printed.append(out)
        errors.append((process.returncode, err))

        assert data["shop"] == {"name": "Fieldnotes Supply"}
        assert len(data["viewer"]["permissions"]) == 15
        assert f"  API         http://127.0.0.1:{port}/graphql\n" in out
        assert f"  Token       {token}\n" in out

    assert errors == [(0, ""), (0, "")]
    assert printed[0].startswith("Migrating the database\nDrawing the demo shop's pictures\nFilling the demo shop\n")
    assert printed[0].endswith(printed[1])
    assert [mode(data_dir / name) for name in ("", "secret", "token")] == [0o700, 0o600, 0o600]


def test_development_token_is_made_again_when_the_database_does_not_know_it(migrated: Path) -> None:
    (migrated / "token").write_text("hl_of_another_database\n")
    port = free_port()
    process = started(migrated, "dev", HEADLESS_PORT=str(port))
    try:
        wait_until_ready(port, process)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=START_SECONDS)
    finally:
        process.kill()

    assert re.fullmatch(r"hl_[\w-]{43}\n", (migrated / "token").read_text())
    assert mode(migrated / "token") == 0o600

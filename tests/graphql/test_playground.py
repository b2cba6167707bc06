"""Does a browser get a playground at `/graphql` that works, and that loads nothing from elsewhere?"""

import re
from pathlib import Path

import pytest
from graphql import build_schema, parse, validate
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from headless.graphql import playground

SCHEMA = Path(__file__).parents[2] / "schema.graphql"
EXAMPLES = re.findall(r"query: `([^`]*)`", (playground.STATIC / "examples.js").read_text("utf-8"))


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "static" / "playground"
    (directory / "assets").mkdir(parents=True)
    (directory / "index.html").write_text("<!doctype html><title>built</title>")
    (directory / "assets" / "index-Qf6gzL54.js").write_text("export {};")
    (directory / "assets" / "index-Cjf9rYb8.css").write_text("body {}")
    (directory / "assets" / "codicon-DCmgcDay.ttf").write_bytes(b"\0\1\0\0")
    (tmp_path / "static" / "secret.js").write_text("export const secret = 1;")
    monkeypatch.setattr(playground, "BUILD", directory)
    return directory


@pytest.fixture
def no_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playground, "BUILD", tmp_path / "absent")


def browser() -> TestClient:
    async def graphql(_: Request) -> Response:
        return playground.page()

    return TestClient(Starlette(routes=[Route("/graphql", graphql), *playground.routes()]))


@pytest.mark.usefixtures("build")
def test_page_is_the_build_where_there_is_one() -> None:
    response = browser().get("/graphql")

    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "<title>built</title>" in response.text


@pytest.mark.usefixtures("no_build")
def test_page_falls_back_to_the_small_one() -> None:
    response = browser().get("/graphql")

    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "<title>headless playground</title>" in response.text
    assert "make playground" in response.text


@pytest.mark.usefixtures("build")
def test_page_is_locked_down_and_never_cached() -> None:
    headers = browser().get("/graphql").headers

    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["connect-src"] == "'self' ws: wss:"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["base-uri"] == "'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert headers["vary"] == "Accept"


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("assets/index-Qf6gzL54.js", "text/javascript; charset=utf-8"),
        ("assets/index-Cjf9rYb8.css", "text/css; charset=utf-8"),
        ("assets/codicon-DCmgcDay.ttf", "font/ttf"),
    ],
)
def test_hashed_assets_are_typed_and_kept_forever(build: Path, path: str, media_type: str) -> None:
    response = browser().get(f"/playground/{path}")

    assert response.status_code == 200
    assert response.content == (build / path).read_bytes()
    assert response.headers["content-type"] == media_type
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.usefixtures("build")
def test_known_asset_is_not_sent_again() -> None:
    client = browser()
    etag = client.get("/playground/assets/index-Qf6gzL54.js").headers["etag"]

    response = client.get("/playground/assets/index-Qf6gzL54.js", headers={"If-None-Match": etag})

    assert response.status_code == 304
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.usefixtures("no_build")
def test_everything_the_small_page_loads_is_served() -> None:
    client = browser()
    html = client.get("/graphql").text
    script = client.get("/playground/fallback.js").text

    loaded = re.findall(r'(?:src|href)="(/playground/[^"]+)"', html) + re.findall(r'from "(/playground/[^"]+)"', script)

    assert sorted(loaded) == ["/playground/examples.js", "/playground/fallback.css", "/playground/fallback.js"]
    for path in loaded:
        response = client.get(path)
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/css" if path.endswith("css") else "text/javascript")
        assert response.headers["cache-control"] == "no-cache"


def test_small_page_needs_nothing_inline_and_nothing_from_elsewhere() -> None:
    html = (playground.STATIC / "fallback.html").read_text("utf-8")

    assert "<style" not in html
    assert not re.search(r"\s(style|on\w+)=", html)
    assert not re.search(r"<script(?![^>]*\ssrc=)", html)
    assert "//" not in re.sub(r"<!--.*?-->", "", html)


def test_build_made_while_the_server_runs_is_picked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tmp_path / "late"
    monkeypatch.setattr(playground, "BUILD", directory)
    client = browser()
    assert client.get("/playground/assets/late-Qf6gzL54.js").status_code == 404

    (directory / "assets").mkdir(parents=True)
    (directory / "index.html").write_text("<title>late</title>")
    (directory / "assets" / "late-Qf6gzL54.js").write_text("export {};")

    assert client.get("/graphql").text == "<title>late</title>"
    assert client.get("/playground/assets/late-Qf6gzL54.js").status_code == 200


@pytest.mark.usefixtures("build")
@pytest.mark.parametrize(
    "path",
    [
        "../secret.js",
        "..%2fsecret.js",
        "assets/..%2f..%2fsecret.js",
        "%2e%2e/secret.js",
        "..%5csecret.js",
        "%2fetc%2fpasswd",
        "/etc/passwd",
        "..%2f..%2fplayground.py",
        "assets",
        "assets/absent.js",
        "%00",
        "",
    ],
)
def test_nothing_outside_is_served(path: str) -> None:
    assert browser().get(f"/playground/{path}").status_code == 404


@pytest.mark.usefixtures("build")
def test_only_reading_is_allowed() -> None:
    assert browser().post("/playground/assets/index-Qf6gzL54.js").status_code == 405


def test_there_are_four_examples() -> None:
    assert len(EXAMPLES) == 4


@pytest.mark.parametrize("document", EXAMPLES)
def test_examples_are_valid_documents(document: str) -> None:
    parsed = parse(document)

    if SCHEMA.exists():
        assert validate(build_schema(SCHEMA.read_text("utf-8")), parsed) == []

"""Does only what is a picture become one, and does nothing come along with it?"""

import asyncio
from io import BytesIO
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from headless.platform import images
from headless.platform.errors import Unavailable
from headless.platform.images import ImageFormat, NotAPicture, Picture, Studio, TooManyPixels
from tests.pictures import NOT_PICTURES, PROFILE, SECRET, bomb, film, halves, opened, photo, picture

MOST = 1_000_000


def cleaned(content: bytes, most_pixels: int = MOST) -> tuple[Picture, bytes]:
    made = images.cleaned(BytesIO(content), most_pixels=most_pixels)
    with made.content:
        return made, made.content.read()


def is_red(color: object) -> bool:
    assert isinstance(color, tuple)
    return bool(color[0] > 150 and color[2] < 100)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "WEBP", "AVIF"])
def test_picture_stays_what_it_is(format: str) -> None:
    made, content = cleaned(picture(format))

    assert (made.format, made.width, made.height, made.size) == (format, 64, 32, len(content))
    shown = opened(content).convert("RGB")
    assert is_red(shown.getpixel((4, 4)))
    assert not is_red(shown.getpixel((60, 4)))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_photo_is_turned_upright_and_forgets_where_it_was_taken(format: str) -> None:
    taken = photo(format)
    assert SECRET in taken

    made, content = cleaned(taken)

    assert SECRET not in content
    shown = opened(content)
    assert dict(shown.getexif()) == {}
    assert "comment" not in shown.info
    assert shown.info["icc_profile"] == PROFILE
    assert (made.width, made.height) == shown.size == (600, 800)
    colors = shown.convert("RGB")
    assert is_red(colors.getpixel((300, 100)))
    assert not is_red(colors.getpixel((300, 700)))


def test_no_format_has_a_place_where_notes_survive() -> None:
    note = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">' + SECRET + b"</x:xmpmeta>"
    texts = PngImagePlugin.PngInfo()
    texts.add_itxt("XML:com.adobe.xmp", note.decode())
    texts.add_text("Comment", SECRET.decode())
    frames = [Image.new("RGB", (40, 20), (20 * nth, 0, 0)) for nth in range(3)]
    noted: dict[str, dict[str, Any]] = {
        "JPEG": {"xmp": note, "comment": SECRET},
        "PNG": {"pnginfo": texts},
        "GIF": {"comment": SECRET},
        "WEBP": {"xmp": note},
        "AVIF": {"xmp": note},
    }

    for format, notes in noted.items():
        for moving in ({}, {"save_all": True, "append_images": frames[1:], "duration": 50}):
            if format == "JPEG" and moving:
                continue
            written = BytesIO()
            frames[0].save(written, format=format, **notes, **moving)
            _made, content = cleaned(written.getvalue())
            assert SECRET in written.getvalue()
            assert SECRET not in content, (format, moving)
    assert SECRET not in cleaned(photo("AVIF"))[1]


def test_photo_that_lies_right_keeps_its_quality() -> None:
    taken = photo(orientation=1)

    _made, content = cleaned(taken)

    assert SECRET not in content
    assert getattr(opened(content), "quantization", 1) == getattr(opened(taken), "quantization", 2)


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
def test_moving_picture_keeps_its_frames(format: str) -> None:
    made, content = cleaned(film(format))

    shown = Image.open(BytesIO(content))
    durations = []
    for frame in range(3):
        shown.seek(frame)
        shown.load()
        durations.append(int(shown.info["duration"]))
    assert (made.width, made.height, getattr(shown, "n_frames", 1), durations) == (40, 20, 3, [100, 200, 300])


@pytest.mark.parametrize("name", NOT_PICTURES)
def test_what_is_no_picture_is_refused(name: str) -> None:
    with pytest.raises(NotAPicture) as refused:
        cleaned(NOT_PICTURES[name])

    assert ("SVG isn't taken" in str(refused.value)) is name.startswith("svg")


def test_bomb_is_not_even_lit() -> None:
    assert len(bomb()) < 200

    with pytest.raises(TooManyPixels):
        cleaned(bomb())
    with pytest.raises(TooManyPixels, match=r"2000 by 1000 pixels; at most 1 megapixels"):
        cleaned(bomb(2_000, 1_000))


def test_film_with_too_many_frames_for_its_size_is_refused() -> None:
    assert cleaned(film(frames=8), most_pixels=40 * 20)[0].width == 40
    with pytest.raises(TooManyPixels, match="too many frames"):
        cleaned(film(frames=10), most_pixels=40 * 20)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "WEBP", "AVIF"])
def test_damaged_picture_is_refused(format: str) -> None:
    whole = picture(format, 300, 200)
    for content in (whole[: len(whole) // 2], whole[:40], whole[:20] + bytes(len(whole) - 20)):
        with pytest.raises(NotAPicture):
            cleaned(content)


def test_what_is_hidden_behind_a_picture_is_left_behind() -> None:
    _made, content = cleaned(picture() + b"PK\x03\x04<script>alert(1)</script>")

    assert b"script" not in content


def test_same_picture_has_the_same_name() -> None:
    first, _content = cleaned(photo())
    second, _content = cleaned(photo())
    other, _content = cleaned(picture())

    assert first.sha256 == second.sha256 != other.sha256


@pytest.mark.parametrize(
    ("width", "height", "size"),
    [
        (100, None, (100, 75)),
        (None, 60, (80, 60)),
        (100, 100, (100, 75)),
        (300, 60, (80, 60)),
        (4000, 4000, (400, 300)),
        (None, None, (400, 300)),
        (1, 1, (1, 1)),
    ],
)
def test_thumbnail_fits_and_never_grows(width: int | None, height: int | None, size: tuple[int, int]) -> None:
    made = images.resized(BytesIO(picture("JPEG", 400, 300)), width=width, height=height, format=ImageFormat.WEBP)

    assert opened(made).size == size


@pytest.mark.parametrize("source", ["JPEG", "PNG", "GIF", "WEBP", "AVIF"])
@pytest.mark.parametrize("wanted", list(ImageFormat))
def test_thumbnail_of_any_format_comes_in_any_format(source: str, wanted: ImageFormat) -> None:
    content = film(source) if source == "GIF" else picture(source, 40, 20)

    shown = opened(images.resized(BytesIO(content), width=20, height=None, format=wanted))

    assert (shown.format, shown.size) == (wanted.value, (20, 10))


def test_what_can_be_seen_through_becomes_white_where_it_must() -> None:
    clear = BytesIO()
    Image.new("RGBA", (40, 20), (0, 0, 0, 0)).save(clear, format="PNG")

    for wanted, color in ((ImageFormat.JPEG, (255, 255, 255)), (ImageFormat.WEBP, (0, 0, 0, 0))):
        clear.seek(0)
        shown = opened(images.resized(clear, width=20, height=None, format=wanted))
        assert shown.getpixel((5, 5))[3:] == color[3:]  # type: ignore[index]
        assert wanted is ImageFormat.WEBP or shown.getpixel((5, 5)) == color


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK", "I;16"])
def test_unusual_colors_are_shown_right(mode: str) -> None:
    source = halves().convert("L").convert("I").point(lambda value: value * 256) if mode == "I;16" else halves()
    written = BytesIO()
    source.convert(mode).save(written, format="JPEG" if mode == "CMYK" else "PNG")

    made, content = cleaned(written.getvalue())
    shown = opened(images.resized(BytesIO(content), width=32, height=None, format=ImageFormat.JPEG))

    assert (made.width, shown.size) == (64, (32, 16))
    gray = shown.convert("L").tobytes()
    assert gray[8 * 32 + 4] > gray[8 * 32 + 28]


async def test_too_many_at_once_are_told_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MOST_WAITING", 2)
    studio = Studio(most_pixels=MOST)

    results = await asyncio.gather(*(studio.clean(BytesIO(picture())) for _ in range(3)), return_exceptions=True)

    assert [type(result) for result in results] == [Picture, Picture, Unavailable]
    everything: list[object] = [*results, await studio.clean(BytesIO(picture()))]
    for result in everything:
        if isinstance(result, Picture):
            assert result.width == 64
            result.content.close()

"""What does a product of the demo shop look like?"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias
from xml.sax.saxutils import escape

_COLORS: Final = 3
_HEX_COLOR: Final = re.compile(r"#[0-9A-Fa-f]{6}")
_NOT_IN_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_SHADOWS: Final = (
    '<radialGradient id="shadow"><stop stop-color="#2a1c12" stop-opacity=".34"/>'
    '<stop offset="1" stop-color="#2a1c12" stop-opacity="0"/></radialGradient>'
    '<filter id="lift" x="-20%" y="-20%" width="140%" height="140%">'
    '<feGaussianBlur in="SourceAlpha" stdDeviation="22"/><feOffset dy="22"/>'
    '<feComponentTransfer><feFuncA type="linear" slope=".24"/></feComponentTransfer>'
    '<feMerge><feMergeNode/><feMergeNode in="SourceGraphic"/></feMerge></filter>'
)


@dataclass(frozen=True)
class Paint:
    """Name the fills of one picture: `main` and `accent` are gradients, the others plain colors."""

    ground: str
    light: str
    deep: str
    accent_light: str
    accent_deep: str
    main: str = "url(#main)"
    accent: str = "url(#accent)"


Motif: TypeAlias = Callable[[Paint], list[str]]


def draw(kind: str, *, palette: Sequence[str], title: str) -> str:
    """Return a self-contained SVG, 1200 by 1200, of a motif in the palette's colors: ground, main, accent.

    An unknown kind, or a palette that is not three colors like `#d9c3a0`, raises ValueError.
    """
    if kind not in KINDS:
        raise ValueError(f"unknown kind of picture: {kind!r}")
    if len(palette) != _COLORS or not all(_HEX_COLOR.fullmatch(color) for color in palette):
        raise ValueError("a palette is three colors like '#d9c3a0': ground, main, accent")
    ground, main, accent = palette
    paint = Paint(
        ground=ground,
        light=_mix(main, "#ffffff", 0.38),
        deep=_mix(main, "#1d1714", 0.3),
        accent_light=_mix(accent, "#ffffff", 0.38),
        accent_deep=_mix(accent, "#1d1714", 0.3),
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1200 1200" width="1200" height="1200" role="img">'
        f"<title>{escape(_NOT_IN_XML.sub('', title))}</title>"
        f"<defs>{_definitions(ground, main, accent)}</defs>"
        f"{_backdrop(ground, 500) if kind in _LYING_FLAT else _room(ground)}"
        f'<g filter="url(#lift)">{"".join(_MOTIFS[kind](paint))}</g></svg>'
    )


def _mix(color: str, other: str, share: float) -> str:
    channels = (
        round(int(color[at : at + 2], 16) * (1 - share) + int(other[at : at + 2], 16) * share) for at in (1, 3, 5)
    )
    return "#" + "".join(f"{channel:02x}" for channel in channels)


def _definitions(ground: str, main: str, accent: str) -> str:
    wall = _gradient("wall", _mix(ground, "#ffffff", 0.55), ground, 'x2="0" y2="1"')
    floor = _gradient("floor", _mix(ground, "#3a2a1c", 0.13), _mix(ground, "#3a2a1c", 0.04), 'x2="0" y2="1"')
    things = (
        _gradient(name, _mix(color, "#ffffff", 0.14), _mix(color, "#1d1714", 0.12), 'x2="1" y2=".25"')
        for name, color in (("main", main), ("accent", accent))
    )
    return wall + floor + "".join(things) + _SHADOWS


def _gradient(name: str, start: str, end: str, direction: str) -> str:
    stops = f'<stop stop-color="{start}"/><stop offset="1" stop-color="{end}"/>'
    return f'<linearGradient id="{name}" {direction}>{stops}</linearGradient>'


def _room(ground: str) -> str:
    floor = _box(0, 840, 1200, 360, "url(#floor)") + _oval(600, 912, 420, 52, "url(#shadow)")
    return _backdrop(ground, 430) + floor


def _backdrop(ground: str, radius: int) -> str:
    return _box(0, 0, 1200, 1200, "url(#wall)") + _oval(600, 580, radius, radius, _mix(ground, "#ffffff", 0.42))


def _path(outline: str, fill: str) -> str:
    return f'<path d="{outline}" fill="{fill}"/>'


def _line(course: str, color: str, width: int) -> str:
    ends = 'stroke-linecap="round" stroke-linejoin="round"'
    return f'<path d="{course}" fill="none" stroke="{color}" stroke-width="{width}" {ends}/>'


def _box(x: int, y: int, width: int, height: int, fill: str, radius: int = 0) -> str:
    rounded = f' rx="{radius}"' if radius else ""
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}"{rounded} fill="{fill}"/>'


def _oval(x: int, y: int, across: int, down: int, fill: str) -> str:
    return f'<ellipse cx="{x}" cy="{y}" rx="{across}" ry="{down}" fill="{fill}"/>'


def _turned(degrees: int, *shapes: str) -> str:
    return f'<g transform="rotate({degrees} 600 600)">{"".join(shapes)}</g>'


def _both_sides(*shapes: str) -> str:
    half = "".join(shapes)
    return f'{half}<g transform="matrix(-1 0 0 1 1200 0)">{half}</g>'


def _mug(p: Paint) -> list[str]:
    return [
        _line("M500 340 q-34-42 0-84 t0-84 M600 340 q-34-42 0-84 t0-84", p.light, 16),
        _line("M770 530 C950 490 950 770 748 750", p.deep, 46),
        _path("M360 430 H790 L770 810 Q764 910 672 910 H478 Q386 910 380 810 Z", p.main),
        _path("M369 600 Q470 660 575 616 T781 630 L770 810 Q764 910 672 910 H478 Q386 910 380 810 Z", p.accent),
        _oval(575, 430, 215, 42, p.light),
        _oval(575, 434, 188, 30, p.accent_deep),
    ]


def _plate(p: Paint) -> list[str]:
    return [
        _oval(600, 600, 330, 330, p.main),
        _oval(600, 600, 306, 306, p.accent),
        _oval(600, 600, 294, 294, p.main),
        _oval(600, 606, 214, 214, p.deep),
        _oval(600, 600, 214, 214, p.light),
        _line("M160 560 V850 M130 370 V480 Q130 550 160 560 Q190 550 190 480 V370 M160 370 V540", p.accent_deep, 17),
        _path("M1024 360 Q1084 470 1066 640 H1038 V850 Q1024 872 1010 850 V380 Z", p.accent_deep),
    ]


def _bowl(p: Paint) -> list[str]:
    return [
        _box(490, 860, 220, 50, p.deep, 14),
        _path("M270 540 H930 C930 760 790 884 680 884 H520 C410 884 270 760 270 540 Z", p.main),
        _path("M282 632 C480 680 720 680 918 632 L894 708 C720 752 480 752 306 708 Z", p.accent),
        _oval(600, 540, 330, 66, p.light),
        _oval(600, 546, 296, 48, p.deep),
    ]


def _board(p: Paint) -> list[str]:
    return [
        _turned(
            -14,
            _path("M520 350 V250 Q520 180 600 180 T680 250 V350 Z", p.main),
            _box(400, 330, 400, 680, p.main, 60),
            _oval(600, 262, 28, 28, p.ground),
            _line("M470 420 V920 M545 400 V780 M655 460 V940 M730 410 V820", p.deep, 7),
        ),
        _turned(22, _path("M846 360 Q926 500 900 740 H828 V372 Z", p.light), _box(826, 730, 62, 240, p.accent, 26)),
    ]


def _bottle(p: Paint) -> list[str]:
    return [
        _box(532, 200, 136, 96, p.accent, 22),
        _box(552, 284, 96, 40, p.deep),
        _path("M552 318 H648 Q656 400 712 446 T756 560 V850 H444 V560 Q444 490 488 446 T552 318 Z", p.main),
        _box(444, 740, 312, 170, p.main, 60),
        _box(444, 590, 312, 200, p.accent),
        _line("M520 650 H680 M520 694 H640 M520 738 H660", p.accent_light, 14),
        _line("M490 520 Q500 488 530 466", p.light, 18),
    ]


def _candle(p: Paint) -> list[str]:
    return [
        _path("M600 210 C690 320 662 410 600 410 C538 410 510 320 600 210 Z", "#f0a63c"),
        _path("M600 300 C640 350 630 402 600 402 C570 402 560 350 600 300 Z", "#fde9b0"),
        _line("M600 384 V470", p.deep, 12),
        _path("M390 470 H810 V850 Q810 910 750 910 H450 Q390 910 390 850 Z", p.main),
        _oval(600, 470, 210, 38, p.light),
        _box(470, 600, 260, 180, p.accent, 10),
        _line("M530 660 H670 M560 710 H640", p.accent_light, 14),
    ]


def _lamp(p: Paint) -> list[str]:
    return [
        _box(582, 500, 36, 390, p.deep),
        _oval(600, 892, 150, 30, p.deep),
        _oval(600, 882, 150, 26, p.accent_deep),
        _path("M470 220 H730 L870 520 H330 Z", p.main),
        _path("M345 488 H855 L870 520 H330 Z", p.accent),
        _line("M700 520 V640", p.deep, 7),
        _oval(700, 652, 15, 15, p.accent),
    ]


def _plant(p: Paint) -> list[str]:
    return [
        _both_sides(
            _path("M600 640 C560 460 440 420 350 430 C370 560 470 640 600 640 Z", p.accent),
            _path("M600 600 C500 520 450 380 480 260 C570 320 620 460 600 600 Z", p.accent_deep),
            _line("M600 640 C540 560 470 500 400 466", p.accent_light, 6),
        ),
        _path("M600 620 C530 500 530 300 600 190 C670 300 670 500 600 620 Z", p.accent),
        _line("M600 610 V290", p.accent_light, 6),
        _path("M420 660 H780 L744 870 Q738 910 696 910 H504 Q462 910 456 870 Z", p.main),
        _box(396, 610, 408, 84, p.light, 18),
    ]


def _cushion(p: Paint) -> list[str]:
    return [
        _path("M250 270 Q600 330 950 270 Q890 600 950 930 Q600 870 250 930 Q310 600 250 270 Z", p.main),
        _line("M290 500 Q600 540 910 500 M286 700 Q600 660 914 700", p.accent, 34),
        _line("M286 570 Q600 596 914 570 M286 630 Q600 604 914 630", p.light, 12),
        _both_sides(_line("M250 270 l-34-34 m34 34 l-46-12 m46 12 l-12-46", p.accent_deep, 12)),
        _both_sides(_line("M250 930 l-34 34 m34-34 l-46 12 m46-12 l-12 46", p.accent_deep, 12)),
    ]


def _blanket(p: Paint) -> list[str]:
    fringe = " ".join(f"M{x} 900 v44" for x in range(300, 920, 40))
    return [
        _line(fringe, p.light, 10),
        _box(270, 760, 660, 150, p.main, 66),
        _box(270, 610, 660, 160, p.deep, 72),
        _box(270, 460, 660, 160, p.main, 72),
        _box(270, 330, 660, 140, p.light, 66),
        _path("M700 330 H830 V910 H700 Z", p.accent),
        _line("M660 340 V900 M870 340 V900", p.accent_light, 12),
    ]


def _shirt(p: Paint) -> list[str]:
    return [
        _both_sides(_path("M440 250 L220 430 L310 560 L410 490 Z", p.deep)),
        _path("M450 236 Q600 330 750 236 L800 280 L790 950 Q600 980 410 950 L400 280 Z", p.main),
        _line("M600 330 V956", p.deep, 8),
        _both_sides(_path("M470 220 L600 330 L520 420 L430 258 Z", p.light)),
        *(_oval(626, y, 12, 12, p.accent) for y in (450, 560, 670, 780, 890)),
        _path("M660 480 H750 V570 L705 598 L660 570 Z", p.accent),
    ]


def _sweater(p: Paint) -> list[str]:
    zigzag = "M402 {y} l33-50 33 50 33-50 33 50 33-50 33 50 33-50 33 50 33-50 33 50 33-50 33 50"
    return [
        _both_sides(_path("M420 260 Q330 290 290 430 L200 840 L310 870 L420 560 Z", p.deep)),
        _both_sides(_path("M200 840 L310 870 L294 930 L186 900 Z", p.accent)),
        _path("M450 240 H750 Q800 260 800 320 V900 H400 V320 Q400 260 450 240 Z", p.main),
        _path("M480 236 Q600 216 720 236 Q700 350 600 350 T480 236 Z", p.accent),
        _path("M512 246 Q600 232 688 246 Q670 312 600 312 T512 246 Z", p.deep),
        _line(zigzag.format(y=520), p.accent, 18),
        _line(zigzag.format(y=580), p.light, 18),
        _box(392, 880, 416, 74, p.accent, 14),
    ]


def _hat(p: Paint) -> list[str]:
    ribs = " ".join(f"M{x} 716 V844" for x in range(340, 880, 52))
    return [
        _oval(600, 280, 92, 92, p.accent),
        _path("M310 740 C310 470 420 330 600 330 C780 330 890 470 890 740 Z", p.main),
        _line("M450 700 Q450 470 560 350 M600 700 V345 M750 700 Q750 470 640 350", p.deep, 12),
        _box(280, 690, 640, 180, p.accent, 46),
        _line(ribs, p.accent_deep, 12),
    ]


def _bag(p: Paint) -> list[str]:
    return [
        _line("M440 500 V330 Q440 200 600 200 T760 330 V500", p.accent_deep, 36),
        _path("M320 430 H880 L920 870 Q922 910 880 910 H320 Q278 910 280 870 Z", p.main),
        _path("M320 430 H880 L886 500 H314 Z", p.deep),
        _line("M440 500 V580 M760 500 V580", p.accent, 36),
        _box(490, 600, 220, 160, p.accent, 14),
        _line("M535 660 H665 M560 704 H640", p.accent_light, 14),
    ]


def _backpack(p: Paint) -> list[str]:
    return [
        _line("M520 240 Q520 170 600 170 T680 240", p.deep, 28),
        _both_sides(_box(310, 560, 110, 260, p.deep, 44)),
        _path("M370 420 Q370 220 600 220 T830 420 V850 Q830 910 770 910 H430 Q370 910 370 850 Z", p.main),
        _box(430, 610, 340, 230, p.accent, 36),
        _line("M440 690 H760", p.accent_deep, 10),
        _path("M370 470 V400 Q370 220 600 220 T830 400 V470 Q600 560 370 470 Z", p.light),
        _both_sides(_line("M490 480 V600", p.accent_deep, 26), _box(464, 570, 52, 44, p.accent_light, 8)),
    ]


def _notebook(p: Paint) -> list[str]:
    return [
        _turned(
            -8,
            _box(352, 222, 532, 780, p.accent_deep, 22),
            _box(340, 214, 532, 780, "#fbf7ef", 18),
            _box(328, 204, 532, 780, p.main, 22),
            _path("M350 204 H402 V984 H350 Q328 984 328 962 V226 Q328 204 350 204 Z", p.deep),
            _box(766, 204, 26, 780, p.accent),
            _box(470, 340, 230, 130, "#fbf7ef", 8),
            _line("M506 388 H664 M506 424 H620", p.deep, 9),
        )
    ]


def _pen(p: Paint) -> list[str]:
    return [
        _line("M250 930 q60-70 110-10 t110-6 t110-14 t110 0", p.accent, 12),
        _turned(
            38,
            _box(556, 150, 88, 330, p.main, 40),
            _box(560, 480, 80, 280, p.deep),
            _box(556, 456, 88, 34, p.accent),
            _box(628, 210, 22, 230, p.accent, 11),
            _path("M562 756 H638 L612 868 H588 Z", p.accent),
            _path("M588 864 H612 L600 930 Z", p.accent_deep),
        ),
    ]


def _envelope(p: Paint) -> list[str]:
    return [
        _turned(
            -6,
            _box(300, 230, 600, 500, "#fbf7ef", 14),
            _line("M380 330 H700 M380 390 H780 M380 450 H640", p.light, 14),
            _box(230, 470, 740, 480, p.deep, 22),
            _path("M230 500 L600 760 L970 500 V930 Q970 950 948 950 H252 Q230 950 230 930 Z", p.main),
            _line("M236 942 L530 712 M964 942 L670 712", p.deep, 8),
            _oval(600, 752, 62, 62, p.accent),
            _oval(600, 752, 40, 40, p.accent_deep),
        )
    ]


def _tent(p: Paint) -> list[str]:
    return [
        _line("M230 880 L120 912 M970 880 L1080 912", p.accent_deep, 10),
        _path("M600 270 L1010 900 H190 Z", p.main),
        _path("M600 270 L1010 900 H720 Z", p.deep),
        _path("M600 420 L740 900 H440 Z", p.accent_deep),
        _path("M600 420 L440 900 H350 Q540 700 600 420 Z", p.accent),
        _line("M570 230 L600 270 L630 230", p.accent_deep, 16),
        _path("M600 236 V150 L700 190 L600 226 Z", p.accent),
    ]


def _soap(p: Paint) -> list[str]:
    return [
        *(_oval(x, y, r, r, p.light) for x, y, r in ((350, 420, 54), (470, 330, 82), (640, 390, 46), (770, 300, 62))),
        *(_oval(x, y, r, r, "#ffffff") for x, y, r in ((334, 402, 14), (444, 304, 20), (750, 280, 15))),
        _box(300, 520, 600, 300, p.deep, 84),
        _box(300, 490, 600, 290, p.main, 84),
        _box(372, 550, 456, 170, p.light, 56),
        _path("M600 585 C670 560 700 600 704 640 C660 680 560 700 500 640 C520 600 560 584 600 585 Z", p.accent),
        _path("M220 800 H980 Q960 900 860 900 H340 Q240 900 220 800 Z", p.accent_deep),
    ]


def _gift(p: Paint) -> list[str]:
    return [
        _both_sides(
            _path("M600 420 C560 280 420 200 370 280 C330 370 460 430 600 420 Z", p.accent),
            _path("M590 410 C550 330 460 280 430 310 C420 360 500 408 590 410 Z", p.accent_deep),
        ),
        _box(320, 520, 560, 390, p.main, 14),
        _box(320, 520, 560, 40, p.deep),
        _box(290, 420, 620, 116, p.main, 16),
        _box(545, 420, 110, 490, p.accent),
        _oval(600, 420, 48, 40, p.accent_deep),
    ]


_MOTIFS: Final[Mapping[str, Motif]] = {
    "backpack": _backpack,
    "bag": _bag,
    "blanket": _blanket,
    "board": _board,
    "bottle": _bottle,
    "bowl": _bowl,
    "candle": _candle,
    "cushion": _cushion,
    "envelope": _envelope,
    "gift": _gift,
    "hat": _hat,
    "lamp": _lamp,
    "mug": _mug,
    "notebook": _notebook,
    "pen": _pen,
    "plant": _plant,
    "plate": _plate,
    "shirt": _shirt,
    "soap": _soap,
    "sweater": _sweater,
    "tent": _tent,
}
_LYING_FLAT: Final = frozenset({"board", "cushion", "envelope", "hat", "notebook", "pen", "plate", "shirt", "sweater"})
KINDS: Final[frozenset[str]] = frozenset(_MOTIFS)

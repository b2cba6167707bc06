"""What is a well-formed channel, and which countries are there? By ISO 3166-1 alpha-2."""

from __future__ import annotations

import re

from headless.platform.errors import InvalidInput

COUNTRIES = frozenset(
    """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW
    BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI
    FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN
    IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME
    MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF
    PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV
    SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE
    YT ZA ZM ZW
    """.split()  # noqa: SIM905 - a list literal is a screen and a half
)
HANDLE = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*")
"""A language as BCP 47 writes it, `de` or `pt-BR`; front ends write `PT_BR`, too."""
MAX_NAME = 255
MAX_HANDLE = 64
MAX_LANGUAGE = 35
"""Characters, as RFC 5646 advises to allow for."""


def checked_handle(handle: str) -> str:
    if not HANDLE.fullmatch(handle) or len(handle) > MAX_HANDLE:
        message = f"A handle has up to {MAX_HANDLE} lower-case letters, digits and single hyphens, like `us-retail`."
        raise InvalidInput(message, field=("handle",))
    return handle


def checked_name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > MAX_NAME:
        message = f"A name has 1 to {MAX_NAME} characters."
        raise InvalidInput(message, field=("name",))
    return name


def checked_country(country: str) -> str:
    if country not in COUNTRIES:
        message = f"{country!r} is no country by ISO 3166-1 alpha-2."
        raise InvalidInput(message, field=("defaultCountry",))
    return country


def checked_language(language: str) -> str:
    """The language as it is kept: `EN` as `en`, `pt_br` as `pt-BR`."""
    if not is_language(language):
        message = f"{language!r} is no language by BCP 47, such as `de` or `pt-BR`."
        raise InvalidInput(message, field=("defaultLanguage",))
    return normal_language(language)


def is_language(language: str) -> bool:
    return len(language) <= MAX_LANGUAGE and LANGUAGE.fullmatch(language) is not None


def normal_language(language: str) -> str:
    """A language tag in the letters that BCP 47 recommends, so that equal ones are written alike."""
    head, *rest = language.replace("_", "-").split("-")
    return "-".join((head.lower(), *(_subtag(part) for part in rest)))


def fallbacks(wanted: str | None, *, channel: str, source: str) -> tuple[str, ...]:
    """Languages whose translations are tried, the best first; none: the texts themselves are in the wanted one.

    `de-AT` falls back to `de`, both to the channel's language, and all to the language that texts are written in.
    """
    own, tried = normal_language(source), list[str]()
    for tag in (wanted, channel):
        if tag is None or len(tag) > MAX_LANGUAGE:
            continue
        parts = normal_language(tag).split("-")
        for length in range(len(parts), 0, -1):
            language = "-".join(parts[:length])
            if language == own:
                return tuple(tried)
            if language not in tried:
                tried.append(language)
    return tuple(tried)


def _subtag(part: str) -> str:
    if len(part) == 2 and part.isalpha():  # noqa: PLR2004 - a region
        return part.upper()
    return part.title() if len(part) == 4 and part.isalpha() else part.lower()  # noqa: PLR2004 - a script

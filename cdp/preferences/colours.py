"""Whatever colour a brand has, its pages can be read: contrast by WCAG 2.2 (1.4.3, 1.4.11)."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

Rgb: TypeAlias = tuple[int, int, int]
READABLE = 4.5  # to one, of text; what is not text needs 3
LIGHT: Rgb = (255, 255, 255)  # what a page's parts lie on, by day
DARK: Rgb = (27, 31, 37)  # and by night
_INKS: tuple[Rgb, Rgb] = ((255, 255, 255), (0, 0, 0))
_STEPS = 50


class Palette(NamedTuple):
    """A brand's colour, what is written on it, and what it becomes on light and dark ground."""

    brand: str
    ink: str
    on_light: str
    on_dark: str


def palette(brand: str) -> Palette:
    """All colours of a page that has `#rrggbb` for its brand."""
    colour = parsed(brand)
    ink = max(_INKS, key=lambda each: contrast(each, colour))
    return Palette(
        written(colour),
        written(ink),
        written(_until_readable(colour, LIGHT, (0, 0, 0))),
        written(_until_readable(colour, DARK, (255, 255, 255))),
    )


def contrast(one: Rgb, other: Rgb) -> float:
    """From 1, which nobody can see, to 21, black on white."""
    dim, bright = sorted((_luminance(one), _luminance(other)))
    return (bright + 0.05) / (dim + 0.05)


def parsed(colour: str) -> Rgb:
    """Of `#rrggbb`."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue


def written(colour: Rgb) -> str:
    """As `#rrggbb`."""
    return f"#{bytes(colour).hex()}"


def _until_readable(colour: Rgb, ground: Rgb, towards: Rgb) -> Rgb:
    """The nearest mixture with black or white that can be read on this ground."""
    mixed = colour
    for step in range(1, _STEPS + 1):
        if contrast(mixed, ground) >= READABLE:
            break
        red, green, blue = (
            round(a + (b - a) * step / _STEPS) for a, b in zip(colour, towards, strict=True)
        )
        mixed = red, green, blue
    return mixed


def _luminance(colour: Rgb) -> float:
    red, green, blue = (_linear(each / 255) for each in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)

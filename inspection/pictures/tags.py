"""The directories of tags in a TIFF or an EXIF block, as far as there is bound to be an end; what EXIF says in them and
is not followed."""

import struct
from collections.abc import Mapping
from typing import Any

from inspection.errors import FixInput

MOST_TAGS = 1_000  # of a TIFF
MOST_ASIDE = 4_000_000  # bytes that are no pixels
TAKEN = "set the camera to 8 or 16 bit, grey or RGB, one picture a file"
_FORMS = {1: "B", 2: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_FORMS |= {5: "II", 10: "ii"}  # a fraction is its numerator and its denominator
_SIZES = {11: 4, 12: 8}  # of the other types: floats
_EXIF, _INTEROPERABILITY, _COLOUR_SPACE = 0x8769, 0xA005, 0xA001  # tags
_TURNED = "says that it is to be turned when it is shown (EXIF orientation {}); switch that off at the camera"


def tags(content: bytes, strict: bool = True, at: int = 0) -> dict[int, Any]:
    """Tag -> its values, of the first directory of a TIFF, or of an EXIF block.

    Args:
        strict: raises FixInput where a tag lies beyond the end, another directory follows, or values take more than
            MOST_ASIDE; else those are passed over.
        at: where another directory lies.
    """
    order = {b"II": "<", b"MM": ">"}.get(content[:2], "")
    big = bool(order) and content[2:4] in (b"+\0", b"\0+")
    if not order:
        raise damaged("its directory cannot be found")
    word, head, entry = ("Q", "Q", 20) if big else ("I", "H", 12)
    at = at or unpack(order + word, content, 8 if big else 4)[0]
    number = unpack(order + head, content, at)[0]
    if number > MOST_TAGS:
        raise FixInput(f"it has {number:,} tags, which no picture needs; export it again")
    start, found, aside = at + struct.calcsize(order + head), dict[int, Any](), 0
    for one in range(number):
        tag, kind, count = unpack(f"{order}HH{word}", content, start + entry * one)
        place = start + entry * one + 4 + struct.calcsize(order + word)
        size = count * (struct.calcsize(_FORMS[kind]) if kind in _FORMS else _SIZES.get(kind, 1))
        if size > struct.calcsize(order + word):
            place = unpack(order + word, content, place)[0]
        aside += size
        if strict:
            refuse_aside(aside)
        if place + size > len(content):
            if strict:
                raise damaged(f"its tag {tag} lies beyond the end of the file")
        elif kind in _FORMS and aside <= MOST_ASIDE and count:
            found.setdefault(tag, struct.unpack_from(order + _form(kind, count), content, place))
    if strict and unpack(order + word, content, start + entry * number)[0]:
        raise FixInput(f"the file holds several pictures; {TAKEN}")
    return found


def _form(kind: int, count: int) -> str:
    """Of `count` values, as `struct` writes it."""
    return f"{count * len(_FORMS[kind])}{_FORMS[kind][0]}"


def refuse_turned(exif: bytes | memoryview) -> None:
    """Pictures that a viewer would show turned: which of the two the part's place is, nobody can know."""
    try:
        (orientation,) = tags(bytes(exif), strict=False).get(0x0112, (1,))[:1]
    except FixInput:
        return  # a block that cannot be read says nothing
    if orientation in range(2, 9):
        raise FixInput(f"it {_TURNED.format(orientation)}, or export it turned")


def refuse_adobe(content: bytes, first: Mapping[int, Any] | None = None) -> None:
    """Colours of Adobe RGB by the word of EXIF (colour space 2, or index R03 of the rules of design for cameras), which
    is all that there is where no profile says it.

    Args:
        content: an EXIF block, or a TIFF, whose `first` directory is known.
    """
    first = _directory(content, None) if first is None else first
    camera = _directory(content, first.get(_EXIF))
    index = _directory(content, camera.get(_INTEROPERABILITY)).get(1, ())
    if camera.get(_COLOUR_SPACE, (1,))[0] == 2 or tuple(index[:3]) == tuple(b"R03"):
        raise FixInput(
            "its EXIF block says that its colours are those of Adobe RGB, and values are taken as sRGB; set the camera "
            "to sRGB, or export it as sRGB"
        )


def _directory(content: bytes, at: tuple[int, ...] | None) -> dict[int, Any]:
    """A directory of tags, the first one or where another one's tag says; nothing where it cannot be read."""
    try:
        return tags(content, False, at[0] if at else 0)
    except FixInput:
        return {}


def damaged(what: str) -> FixInput:
    return FixInput(f"the image is damaged ({what}); export it again")


def refuse_aside(size: int) -> None:
    if size > MOST_ASIDE:
        raise FixInput(f"it carries more than {MOST_ASIDE / 1e6:.0f} MB beside its pixels; export it without")


def unpack(form: str, content: bytes | memoryview, at: int = 0) -> tuple[Any, ...]:
    try:
        return struct.unpack_from(form, content, at)
    except (struct.error, OverflowError):
        raise damaged("it breaks off") from None

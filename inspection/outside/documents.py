"""YAML and JSON that somebody else may have written: read within bounds, so that no file of a few lines can hang or
overturn who reads it. This is the only file that calls a reader of them."""

import json
from pathlib import Path
from typing import Any

import yaml

YAML_BYTES = 2 * 2**20
JSON_BYTES = 256 * 2**20  # DVC's list of a partition with a million files
NODES = 100_000  # values of a YAML file, where each anchor counts again wherever it is used
DEPTH = 64  # brackets within brackets; the deepest of ours has 6
PLAIN = 10_000  # characters of a word without quotes, which might be read as a number in no time or in hours

_QUOTED = ("'", '"', "|", ">")


class TooMuch(ValueError):
    """A document is larger or deeper than anything of its kind; the message is the end of a sentence about it."""


def yaml_of(content: str | bytes) -> Any:
    """What a YAML document says.

    Raises:
        TooMuch: see there. ValueError: it is no YAML, or a value in it is none (a 31st of February).
    """
    yaml_bounded(content)
    try:
        return yaml.load(content, yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None


def yaml_bounded(content: str | bytes) -> None:
    """Raises as `yaml_of` for what is no YAML within the bounds; makes nothing of what it says."""
    if len(content) > YAML_BYTES:
        raise TooMuch(f"has {len(content) / 2**20:.0f} MB, more than settings can have ({YAML_BYTES >> 20})")
    try:
        _count(content)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None


def _count(content: str | bytes) -> None:
    nodes, sizes, within = 0, dict[str, int](), list[tuple[str | None, int]]()
    for event in yaml.parse(content, yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            within.append((event.anchor, nodes))
            nodes += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = within.pop()
            if anchor:
                sizes[anchor] = nodes - before
        elif isinstance(event, yaml.ScalarEvent):
            nodes += 1
            if event.anchor:
                sizes[event.anchor] = 1
            if event.style not in _QUOTED and len(event.value) > PLAIN:
                raise TooMuch(f"has a word of {len(event.value):,} characters without quotes (line {_line(event)})")
        elif isinstance(event, yaml.AliasEvent):
            if any(anchor == event.anchor for anchor, _ in within):
                raise TooMuch(f"has an anchor that stands for itself (line {_line(event)})")
            nodes += sizes.get(event.anchor, 1)
        if nodes > NODES:
            raise TooMuch(f"stands for more than {NODES:,} values, anchors counted as often as they are used")
        if len(within) > DEPTH:
            raise TooMuch(f"nests more than {DEPTH} levels deep (line {_line(event)})")


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def json_of(content: str | bytes) -> Any:
    """What a JSON document says.

    Raises:
        TooMuch: see there. ValueError: it is no JSON.
    """
    if len(content) > JSON_BYTES:
        raise TooMuch(f"has more than {JSON_BYTES >> 20} MB")
    try:
        said = json.loads(content)
    except RecursionError:
        raise TooMuch(f"nests more than {DEPTH} levels deep") from None
    level = [said]
    for _ in range(DEPTH):
        level = [inner for one in level for inner in _inside(one) if isinstance(inner, dict | list)]
        if not level:
            return said
    raise TooMuch(f"nests more than {DEPTH} levels deep")


def _inside(value: Any) -> Any:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def json_file(path: Path) -> Any:
    """What a JSON file says; raises as `json_of`, and OSError where there is none."""
    return json_of(text_of(path))


def text_of(path: Path) -> str:
    """A document's text.

    Raises:
        TooMuch: it is larger than any. ValueError: it is no UTF-8. OSError: it cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(JSON_BYTES + 1)
    if len(content) > JSON_BYTES:
        raise TooMuch(f"has more than {JSON_BYTES >> 20} MB")
    return content.decode()

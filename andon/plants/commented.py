"""Settings as YAML whose comments stay."""

from collections.abc import Iterator, Mapping
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from inspection.outside import documents

COMMENTS_AT = 25  # column


def parsed(text: str) -> CommentedMap:
    """The keys and values in `text`, with its comments; ValueError for what is no YAML within bounds."""
    documents.yaml_bounded(text)
    whole: CommentedMap = _yaml().load(text)
    return whole


def yaml_text(whole: CommentedMap) -> str:
    """What `parsed` was made from, with its changes."""
    text = StringIO()
    _yaml().dump(whole, text)
    return text.getvalue()


def _yaml() -> YAML:
    yaml = YAML()
    yaml.width = 4096
    yaml.preserve_quotes = True
    return yaml


def cameras_text(model: str, cameras: Mapping[str, Mapping[str, Any]]) -> str:
    """cameras.yaml for these, name -> entry, with the comments that the first camera of `model` has."""
    whole = parsed(model)
    first: CommentedMap = whole[next(iter(whole))]
    for name in list(whole):
        del whole[name]
    for number, (name, entry) in enumerate(cameras.items()):
        whole[name] = _like(first, entry, commented=number == 0)
    return yaml_text(whole)


def _like(model: CommentedMap, entry: Mapping[str, Any], commented: bool) -> CommentedMap:
    """`entry` in the order of the model, with its comments if it is the first."""
    made = CommentedMap()
    for key in [*(key for key in model if key in entry), *(key for key in entry if key not in model)]:
        value = entry[key]
        made[key] = _in_one_line(value) if isinstance(value, list | tuple) else value
        token = model.ca.items.get(key)
        if commented and token and token[2]:
            made.yaml_add_eol_comment(token[2].value.strip().removeprefix("#").strip(), key, column=COMMENTS_AT)
    return made


def _in_one_line(values: Any) -> CommentedSeq:
    row = CommentedSeq(values)
    row.fa.set_flow_style()
    return row


def taxonomy_text(model: str, classes: Mapping[str, bool]) -> str:
    """taxonomy.yaml for these classes, name -> whether a part that shows it may pass, with the comments of `model`."""
    whole = parsed(model)
    whole["classes"].clear()
    for name, acceptable in classes.items():
        severity = "none" if acceptable else "major"
        entry = CommentedMap(severity=severity, acceptable=acceptable, since=str(whole["spec"]))
        entry.fa.set_flow_style()
        whole["classes"][name] = entry
    return yaml_text(whole)


def add_new(mine: CommentedMap, new: CommentedMap, within: str = "") -> Iterator[str]:
    """Put the keys that only `new` has into `mine`, at their place and with their comments; each in words."""
    for place, (key, value) in enumerate(new.items()):
        if key not in mine:
            mine.insert(min(place, len(mine)), key, value)
            if comments := new.ca.items.get(key):
                mine.ca.items[key] = comments
            yield f"{within}{key} is new ({'a section' if isinstance(value, CommentedMap) else value})"
        elif isinstance(value, CommentedMap) and isinstance(mine[key], CommentedMap):
            yield from add_new(mine[key], value, f"{within}{key}.")


def take_out_old(mine: CommentedMap, new: CommentedMap, within: str = "") -> Iterator[str]:
    """Take the keys out of `mine` that `new` does not have; each in words."""
    for key in list(mine):
        if key not in new:
            yield f"{within}{key} is not known any more; it was {mine[key]}"
            del mine[key]
        elif isinstance(new[key], CommentedMap) and isinstance(mine[key], CommentedMap):
            yield from take_out_old(mine[key], new[key], f"{within}{key}.")

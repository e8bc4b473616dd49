"""What people call their pieces, cameras and classes, as names that a path, a setting and a sheet can hold."""

import re
import unicodedata
from collections.abc import Iterable
from hashlib import sha256

import yaml

from inspection.records.classes import NAME

LONGEST = 60  # letters of a step of a path
_LONGEST_CLASS = 40


def words(texts: Iterable[str], what: str) -> dict[str, str]:
    """Each text -> one safe step of a path; different texts get different ones.

    Args:
        what: they are, such as "camera"; set before a word that YAML reads as something else (no, off, null).
    """
    found: dict[str, str] = {}
    taken: set[str] = set()
    for text in sorted(set(texts), key=lambda one: (_word(one) != one, one)):  # what is safe already keeps its name
        name = _word(text)
        if _is_no_text(name):
            name = f"{what}-{name}"
        if name in taken or len(name) > LONGEST:
            name = f"{name[: LONGEST - 9]}-{sha256(text.encode()).hexdigest()[:8]}"
        taken.add(name)
        found[text] = name
    return found


def class_names(labels: Iterable[str]) -> dict[str, str]:
    """Each label -> the name of a class, as `andon class add` takes them; different labels get different ones."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for label in sorted(set(labels), key=lambda one: (_class_name(one) != one, one)):
        name, number = _class_name(label), 2
        while name.casefold() in taken and name != label:
            name, number = f"{_class_name(label)[: _LONGEST_CLASS - 4]}-{number}", number + 1
        taken.add(name.casefold())
        found[label] = name
    return found


def _word(text: str) -> str:
    plain = re.sub(r"\.{2,}", ".", re.sub(r"[^A-Za-z0-9_.-]+", "-", text))
    return plain.strip(".") or "-"


def _class_name(label: str) -> str:
    if NAME.match(label) and not _is_no_text(label):
        return label
    plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9_]+", "-", plain).strip("-_")[:_LONGEST_CLASS]
    return plain if NAME.match(plain) and not _is_no_text(plain) else f"class-{plain}"[:_LONGEST_CLASS].rstrip("-")


def _is_no_text(word: str) -> bool:
    try:
        return isinstance(yaml.safe_load(word), bool | list | dict | None)
    except (yaml.YAMLError, ValueError):
        return False

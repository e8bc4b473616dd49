"""Frozen records of YAML and JSON files. A wrong key or value stops at once and names the remedy."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from inspection.errors import AndonError, FixSettings
from inspection.outside import credentials, documents

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class Record(BaseModel):
    """A frozen record that knows every key it may have."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


R = TypeVar("R", bound=Record)


def parse(record: type[R], raw: dict[str, Any], path: Path, within: tuple[str, ...] = ()) -> R:
    """`raw` as a record of that kind; FixSettings names the first mistake, the nearest known key and the file."""
    try:
        return record.model_validate(raw)
    except ValidationError as error:
        raise FixSettings(_in_words(error, record, path, within)) from None


def read_json(record: type[R], path: Path, refusal: AndonError) -> R:
    """The record of that kind that a JSON file holds; raises `refusal` when it is missing or holds none."""
    try:
        return record.model_validate_json(documents.text_of(path))
    except (OSError, ValueError):
        raise refusal from None


def _in_words(error: ValidationError, record: type[Record], path: Path, within: tuple[str, ...]) -> str:
    """The first mistake in a file as a sentence with a remedy."""
    first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")  # a typo explains a missing key
    where = ".".join((*within, *(str(step) for step in first["loc"])))
    if first["type"] == "extra_forbidden":
        known = _known_keys(record, first["loc"][:-1])
        key = str(first["loc"][-1])
        return f"{path.name}: unknown key `{where}`; did you mean `{nearest(key, known)}`?"
    if first["type"] == "missing":
        return f"{path.name}: `{where}` is missing; add it."
    return f"{path.name}: `{where}` is {first.get('input')!r}: {first['msg'].removeprefix('Value error, ')}."


def _known_keys(record: type[Record], loc: tuple[int | str, ...]) -> list[str]:
    """The keys that the record at `loc` below `record` may have."""
    names = {field.alias or name: field for name, field in record.model_fields.items()}
    if not loc:
        return list(names)
    inner: Any = names[str(loc[0])].annotation
    if get_origin(inner) is UnionType:  # of a record and None
        inner = next(one for one in get_args(inner) if one is not NoneType)
    if get_origin(inner) is dict:  # of records, by name
        return _known_keys(get_args(inner)[1], loc[2:])
    return _known_keys(inner, loc[1:])


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that is most like `word`."""
    choices = sorted(known)
    alike: list[str] = get_close_matches(word, choices, n=1, cutoff=0) or choices
    return alike[0]


def mapping(path: Path) -> dict[str, Any]:
    """The keys and values of a YAML file; FixSettings when it is missing, no such thing, or holds a password."""
    try:
        raw = documents.yaml_of(documents.text_of(path))
    except FileNotFoundError:
        raise FixSettings(f"{path.name} is missing from {path.parent}: restore it with git.") from None
    except documents.TooMuch as error:
        raise FixSettings(
            f"{path.name} {error}, so it is not read: `git restore {path.name}`, or write it anew."
        ) from None
    except ValueError as error:
        raise FixSettings(f"{path.name} is not valid YAML: {error}") from None
    for where, text in credentials.places(raw):
        raise FixSettings(credentials.refusal(f"{path.name}: `{where}`", text))
    return section(raw, path, "the file")


def named(name: str, body: object, path: Path, where: str) -> dict[str, Any]:
    """A section whose key is its name, which therefore may not stand inside it again."""
    known = section(body, path, where)
    if "name" in known:
        raise FixSettings(f"{path.name}: `{where}.name` does not belong there; the key {name!r} is the name.")
    return {"name": name, **known}


def section(raw: object, path: Path, where: str) -> dict[str, Any]:
    """`raw` if it is keys with values."""
    if not isinstance(raw, dict):
        raise FixSettings(f"{path.name}: {where} must be keys with values.")
    return {str(key): value for key, value in raw.items()}

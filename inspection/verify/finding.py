"""One file (or tag) that is not what the record says of it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """`file` is a path from the plant's folder, or the name of a tag; `words` say what is wrong and what to do."""

    file: str
    words: str

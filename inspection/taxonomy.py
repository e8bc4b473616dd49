"""taxonomy.yaml: the classes, and which are acceptable."""

from pathlib import Path
from typing import Literal

from pydantic import model_validator

from inspection.record import Record, mapping, nearest, parse, section


class Defect(Record):
    """One class of the taxonomy; `acceptable` says whether a part that shows it may pass."""

    name: str
    description: str = ""
    severity: Literal["none", "minor", "major", "critical"]
    acceptable: bool
    since: str


class Taxonomy(Record):
    """The declared classes, in the order of taxonomy.yaml, under a version of the quality spec."""

    spec: str
    classes: dict[str, Defect]

    @model_validator(mode="after")
    def _some_class(self) -> "Taxonomy":
        if not self.classes:
            raise ValueError("declares no class")
        return self

    def nearest(self, label: str) -> str:
        """The declared class whose name looks most like `label`."""
        return nearest(label, self.classes)


def read_taxonomy(path: Path) -> Taxonomy:
    """taxonomy.yaml, checked."""
    raw = mapping(path)
    classes = section(raw.get("classes") or {}, path, "classes")
    named = {name: {"name": name, **section(body, path, f"classes.{name}")} for name, body in classes.items()}
    return parse(Taxonomy, {**raw, "classes": named}, path)

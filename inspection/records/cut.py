"""The cut: what a training run stands on, pinned by hash."""

from pathlib import Path

from inspection.errors import FixSettings
from inspection.record import Record, read_json
from inspection.records.ledger import Head


class Cut(Record):
    """Everything in the ledger (batches and labels) up to event number `events`, whose hash is `digest`, less
    the images in `exclusions`. An empty cut has no events."""

    events: int = 0
    digest: str = ""
    exclusions: tuple[str, ...] = ()

    @property
    def head(self) -> Head:
        return Head(self.events, self.digest)


def read_cut(path: Path) -> Cut:
    """The cut in a file.

    Raises:
        FixSettings: the file is missing or is not a cut.
    """
    return read_json(Cut, path, FixSettings(f"{path} is not a cut: restore it with git, or run `andon retrain`."))


def write_cut(path: Path, cut: Cut) -> None:
    path.write_text(cut.model_dump_json(indent=2) + "\n", encoding="utf-8")

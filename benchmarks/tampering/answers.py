"""What Andon says and would use: of the plant, the line, the record, some pictures; what a retrain and a rollback would
stand on."""

import os
from collections.abc import Callable
from pathlib import Path

from typer.testing import CliRunner

from andon.__main__ import app
from flows.retrain import champion_of, kept_out, what_is_asked
from flows.versions import dvc
from inspection.errors import AndonError
from inspection.layout import Layout
from inspection.params import read_params
from inspection.records import ledger
from inspection.records.batches import digest
from inspection.release import heads, registry, warrant

QUESTIONS = (
    "status",
    "live",
    "history",
    "incidents --all",
    "candidates",
    "reference list",
    "batch list",
    "quarantine list",
    "label stale",
    "label conflicts",
    "class list",
    "catalog query --format json",
)
TRACED = 2  # pictures, of each batch the first


def answers(layout: Layout) -> dict[str, str]:
    """Question -> answer, or how it was refused."""
    os.chdir(layout.home)
    pictures = [f"trace {_first(folder)}" for folder in sorted(layout.batches.glob("*/*"))[:TRACED] if folder.is_dir()]
    said = {words: _command(words) for words in (*QUESTIONS, *pictures)}
    others: dict[str, Callable[[], object]] = {
        "heads in the daily mail": lambda: heads.of_plant(layout).in_words,
        "a retrain: the ledger": lambda: ledger.head(layout),
        "a retrain: kept out": lambda: kept_out(layout),
        "a retrain: champion": lambda: champion_of(layout),
        "a retrain: what is asked": lambda: what_is_asked(layout, read_params(layout.params)).said,
        "a retrain: labelled": lambda: _labelled(layout),
        "a retrain: what DVC would run": lambda: dvc(layout.home, "status"),
    }
    said |= {name: _asked(ask) for name, ask in others.items()}
    said["a rollback"] = _asked(lambda: [_back(layout, one) for one in registry.history(layout)])
    return said


def _labelled(layout: Layout) -> str:
    return str(what_is_asked(layout, read_params(layout.params)).labelled.to_csv())


def _first(folder: Path) -> str:
    """The name of a batch's first picture: its hash."""
    return min((digest(path) for path in sorted(folder.glob("*.png"))[:1]), default="none")


def _command(words: str) -> str:
    done = CliRunner().invoke(app, [*words.split(), "--json"])
    return f"{done.output}{done.exception or ''}"


def _asked(ask: Callable[[], object]) -> str:
    try:
        return str(ask())
    except AndonError as refusal:
        return f"refused: {refusal}"
    except Exception as error:  # noqa: BLE001  a fault of ours is an answer, too
        return f"failed: {error!r}"


def _back(layout: Layout, release: registry.Release) -> str:
    return _asked(lambda: warrant.check_again(layout, release.version, release.package))

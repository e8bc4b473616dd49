"""The kills of a run in a file, one by one, and their table."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scipy.stats import beta

from benchmarks.kills.kill import Kill
from benchmarks.report import machine
from inspection import files

COLUMNS = ("kills", "in training", "lost", "doubled", "processes left", "unfinished")


class Tally:
    """Kills in a file, so that a run that was stopped goes on."""

    def __init__(self, path: Path, seed: int) -> None:
        self._path, self._seed = path, seed
        self.kills: list[dict[str, Any]] = []
        if path.exists():
            known = json.loads(path.read_text(encoding="utf-8"))
            self.kills = known["kills"] if known["seed"] == seed else []

    def add(self, one: Kill) -> None:
        self.kills.append(one.as_json())
        content = {"seed": self._seed, "machine": machine(), "bounds": self.bounds(), "kills": self.kills}
        files.write(self._path, json.dumps(content, indent=1) + "\n")

    def of(self, command: str, training: bool | None = None) -> list[dict[str, Any]]:
        return [one for one in self.kills if one["command"] == command and training in (None, one["training"])]

    def bounds(self) -> dict[str, float]:
        """Of all kills, the share of each that is not right, which is below this with 95 % confidence."""
        return {name: above(sum(_is(one, name) for one in self.kills), len(self.kills)) for name in COLUMNS[2:]}

    def lines(self, commands: Sequence[str]) -> list[str]:
        """The table."""
        rows = [(name, self.of(name)) for name in commands]
        rows.append(("all", [one for _, some in rows for one in some]))
        lines = ["".join((f"{'':10}", *(f"{name:>16}" for name in COLUMNS)))]
        for name, some in rows:
            lines.append("".join((f"{name:10}", *(f"{sum(_is(one, what) for one in some):>16}" for what in COLUMNS))))
        count = len(rows[-1][1])
        for name in COLUMNS[2:] if count else ():
            wrong = sum(_is(one, name) for one in rows[-1][1])
            bound = f"below {100 * above(wrong, count):.2f} % with 95 % confidence"
            lines.append(f"{name}: {wrong} of {count} kills, {bound}")
        return lines


def above(wrong: int, count: int) -> float:
    """The exact one-sided 95 % bound of a share (Clopper and Pearson, Biometrika 26, 1934)."""
    return 1.0 if wrong >= count else float(beta.ppf(0.95, wrong + 1, count - wrong))


def _is(one: dict[str, Any], column: str) -> bool:
    """Whether a kill counts in a column."""
    name = {"in training": "training", "processes left": "processes"}.get(column, column)
    return {"kills": True, "unfinished": not one["finished"]}.get(column, bool(one.get(name)))

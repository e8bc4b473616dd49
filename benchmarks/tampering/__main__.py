"""Tamper with one thing after the other, and see whether `andon verify` finds it; a run that was stopped goes on."""

import argparse
import json
import multiprocessing
import os
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from rich.console import Console
from rich.table import Table
from scipy.stats import beta

os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "600")  # on a busy machine

from benchmarks.report import Figure, report
from benchmarks.tampering.answers import answers
from benchmarks.tampering.grown import at, copied, grow
from benchmarks.tampering.kinds import KINDS
from inspection import clock, files
from inspection.errors import AndonError
from inspection.layout import Layout
from inspection.verify.everything import verify
from inspection.verify.finding import Finding

FOUND, DEEP, ELSEWHERE, NOTHING, MISSED = (
    "found",
    "found with --all",
    "found, other name",
    "changes nothing",
    "MISSED",
)
NOW = at(2.5)
Result = dict[str, Any]


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m benchmarks.tampering", description=__doc__)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--n", type=int, default=200, help="tamperings")
    asked.add_argument("--out", type=Path, default=Path(".andon/tampering.json"))
    asked.add_argument(
        "--plant", type=Path, default=Path(".andon/tampering"), help="where the plant is grown, and kept"
    )
    given = asked.parse_args()
    folder = given.plant.resolve()
    plant = _plant(folder)
    results = _kept(given.out, given.seed)
    for number in range(given.n):
        if str(number) not in results:
            kind = _kind(given.seed, number)
            results[str(number)] = _apart(folder, partial(_one, plant, folder, kind, given.seed, number))
            files.write(given.out, json.dumps({"seed": given.seed, "results": results}, indent=1))
            print(f"{number + 1}/{given.n} {kind}: {results[str(number)]['outcome']}", flush=True)
    _told([results[str(number)] for number in range(given.n)], given.seed, given.out)


def _plant(folder: Path) -> Path:
    """The plant as it should be, grown once; what Andon says of it lies beside."""
    plant, done = folder / "plant", folder / "answers.json"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        _apart(folder, lambda: {"plant": str(grow(plant).home)})
        said = _apart(folder, lambda: _as_it_is(plant, folder))
        files.write(done, json.dumps(said))
    return plant


def _as_it_is(plant: Path, folder: Path) -> Result:
    """What Andon says of the plant as it was grown; nothing is found there."""
    layout = copied(plant, folder / "tampered")
    with clock.at(NOW):
        answers(layout)  # the first fills caches
        layout = copied(plant, folder / "tampered")
        if found := verify(layout, every=True).findings:
            raise SystemExit(f"The plant as it was grown is not well: {found}")
        return dict(answers(layout))


def _kind(seed: int, number: int) -> str:
    """Every kind once in each round, in an order that is drawn."""
    kinds = list(KINDS)
    Random(f"{seed}/round {number // len(kinds)}").shuffle(kinds)  # noqa: S311  no secret
    return kinds[number % len(kinds)]


def _one(plant: Path, folder: Path, kind: str, seed: int, number: int) -> Result:
    """One tampering: what became of it."""
    layout = copied(plant, folder / "tampered")
    try:
        name = KINDS[kind](layout, Random(f"{seed}/{number}"))  # noqa: S311  no secret
    except IndexError:  # nothing to choose from
        name = None
    if name is None:
        return {"kind": kind, "outcome": "none there"}
    with clock.at(NOW):
        for every in (False, True):
            if found := _found(layout, every):
                named = any(_names(one, name) for one in found)
                outcome = (DEEP if every else FOUND) if named else ELSEWHERE
                said = [f"{one.file}: {one.words}" for one in found[:3]]
                return {"kind": kind, "outcome": outcome, "name": name, "said": said}
        before: Mapping[str, str] = json.loads((folder / "answers.json").read_text(encoding="utf-8"))
        differ = [ask for ask, said in answers(layout).items() if said != before.get(ask)]
    return {"kind": kind, "outcome": MISSED if differ else NOTHING, "name": name, "said": differ}


def _found(layout: Layout, every: bool) -> tuple[Finding, ...]:
    """What `andon verify` finds; that it refuses to work, with the reason, is told to whoever starts it, too."""
    try:
        return verify(layout, every).findings
    except AndonError as refusal:
        return (Finding("", str(refusal)),)


def _names(found: Finding, name: str) -> bool:
    """Whether it names the file, or the folder of a package whose hash is over all its files."""
    return (
        found.file == name
        or name in found.words
        or found.file.startswith(f"{name}/")
        or name.startswith(f"{found.file}/")
    )


def _apart(folder: Path, work: Callable[[], Result]) -> Result:
    """What `work` gives, in a process of its own: nothing that one tampering left in memory helps the next."""
    out = folder / "result.json"
    out.unlink(missing_ok=True)
    child = multiprocessing.get_context("fork").Process(target=lambda: out.write_text(json.dumps(work())) and None)
    child.start()
    child.join()
    if not out.exists():
        raise SystemExit("A tampering ended its process; what it said stands above.")
    result: Result = json.loads(out.read_text())
    return result


def _kept(out: Path, seed: int) -> dict[str, Result]:
    """The results so far of the same seed."""
    kept = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
    return dict(kept["results"]) if kept.get("seed") == seed else {}


def _told(results: list[Result], seed: int, out: Path) -> None:
    """The table of kinds, and how many at most are missed."""
    outcomes = (FOUND, DEEP, ELSEWHERE, NOTHING, MISSED)
    table = Table(title="Tamperings by kind", box=None, pad_edge=False, title_justify="left")
    for heading in ("kind", *outcomes):
        table.add_column(heading, justify="left" if heading == "kind" else "right")
    for kind in KINDS:
        counts = Counter(one["outcome"] for one in results if one["kind"] == kind)
        table.add_row(kind, *(str(counts[one] or "") for one in outcomes))
    Console(width=160).print(table)
    counts = Counter(one["outcome"] for one in results)
    changing = sum(counts[one] for one in (FOUND, DEEP, ELSEWHERE, MISSED))
    missed = counts[MISSED]
    bound = float(beta.ppf(0.95, missed + 1, changing - missed)) if changing > missed else 1.0
    figures = [
        Figure(f"tamperings: {one}", counts[one], "", *(("0", not missed) if one == MISSED else ())) for one in outcomes
    ]
    figures.append(
        Figure("missed at most, of those that are found or change something", bound, "share, one-sided 95 %")
    )
    report("Tampering", figures, out, seed=seed, results={str(n): one for n, one in enumerate(results)})


if __name__ == "__main__":
    main()

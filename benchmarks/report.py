"""A benchmark's table on the screen and its figures in a file."""

import json
import os
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from inspection import files


@dataclass(frozen=True)
class Figure:
    """One measured number; `holds` is None where there is no target."""

    name: str
    value: float
    unit: str
    target: str = ""
    holds: bool | None = None


def machine() -> dict[str, Any]:
    """What the numbers were measured on; no host name."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return {"processor": model, "cores": len(os.sched_getaffinity(0)), "python": platform.python_version()}


def once(path: Path, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `work` gives, measured once and kept, so that a run that was stopped goes on."""
    if not path.exists():
        files.write(path, json.dumps(work()))
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def report(title: str, figures: list[Figure], out: Path | None, **more: Any) -> None:
    """Print the table and write `out`."""
    table = Table(title=title, box=None, pad_edge=False, title_justify="left")
    for heading in ("figure", "value", "unit", "target", "holds"):
        table.add_column(heading, justify="right" if heading == "value" else "left")
    for figure in figures:
        held = {None: "", True: "yes", False: "NO"}[figure.holds]
        table.add_row(figure.name, f"{figure.value:.4g}", figure.unit, figure.target, held)
    Console().print(table)
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        content = {"machine": machine(), "figures": [asdict(figure) for figure in figures], **more}
        out.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

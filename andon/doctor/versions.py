"""What is installed against what was tested together, and against what the plant was made by."""

import re
from collections.abc import Iterator
from importlib.metadata import distributions

from andon.doctor.answer import Answer, unknown, well, wrong
from inspection import fingerprint
from inspection.errors import FixSettings
from inspection.layout import Layout
from inspection.params import Params

LISTED = 5  # libraries that are named
INSTALL = "Run `pip install --constraint constraints.txt andon` in the plant's folder."


def ask(layout: Layout, settings: Params) -> Iterator[Answer]:
    """constraints.txt against the installed libraries, stages.json against the installed Andon."""
    yield _libraries(layout)
    if words := fingerprint.difference(layout):
        yield wrong(*FixSettings(f"{words}.").parts())
    else:
        yield well(f"The plant is of the installed Andon {fingerprint.installed()}.")


def _libraries(layout: Layout) -> Answer:
    path = layout.root / "constraints.txt"
    if not path.is_file():
        return unknown("Which libraries go together: the plant has no constraints.txt.", "Run `andon upgrade`.")
    pinned = dict(re.findall(r"^([\w.-]+)==([\w.!+-]+)", path.read_text(encoding="utf-8"), re.MULTILINE))
    here = {_plain(one.name): one.version.partition("+")[0] for one in distributions() if one.name}
    apart = [
        f"{name} {here[_plain(name)]} instead of {asked}"
        for name, asked in pinned.items()
        if here.get(_plain(name), asked) != asked
    ]
    if apart:
        more = f", and {len(apart) - LISTED} more" if len(apart) > LISTED else ""
        words = f"Libraries that were not tested together: {', '.join(apart[:LISTED])}{more}."
        return wrong(words, INSTALL)
    return well("The installed libraries are those of constraints.txt.")


def _plain(name: str) -> str:
    """As pip compares names."""
    return re.sub(r"[-_.]+", "-", name).lower()

"""Whether git lets Andon write, asked without writing."""

from collections.abc import Iterator

from andon.doctor.answer import Answer, well, wrong
from inspection import git
from inspection.anchor import writing
from inspection.errors import AndonError
from inspection.layout import Layout
from inspection.params import Params


def ask(layout: Layout, settings: Params) -> Iterator[Answer]:
    """Branch and history, who commits, and whether a commit can be signed where it has to be."""
    found = list(writing.refusals(layout))
    for question in (git.require_identity, git.require_signing):
        try:
            question(layout.home)
        except AndonError as refusal:
            found.append(refusal)
    yield from (wrong(*refusal.parts()) for refusal in found)
    if not found:
        yield well("Git knows who commits, and the record goes on from what was recorded.")

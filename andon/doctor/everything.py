"""All questions in turn; each is told before it is asked, for a server that is away keeps one waiting for seconds."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from andon.doctor import account, clock, disk, mail, record, remote, runs, secrets, server, versions
from andon.doctor.answer import Answer, unknown, wrong
from inspection.errors import AndonError
from inspection.layout import Layout
from inspection.params import Params

QUESTIONS: Mapping[str, tuple[str, Callable[[Layout, Params], Iterator[Answer]]]] = {
    "account": ("under which account it runs", account.ask),
    "secrets": ("who may read secrets and write the plant", secrets.ask),
    "server": ("the Prefect server", server.ask),
    "runs": ("whether runs are late", runs.ask),
    "versions": ("what is installed", versions.ask),
    "clock": ("the clock", clock.ask),
    "disk": ("the disk", disk.ask),
    "git": ("git", record.ask),
    "remote": ("the remote", remote.ask),
    "mail": ("the mail server", mail.ask),
}


@dataclass(frozen=True)
class Asked:
    """A question by its word, in words, and what came of it."""

    about: str
    question: str
    answers: tuple[Answer, ...]


def ask(layout: Layout, settings: Params, tell: Callable[[str], None]) -> Iterator[Asked]:
    """Each question with its answers; `tell` is given the question before it is asked."""
    for about, (question, check) in QUESTIONS.items():
        tell(question)
        yield Asked(about, question, tuple(_answers(check, layout, settings)))


def _answers(check: Callable[[Layout, Params], Iterator[Answer]], layout: Layout, settings: Params) -> Iterator[Answer]:
    """A refusal is a finding; what the system does not let us ask is not known."""
    try:
        yield from check(layout, settings)
    except AndonError as refusal:
        yield wrong(*refusal.parts())
    except OSError as error:
        yield unknown(f"It could not be asked: {error}.")

"""Whether a mail would leave this computer: everything but the sending."""

from collections.abc import Iterator

from andon.doctor.answer import Answer, unknown, well, wrong
from inspection.layout import Layout
from inspection.params import Params
from inspection.post import outbox, smtp

EXAMPLE = ".invalid"  # how an address ends that nobody has


def ask(layout: Layout, settings: Params) -> Iterator[Answer]:
    """Who is told, whether the server lets Andon in, and what waits in the outbox."""
    if nobody := [one for one in settings.mail.to if one.rstrip(">").endswith(EXAMPLE)]:
        yield wrong(f"Mails go to {', '.join(nobody)}, whom nobody is.", "Set mail.to in params.yaml and commit it.")
    server = smtp.Server.of_environment()
    if server is None:
        yield unknown(
            f"No mail server is named here, so mails only lie in {settings.mail.outbox}/.",
            "Set ANDON_SMTP_HOST where the flows run, and here.",
        )
        return
    try:
        yield well(smtp.knock(server))
    except smtp.NotTaken as refusal:
        yield wrong(str(refusal), "Correct the ANDON_SMTP_ settings, or ask whoever keeps that server.")
    waits = outbox.waiting(layout.home, settings.mail)
    if waits.count and waits.since:
        since = f"{waits.since:%Y-%m-%d %H:%M} UTC"
        yield wrong(waits.words, "Mend what is said here; the next `andon watch` sends them.", since)

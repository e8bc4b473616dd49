"""The Prefect server: open or closed, its version, its worker, the runs that did not begin or failed."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from importlib.metadata import version
from urllib.parse import urlsplit

from andon.doctor.answer import Answer, unknown, well, wrong
from flows.servers.site import Away, Deployment, Site
from inspection import clock
from inspection.layout import Layout
from inspection.params import Params

HERE = ("127.0.0.1", "localhost", "::1")
LATE = timedelta(minutes=5)  # a worker asks for runs every 15 s
CLOSE = (
    "Set PREFECT_SERVER_API_AUTH_STRING for the server and PREFECT_API_AUTH_STRING for worker and commands, then start "
    "the server anew: docs/production.md."
)
START = "Start it: `systemctl start andon-prefect`, and see `journalctl -u andon-prefect`."
WORK = "Start it: `systemctl start andon-worker`, and see `journalctl -u andon-worker`."
DEPLOY = "In the plant's folder run `prefect --no-prompt deploy --all`."


def ask(layout: Layout, settings: Params) -> Iterator[Answer]:
    """Whether a stranger is let in, then as far as the login reaches."""
    site = Site.of_environment()
    if site is None:
        yield unknown(
            "The Prefect server: PREFECT_API_URL names none here, so only what is started by hand runs.",
            "Where flows run by themselves, set PREFECT_API_URL and PREFECT_API_AUTH_STRING and ask again.",
        )
        return
    try:
        yield from _closed(site)
        yield from _inside(site, layout)
    except Away as words:
        login = "login" in str(words)
        remedy = "Set PREFECT_API_AUTH_STRING to the server's own, as USER:PASSWORD." if login else START
        yield wrong(f"Prefect's server at {site.url} {words}; so nothing more is known of it.", remedy)


def _closed(site: Site) -> Iterator[Answer]:
    if site.stranger().lets_in():
        yield wrong(
            f"Prefect's server at {site.url} is open: it answers without a login, so whoever reaches it (each account "
            "of this computer, each page in its browser) can make the worker run any program.",
            CLOSE,
        )
    else:
        yield well(f"Prefect's server at {site.url} answers nobody without a login.")
    origin = site.url.removesuffix("/api")
    if site.serves_pages_of_others():
        words = f"Pages of any address may use Prefect's server at {site.url} in a browser."
        yield wrong(words, f"Set PREFECT_SERVER_CORS_ALLOWED_ORIGINS={origin} for the server and start it anew.")
    else:
        yield well("It serves no pages of other addresses.")
    found = urlsplit(site.url)
    if found.hostname not in HERE and found.scheme != "https":
        words = f"The login goes to {found.hostname} in clear text: whoever listens on the way has it."
        yield wrong(words, "Let a proxy with a certificate stand before the server (https://), or go through `ssh -L`.")


def _inside(site: Site, layout: Layout) -> Iterator[Answer]:
    theirs, ours = site.version(), version("prefect")
    if theirs == ours:
        yield well(f"The server is Prefect {theirs}, as is installed here.")
    else:
        yield wrong(
            f"The server is Prefect {theirs}, and {ours} is installed here.",
            "Install one version for both, `pip install --constraint constraints.txt prefect`, and start them anew.",
        )
    if not site.shows_pages():
        yield wrong(
            f"Prefect's server at {site.url} shows no pages, so nobody sees in a browser what ran and what waits.",
            "Set PREFECT_SERVER_UI_STATIC_DIRECTORY to a folder that its account may write, and start it anew.",
        )
    mine = site.deployments(str(layout.home))
    if not mine:
        yield wrong(f"It knows no deployment of the plant {layout.home}: nothing runs by itself.", DEPLOY)
        return
    for pool in sorted({one.pool for one in mine}):
        yield _worker(site, pool)
    yield from _runs(site, mine)


def _worker(site: Site, pool: str) -> Answer:
    here, seen = site.worker_seen(pool)
    if here:
        return well(f"A worker of the pool {pool} is at work.")
    return wrong(f"No worker of the pool {pool} is at work.", WORK, f"{seen:%Y-%m-%d %H:%M} UTC" if seen else "")


def _runs(site: Site, mine: Sequence[Deployment]) -> Iterator[Answer]:
    late = site.late(mine, clock.machine() - LATE)
    for one in mine:
        began = [at for name, at in late if name == one.name]
        ended = site.last_ended(one)
        if one.asleep:
            resume = (
                f"Run `prefect deployment schedule resume {one.name} ID` (`prefect deployment schedule ls {one.name}`)."
            )
            yield wrong(f"{one.name} is paused: it does not run by itself.", resume)
        if began:
            words = f"{len(began)} runs of {one.name} should have begun and have not."
            yield wrong(words, WORK, f"{min(began):%Y-%m-%d %H:%M} UTC")
        if ended and ended[0] != "COMPLETED":
            words = f"The last run of {one.name} {ended[0].lower()}: {ended[2][:300]}"
            yield wrong(
                words,
                "Mend what it says; the page of the run in Prefect has its log.",
                f"{ended[1]:%Y-%m-%d %H:%M} UTC",
            )
        if not (one.asleep or began or (ended and ended[0] != "COMPLETED")):
            last = f"its last run ended well at {ended[1]:%Y-%m-%d %H:%M} UTC" if ended else "it has not run yet"
            yield well(f"{one.name}: nothing is late; {last}.")

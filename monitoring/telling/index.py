"""One page over all incidents, cameras and days, newest first. Its links are relative: it works from a file share."""

import html
from collections.abc import Iterable, Sequence, Set
from pathlib import Path
from zoneinfo import ZoneInfo

from inspection import files
from inspection.cameras import read_cameras
from inspection.chain import Event
from inspection.layout import Layout
from inspection.post.causes import NAMES
from inspection.post.wording import counted, place, size
from inspection.records import alarms, commissions, incidents
from inspection.records.incidents import Incident

PAGE = "index.html"
BAD, WARN, GOOD, GREY = "#a8201a", "#8a5300", "#1b6b3a", "#566270"
_CELL = 'style="text-align:left;vertical-align:top;padding:6px 16px 6px 0;border-top:1px solid #dfe4e9"'
_FRAME = """\
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Andon: cameras, days and incidents</title></head>
<body style="font:400 16px/1.5 Arial,sans-serif;max-width:960px;margin:24px auto;padding:0 16px;color:#1c2530">
<h1 style="font-size:24px;line-height:1.25;margin:0 0 8px">{headline}</h1>
<p style="margin:0 0 16px;padding:8px 12px;background:{colour};color:#fff;font-weight:bold">{todo}</p>
{sections}
</body></html>
"""


def write(layout: Layout, events: Sequence[Event], unsettled: Set[str]) -> Path:
    """Write it from the ledger and from the pages that are on the disk.

    Args:
        unsettled: incidents that are over while their parts are open.
    """
    found = sorted(incidents.fold(events), key=lambda one: (one.opened, one.name), reverse=True)
    still = [one for one in found if one.open]
    waiting = [one for one in found if one.name in unsettled]
    page = _FRAME.format(
        headline=_headline(still, waiting),
        colour=BAD if any(one.action in ("repair", "retrain") for one in still) else WARN if still or waiting else GOOD,
        todo=_todo(still, waiting),
        sections=_incidents(layout, found, unsettled) + _cameras(layout, events, still) + _days(layout),
    )
    return files.write(layout.watched / PAGE, page)


def _headline(still: Sequence[Incident], waiting: Sequence[Incident]) -> str:
    words = f"{counted(len(still), 'incident')} open" if still else "No incident is open"
    if not waiting:
        return words
    verb = "is" if len(waiting) == 1 else "are"
    return f"{words}; the parts of {len(waiting)} that {verb} over wait to be looked through"


def _todo(still: Sequence[Incident], waiting: Sequence[Incident]) -> str:
    if not still and not waiting:
        return "Nothing has to be done."
    names = [one.name for one in (*still, *waiting)]
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"Open {', '.join(names[:5])}{more} below: each page says what to do first."


def _incidents(layout: Layout, found: Sequence[Incident], unsettled: Set[str]) -> str:
    rows = []
    for one in found:
        zone = _zone(layout, one.cameras[0])
        page = f"incidents/{one.name}/{PAGE}"
        name = _link(one.name, page) if (layout.watched / page).is_file() else _text(one.name)
        began = one.onset[0 if one.cause == "silent" else 1]  # what is missing is so since the last that came
        since = f"{began.astimezone(zone):%a %d %b %Y, %H:%M}"
        where = _text(place(one.line, one.cameras))
        what = _text(f"{NAMES.get(one.cause, one.cause.replace('_', ' '))} ({size(one.finding)})")
        rows.append((name, since, where, what, _state(one, one.name in unsettled)))
    return _table("Incidents", ("", "Since", "Where", "What", "State"), rows, "None so far.")


def _state(one: Incident, unsettled: bool) -> str:
    if one.open:
        words = {"repair": "open, to be repaired", "retrain": "open, to be learned", "label": "open, labels needed"}
        hot = one.action in ("repair", "retrain")
        return _mark(words.get(one.action, "open, watched"), BAD if hot else WARN)
    if unsettled:
        return _mark("over, but its parts wait", WARN)
    return _mark("over", GOOD)


def _cameras(layout: Layout, events: Sequence[Event], still: Sequence[Incident]) -> str:
    held = commissions.current(events)
    last = {one.camera: one for one in alarms.glances(events)}
    rows = []
    for name, camera in read_cameras(layout.cameras).items():
        mine = [one.name for one in still if name in one.cameras]
        glance = last.get(name)
        at = f"{glance.last.astimezone(camera.zone):%a %d %b %Y, %H:%M}" if glance else "–"
        if mine:
            state = _mark(f"open: {', '.join(mine)}", WARN)
        elif name not in held:
            state = _mark("is being learned", GREY)
        elif glance is None or glance.state not in alarms.JUDGED:
            state = _mark("not judged", GREY)
        elif glance.causes:
            state = _mark("perhaps changed; the next pictures decide", WARN)
        else:
            state = _mark("healthy", GOOD)
        days = sorted(layout.watched.glob(f"days/*/{name}.html"), reverse=True)[:7]
        links = " ".join(_link(page.parent.name, f"days/{page.parent.name}/{page.name}") for page in days)
        rows.append((_text(name), _text(camera.line), at, state, links or "–"))
    return _table("Cameras", ("", "Line", "Last looked at", "State", "Last days"), rows, "None is declared.")


def _days(layout: Layout) -> str:
    rows = []
    for folder in sorted((one for one in layout.watched.glob("days/*") if one.is_dir()), reverse=True):
        pages = sorted(folder.glob("*.html"))
        if pages:
            links = " ".join(_link(page.stem, f"days/{folder.name}/{page.name}") for page in pages)
            rows.append((_text(folder.name), links))
    return _table("Days", ("", "Cameras"), rows, "No day was looked at so far.")


def _table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]], none: str) -> str:
    """Cells are HTML already."""
    body = "".join(f"<tr>{''.join(f'<td {_CELL}>{cell}</td>' for cell in row)}</tr>" for row in rows)
    heading = f'<h2 style="font-size:18px;margin:24px 0 4px">{title}</h2>'
    if not body:
        return f"{heading}<p>{none}</p>"
    names = "".join(f'<th {_CELL} scope="col">{name}</th>' for name in head)
    return f'{heading}<table style="border-collapse:collapse;width:100%"><tr>{names}</tr>{body}</table>'


def _link(words: str, target: str) -> str:
    return f'<a href="{html.escape(target)}" style="color:#1f5a99;white-space:nowrap">{html.escape(words)}</a>'


def _mark(words: str, colour: str) -> str:
    return f'<span style="color:{colour};font-weight:bold">{html.escape(words)}</span>'


def _text(words: str) -> str:
    return html.escape(words)


def _zone(layout: Layout, camera: str) -> ZoneInfo:
    known = read_cameras(layout.cameras).get(camera)
    return known.zone if known else ZoneInfo("UTC")

"""A reference of an earlier method -> a new version of the same pictures by the method of today, without a person."""

import time
from functools import partial
from typing import Any

import pandas as pd
from prefect import task
from prefect.cache_policies import NO_CACHE

from flows.commission import clean_captures, learn, record
from flows.remote import push
from inspection import clock, git, lock
from inspection.cameras import read_cameras
from inspection.errors import AndonError, FetchData, FixInput, Unforeseen, attempt
from inspection.layout import Layout
from inspection.outside import documents
from inspection.params import Params
from inspection.post.wording import counted
from inspection.records import batches, commissions, ledger
from inspection.records.catalog import Catalog
from inspection.records.commissions import BY, Commission, Outdated
from monitoring.judgement import reference
from monitoring.judgement.reference import Reference


@task(name="recalibrate", cache_policy=NO_CACHE)
def recalibrate(layout: Layout, settings: Params, catalog: Catalog) -> list[dict[str, Any]]:
    """Make each reference of an earlier method again. One whose pictures are not all on this disk holds as it is until
    they are; one that could not be learned again holds until a person makes another. A camera that is learning is left
    alone.

    Returns:
        For each camera: camera, version (that it had), and made (as `commission` has it), decoded (pictures) and
        seconds, or refused (in words).
    """
    events = ledger.read(layout)
    declared, known = read_cameras(layout.cameras), commissions.outdated(events)
    given_up = {camera for camera, one in known.items() if one.final and one.method == reference.METHOD}
    due = [one for camera, one in commissions.current(events).items() if camera in declared and camera not in given_up]
    return [_again(layout, settings, catalog, one) for one in due if _method(layout, one) < reference.METHOD]


def _method(layout: Layout, one: Commission) -> int:
    """By which method a reference was made, from its few facts alone; of one that cannot be read `look` says why."""
    try:
        facts = documents.json_file(one.folder(layout) / reference.FACTS)
        return int(facts.get("method", 1))
    except (FileNotFoundError, ValueError, TypeError, AttributeError):
        return reference.METHOD


def _again(layout: Layout, settings: Params, catalog: Catalog, old: Commission) -> dict[str, Any]:
    """As `recalibrate`, of one camera."""
    rows, told = same_captures(layout, catalog, old), {"camera": old.camera, "version": old.version}
    if gone := old.images - sum((layout.home / path).is_file() for path in rows["path"]):
        return {**told, "refused": _keep(layout, old, _are_gone(old, gone), final=False)}
    start = time.monotonic()
    made = _learned(layout, settings, catalog, old, rows)
    if isinstance(made, str):
        return {**told, "refused": _keep(layout, old, made, final=True)}
    why = f"{old.version} (by {old.by}) made again of the same pictures by a better method; its limits are other ones"
    kept = record(layout, made, rows, BY, why, declared=False)
    push(layout)
    return {**told, "made": kept, "decoded": len(rows), "seconds": round(time.monotonic() - start, 1)}


def same_captures(layout: Layout, catalog: Catalog, old: Commission) -> pd.DataFrame:
    """The captures that a reference was made of, in order: those that have come since, or were released since, from the
    same time are not among them. Fewer than it had where some may not be used any more."""
    events = ledger.read(layout)
    [made] = [n for n, event in enumerate(events) if _makes(event.kind, event.body, old)]
    usable = [name for name, state in batches.states(events[:made]).items() if state in batches.USABLE]
    until = pd.Timestamp(old.last) + pd.Timedelta(microseconds=1)
    rows = clean_captures(catalog, old.camera, old.first, until.to_pydatetime())
    return rows[rows["batch"].isin(usable)].head(old.images).reset_index(drop=True)


def _makes(kind: str, body: Any, one: Commission) -> bool:
    return kind == "reference" and (body["camera"], body["version"]) == (one.camera, one.version)


def _learned(
    layout: Layout, settings: Params, catalog: Catalog, old: Commission, rows: pd.DataFrame
) -> Reference | str:
    """The new version, or in words why these pictures make none. What they show stays known where the feature store has
    lost some of it."""
    try:
        made = attempt(partial(learn, layout, settings, catalog, old.camera, rows))
    except (FixInput, FetchData) as refusal:
        return f"{old.camera}: reference {old.version} could not be made again by a better method: {refusal} {_ANEW}"
    if isinstance(made, Unforeseen):
        words = f"could not be made again by a better method ({made.words}): report it to whoever maintains Andon"
        return f"{old.camera}: reference {old.version} {words}. {_ANEW}"
    try:
        before = reference.load(old.folder(layout), old.digest).content
    except AndonError:
        return made
    if before is not None and (made.content is None or len(made.content.clean) < len(before.clean)):
        return made.with_content(before, settings.health)
    return made


_ANEW = "It holds as it is; a new one is made by `andon reference accept`."


def _are_gone(old: Commission, gone: int) -> str:
    return (
        f"{old.camera}: reference {old.version} could not be made again by a better method, for {gone} of its "
        f"{counted(old.images, 'picture')} are not on this disk or may not be used any more. It holds as it is: run "
        f"`dvc pull`, or declare new clean days: `andon reference accept {old.camera} --from T --to T --by NAME`."
    )


def _keep(layout: Layout, old: Commission, why: str, final: bool) -> str:
    """Write down, once, why the old reference holds; the words."""
    known = commissions.outdated(ledger.read(layout)).get(old.camera)
    now = Outdated(old.camera, old.version, reference.METHOD, why, final, clock.now())
    if known is None or known.state_key != now.state_key:
        body = {"camera": old.camera, "version": old.version, "method": now.method, "why": why, "final": final}
        with lock.hold(layout, lock.WRITE, f"keeping reference {old.version} of {old.camera}"):
            ledger.append(layout, "outdated", BY, [body])
            git.commit(layout.home, ledger.files(layout), f"Reference {old.version} of {old.camera} holds as it is")
    return why


def told(one: dict[str, Any]) -> str:
    """What became of one reference, in a sentence."""
    if "refused" in one:
        return str(one["refused"])
    made = one["made"]
    return (
        f"{one['camera']}: reference {made['version']}, because {made['reason']} ({one['decoded']} pictures decoded, "
        f"{one['seconds']:.1f} s)"
    )

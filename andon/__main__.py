"""The `andon` command: every word of it calls a flow or asks the plant, and prints.

What a command needs is imported inside it, so that `andon --help` is there at once.
"""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from andon.show import emit, share, table
from inspection import files
from inspection.errors import FixInput, in_words

if TYPE_CHECKING:
    from inspection.cameras import Camera
    from inspection.layout import Layout

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
labels = typer.Typer(no_args_is_help=True, help="Labels that people gave to images.")
classes = typer.Typer(no_args_is_help=True, help="The declared classes.")
catalog = typer.Typer(no_args_is_help=True, help="Ask the catalog.")
references = typer.Typer(no_args_is_help=True, help="What a camera looks like when it is healthy.")
masks = typer.Typer(no_args_is_help=True, help="Where a model must not look.")
held = typer.Typer(no_args_is_help=True, help="Batches, and what a person says of those that were held.")
incidents = typer.Typer(help="What went wrong on which camera; without a word: list them.")
app.add_typer(labels, name="label")
app.add_typer(classes, name="class")
app.add_typer(catalog, name="catalog")
app.add_typer(held, name="batch")
app.add_typer(references, name="reference")
app.add_typer(incidents, name="incidents")
app.add_typer(masks, name="mask")

Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of tables.")]
By = Annotated[str, typer.Option("--by", help="Your name, for the record.")]


@app.callback()
def door() -> None:
    """Keeps a factory's visual inspection right while the factory changes."""


def plant() -> "Layout":
    """The plant around the current folder, its settings checked: a wrong key stops every command."""
    from inspection.cameras import read_cameras
    from inspection.layout import Layout
    from inspection.params import read_params
    from inspection.taxonomy import read_taxonomy

    layout = Layout.find()
    read_params(layout.params)
    read_cameras(layout.cameras)
    read_taxonomy(layout.taxonomy)
    return layout


def prefect_at_home(layout: "Layout") -> None:
    """Start Prefect's server, settled; before its import and all else that a flow needs."""
    from flows import server
    from inspection import garbage

    settle_prefect(layout)
    server.spawn()
    garbage.rest()


def settle_prefect(layout: "Layout") -> None:
    """Keep Prefect's data in the plant and its log quiet, unless the environment says otherwise; before its import."""
    defaults = {
        "PREFECT_HOME": str(layout.state / "prefect"),
        "PREFECT_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    Path(os.environ["PREFECT_HOME"]).mkdir(parents=True, exist_ok=True)  # Prefect makes no folder above its own


@app.command()
def demo(
    data: Annotated[Path | None, typer.Option(help="A folder with metadata.csv (file,label) beside images/.")] = None,
    serial_column: Annotated[str | None, typer.Option(help="Column of metadata.csv that names the part.")] = None,
    order_column: Annotated[str | None, typer.Option(help="Column whose values follow each other as days.")] = None,
    good: Annotated[list[str] | None, typer.Option(help="A label that is acceptable; may be repeated.")] = None,
    days: Annotated[int, typer.Option(help="Days to simulate.")] = 11,
    seed: Annotated[int, typer.Option(help="Seed of everything that is drawn.")] = 1,
    json: Json = False,
) -> None:
    """The whole loop in .demo/, on drawn parts or on a folder of images."""
    from andon.demo import Source, run

    layout = plant()
    prefect_at_home_of_demo(layout)
    run(layout, Source(data, serial_column, order_column, tuple(good or ()), days, seed), quiet=json)
    if json:
        print((layout.root / ".demo" / "summary.json").read_text(encoding="utf-8"), end="")


def prefect_at_home_of_demo(layout: "Layout") -> None:
    os.environ.setdefault("PREFECT_HOME", str(layout.root / ".demo" / "prefect"))
    prefect_at_home(layout)


@app.command()
def ingest(
    inbox: Annotated[
        str | None, typer.Option(help="A folder or s3://bucket/prefix; default: ingest.inbox in params.yaml.")
    ] = None,
    json: Json = False,
) -> None:
    """Take in what the cameras dropped."""
    layout = plant()
    prefect_at_home(layout)
    from flows.ingest import ingest as flow
    from flows.ingest import summary
    from flows.tasks import run_here
    from inspection.intake import contract

    contract.load()  # while Prefect's server starts
    result = run_here(flow, inbox)
    emit(result, json, summary(result))


Why = Annotated[str, typer.Option("--why", help="The reason, for the record.")]


@held.command("list")
def batch_list(
    every: Annotated[bool, typer.Option("--all", help="All batches; default: those that are held.")] = False,
    json: Json = False,
) -> None:
    """The batches that wait for a person."""
    from dataclasses import asdict

    from inspection.records import holds
    from inspection.records.batches import HELD

    rows = [
        {**asdict(one), "why": "; ".join(one.why), "at": one.at[:16].replace("T", " ")}
        for one in holds.every(plant())
        if every or one.state == HELD
    ]
    columns = {"batch": "batch", "at": "came (UTC)", "captures": "images", "state": "state", "by": "by", "why": "why"}
    table(rows, columns, json, "No batch is held.")


@held.command("hold")
def batch_hold(batch: str, by: By, why: Why, json: Json = False) -> None:
    """Set a batch aside: it is neither judged nor trained on until it is released."""
    _rule(batch, "held", by, why, json)


@held.command("release")
def batch_release(batch: str, by: By, why: Why, json: Json = False) -> None:
    """Let a held batch be used."""
    _rule(batch, "released", by, why, json)


@held.command("discard")
def batch_discard(batch: str, by: By, why: Why, json: Json = False) -> None:
    """Never use a held batch. Its images stay on the disk."""
    _rule(batch, "discarded", by, why, json)


def _rule(batch: str, what: str, by: str, why: str, json: bool) -> None:
    from inspection.records import holds

    holds.rule(plant(), batch, what, by, why)
    emit({"batch": batch, "state": what, "by": by, "why": why}, json, [f"Batch {batch} is {what}."])


@app.command()
def push(json: Json = False) -> None:
    """Send to the remote what still waits."""
    from inspection import backlog

    layout = plant()
    prefect_at_home(layout)
    from flows.remote import push as send

    why = send.fn(layout)
    waiting = len(backlog.read(layout).waiting)
    emit({"waiting": waiting, "why": why}, json, [f"{waiting} pushes wait." if waiting else "Everything is there."])
    if why:
        raise typer.Exit(1)


@app.command()
def watch(
    batch: Annotated[str | None, typer.Option(help="Judge this batch only; default: all that are new.")] = None,
    json: Json = False,
) -> None:
    """Judge new captures, look at each camera's health, and tell people what has changed."""
    layout = plant()
    prefect_at_home(layout)
    from flows.tasks import run_here
    from flows.watch import summary
    from flows.watch import watch as flow

    result = run_here(flow, batch)
    emit(result, json, summary(result))


@references.command("accept")
def reference_accept(
    cameras: Annotated[list[str], typer.Argument(help="One camera or more.")],
    since: Annotated[str, typer.Option("--from", help="ISO 8601; UTC without a zone.")],
    until: Annotated[str, typer.Option("--to", help="ISO 8601; UTC without a zone.")],
    by: By,
    json: Json = False,
) -> None:
    """Declare that the cameras were healthy in that time; each is measured against it from now on."""
    from andon.query import moment

    layout = plant()
    prefect_at_home(layout)
    from flows.commission import commission
    from flows.tasks import run_here

    made = run_here(commission, cameras, moment(since, "--from"), moment(until, "--to"), by)
    words = [
        f"{one['camera']}: reference {one['version']} of {one['images']} images in {one['windows']} windows, parts "
        f"{', '.join(one['parts'])}" + (" (few windows: limits are provisional)" if one["provisional"] else "")
        for one in made
    ]
    emit(made, json, words)


@references.command("renew")
def reference_renew(
    camera: str,
    reason: Annotated[str, typer.Option(help="What changes: a new lens, a new lamp, a new fixture.")],
    by: By,
    since: Annotated[
        str | None, typer.Option("--from", help="When it changed; default: now. UTC without a zone.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", help="Make the reference at once of the images up to then.")
    ] = None,
    json: Json = False,
) -> None:
    """Announce a planned change: the camera is learned anew, and the watch makes its reference when enough has come."""
    from andon.query import moment

    if until is not None and since is None:
        raise FixInput("--to needs --from: say when the change was made.")
    begin, end = (None if at is None else moment(at, name) for at, name in ((since, "--from"), (until, "--to")))
    layout = plant()
    prefect_at_home(layout)
    from flows.commission import renew
    from flows.tasks import run_here
    from flows.watch import renewed

    told = run_here(renew, camera, reason, by, begin, end)
    words = [f"{camera} is learning since {told['since'][:16].replace('T', ' ')} UTC: {reason}, announced by {by}."]
    words += [f"{', '.join(told['closed'])} closed."] if told["closed"] else []
    if told["made"] or told["refused"]:
        words.append(renewed(told))
    else:
        words.append(f"The watch makes the new reference when {told['images']} images have come.")
    emit(told, json, words)
    if told["refused"]:
        raise typer.Exit(1)


@references.command("list")
def reference_list(json: Json = False) -> None:
    """Every version of every camera's reference."""
    from andon.references import rows

    columns = {
        "camera": "camera",
        "version": "version",
        "state": "state",
        "first": "images from (UTC)",
        "last": "to (UTC)",
        "images": "images",
        "windows": "windows",
        "by": "by",
        "reason": "because of",
    }
    table(rows(plant()), columns, json, "No camera has a reference yet: andon reference accept CAMERA.")


@references.command("show")
def reference_show(
    camera: str,
    version: Annotated[str | None, typer.Argument(help="Default: the newest.")] = None,
    json: Json = False,
) -> None:
    """One reference: what it was made of, and the limits that it sets."""
    from andon.references import lines, story

    told = story(plant(), camera, version)
    emit(told, json, lines(told))


@app.command()
def drill(
    fault: Annotated[str, typer.Argument(help="What to rehearse: lamp, dust, dead ..., or all.")],
    camera: Annotated[str | None, typer.Option(help="Default: the first one that can be rehearsed on.")] = None,
    size: Annotated[float | None, typer.Option(help="In the fault's own unit; default: a usual one.")] = None,
    json: Json = False,
) -> None:
    """Rehearse an alarm on a copy of the last pictures: nothing real is touched, and the mail says DRILL."""
    layout = plant()
    settle_prefect(layout)
    from flows.drill import drill as rehearse
    from flows.drill import lines

    results = rehearse(layout, fault, camera, size)
    emit(results if fault == "all" else results[0], json, [words for one in results for words in lines(one)])
    if not all(one["passed"] for one in results):
        raise typer.Exit(1)


@incidents.callback(invoke_without_command=True)
def incidents_list(
    context: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Closed ones too.")] = False,
    json: Json = False,
) -> None:
    """The open incidents."""
    if context.invoked_subcommand:
        return
    from andon.status import incident_rows

    columns = {
        "incident": "incident",
        "cameras": "cameras",
        "scope": "whose",
        "cause": "cause",
        "size": "size",
        "onset": "began between (UTC)",
        "action": "action",
        "state": "state",
    }
    table(incident_rows(plant(), every), columns, json, "No incidents are open.")


@incidents.command("show")
def incidents_show(incident: str, json: Json = False) -> None:
    """Everything about one incident, and where its pictures and suspect parts are."""
    from andon.status import incident_lines, incident_state

    told = incident_state(plant(), incident)
    emit(told, json, incident_lines(told))


@incidents.command("rule")
def incidents_rule(
    incident: str,
    images: Annotated[str, typer.Option(help="use: they may train the model; drop: never.")],
    by: By,
    json: Json = False,
) -> None:
    """Say what becomes of the images that a camera's fault has marked."""
    from inspection.records.rulings import rule

    event = rule(plant(), incident, by, images)
    emit({"by": by, **event}, json, [f"The images of {incident}: {images}."])


@incidents.command("close")
def incidents_close(
    incident: str,
    by: By,
    why: Why,
    parts: Annotated[
        str, typer.Option(help="What was done with the suspect parts: reinspected, released, scrapped or none.")
    ] = "",
    json: Json = False,
) -> None:
    """Close an incident by hand, and say what was done with its suspect parts; or say that of one that is over."""
    from inspection.records.rulings import close

    event = close(plant(), incident, by, why, parts)
    emit({"by": by, **event}, json, [f"{incident} is closed; its suspect parts: {event['parts']}."])


@app.command()
def retrain(
    by: Annotated[str | None, typer.Option(help="Who asks; default: git's user.name.")] = None,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "asked by hand",
    due: Annotated[bool, typer.Option("--due", help="Only if an open request has what it waits for.")] = False,
    json: Json = False,
) -> None:
    """Reproduce on everything labelled by now, compare, register a candidate."""
    layout = plant()
    prefect_at_home(layout)
    from flows.retrain import retrain as flow
    from flows.tasks import run_here
    from inspection import git

    result = run_here(flow) if due else run_here(flow, reason, by or git.require_identity(layout.home))
    if due and not result["requests"]:
        emit(result, json, ["No request has what it waits for.", *(f"  {words}" for words in result["waits"])])
        return
    marks = [*(f"  ✗ {words}" for words in result["objections"]), *(f"  ✓ {words}" for words in result["reasons"])]
    emit(result, json, [_retrained(result), *marks])


def _retrained(result: dict[str, Any]) -> str:
    if result["version"] is None:
        return "The result is the same model as before; there is nothing to decide."
    if not result["promote"]:
        return f"Candidate {result['version']} did not pass the gate."
    return f"Candidate {result['version']} waits for approval: andon approve {result['version']} --by NAME"


@app.command()
def candidates(json: Json = False) -> None:
    """Every candidate and where it stands."""
    from inspection.release import approval

    layout = plant()
    rows = [
        {
            "version": r.version,
            "state": approval.state(layout, r),
            "escapes": f"{r.figures['escapes']} of {r.figures['defective_parts']}",
            "false_rejects": f"{r.figures['false_rejects']} of {r.figures['good_parts']}",
            "balanced_accuracy": r.figures["balanced_accuracy"],
            "reason": r.reason,
            "requested_by": r.requested_by,
            "at": r.at[:16].replace("T", " "),
            "package": r.package[:12],
        }
        for r in approval.requests(layout)
    ]
    columns = {
        "version": "candidate",
        "state": "state",
        "escapes": "escapes (parts)",
        "false_rejects": "false rejects (parts)",
        "balanced_accuracy": "balanced accuracy",
        "reason": "reason",
        "requested_by": "asked by",
        "at": "at (UTC)",
    }
    table(rows, columns, json, "No candidates yet: `andon retrain` makes one.")


@app.command()
def show(candidate: str, json: Json = False) -> None:
    """What the gate said of a candidate, and its figures."""
    from inspection.model.metrics import MEANING
    from inspection.release import approval

    layout = plant()
    request = approval.find_request(layout, candidate)
    given = approval.answer(layout, request)
    data = {
        **request.model_dump(),
        "state": approval.state(layout, request),
        "answer": given.model_dump() if given else None,
    }
    lines = [
        f"{request.version}  {data['state']}  package {request.package[:12]}",
        f"asked by {request.requested_by} on {request.at[:16].replace('T', ' ')} UTC: {request.reason}",
        f"classes: {', '.join(request.classes)}",
        *(
            f"  {_plain(request.figures.get(name)):>8}  {name} ({unit}; {better} is better)"
            for name, (better, unit) in MEANING.items()
        ),
        *(f"  ✗ {words}" for words in request.objections),
        *(f"  ✓ {words}" for words in request.reasons),
    ]
    if given:
        lines.append(
            f"{'approved' if given.approved else 'rejected'} by {given.by} on {given.at[:10]} {given.note}".rstrip()
        )
    emit(data, json, lines)


def _plain(value: Any) -> str:
    return share(value) if value is None or isinstance(value, float) else str(value)


@app.command()
def approve(
    candidate: str,
    by: By,
    note: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    release: Annotated[bool, typer.Option(help="Put it on the line at once.")] = True,
    json: Json = False,
) -> None:
    """Approve exactly this candidate; it goes to the line."""
    by = _answer(candidate, by, note, True)
    if not release:
        emit({"approved": candidate, "by": by}, json, [f"{candidate} is approved by {by}; it is not released yet."])
        return
    layout = plant()
    prefect_at_home(layout)
    from flows.promote import promote
    from flows.tasks import run_here

    done = run_here(promote, candidate)
    emit(
        done,
        json,
        [f"{done['version']} is live since {done['at'][:19].replace('T', ' ')} UTC, approved by {done['by']}."],
    )


@app.command()
def reject(
    candidate: str, by: By, note: Annotated[str, typer.Option(help="Why, for the record.")] = "", json: Json = False
) -> None:
    """Turn this candidate down."""
    _answer(candidate, by, note, False)
    emit({"rejected": candidate, "by": by}, json, [f"{candidate} is rejected by {by}."])


def _answer(candidate: str, by: str, note: str, approved: bool) -> str:
    """Write an answer down and commit it; an approval that stands and was not carried out yet is left as it is.

    Returns:
        Whose answer stands.
    """
    from inspection import git
    from inspection.params import read_params
    from inspection.release import approval

    layout = plant()
    git.require_identity(layout.home)
    request = approval.find_request(layout, candidate)
    given = approval.answer(layout, request)
    if approved and given and approval.state(layout, request) == "approved":
        return given.by
    approval.put_on_record(layout, request, by, approved, read_params(layout.params).approval.valid_days, note)
    return by


@app.command()
def rollback(
    by: By,
    version: Annotated[str | None, typer.Argument(help="Default: the release before the live one.")] = None,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "rollback",
    json: Json = False,
) -> None:
    """Put an earlier release back on the line."""
    layout = plant()
    prefect_at_home(layout)
    from flows.rollback import rollback as flow
    from flows.tasks import run_here

    done = run_here(flow, by, version, reason)
    emit(done, json, [f"{done['version']} is live again since {done['at'][:19].replace('T', ' ')} UTC."])


@app.command()
def live(
    at: Annotated[str | None, typer.Option(help="A moment, ISO 8601; without a zone it is UTC.")] = None,
    json: Json = False,
) -> None:
    """Which release is on the line, or was at a moment."""
    from dataclasses import asdict

    from inspection import clock
    from inspection.release import registry

    layout = plant()
    try:
        moment = None if at is None else clock.parse(at)
    except ValueError:
        raise FixInput(f"--at {at!r} is not a time; write it like 2026-11-02T06:15:12.") from None
    found = registry.live(layout, moment)
    wrong = None if at else registry.difference(layout)
    words = (
        f"{found.version} (package {found.package[:12]}), {found.action} on {found.at:%Y-%m-%d %H:%M:%S} UTC "
        f"by {found.by}: {found.reason}"
        if found
        else "Nothing was on the line."
        if at
        else "Nothing is on the line yet: `andon retrain`, then `andon approve`."
    )
    emit(
        {"live": asdict(found) if found else None, "difference": wrong},
        json,
        [words, *([f"Beware: {wrong}."] if wrong else [])],
    )


@app.command()
def history(json: Json = False) -> None:
    """Every release and rollback."""
    from dataclasses import asdict

    from inspection.release import registry

    rows = [
        {**asdict(one), "at": f"{one.at:%Y-%m-%d %H:%M:%S}", "package": one.package[:12]}
        for one in registry.history(plant())
    ]
    columns = {
        "at": "since (UTC)",
        "action": "what",
        "version": "version",
        "by": "by",
        "reason": "reason",
        "package": "package",
    }
    table(rows, columns, json, "No releases yet.")


@app.command()
def predict(
    paths: Annotated[list[Path], typer.Argument(help="Images.")],
    camera: Annotated[
        str | None, typer.Option(help="Whose images they are, where its black and white or a mask are declared.")
    ] = None,
    part: Annotated[str | None, typer.Option(help="The kind of part they show, where it has a mask.")] = None,
    json: Json = False,
) -> None:
    """What the live model says of images."""
    from inspection.intake.images import read
    from inspection.model.package import Package, pieces
    from inspection.params import read_params
    from inspection.release import registry

    layout = plant()
    settings = read_params(layout.params)
    if (wrong := registry.difference(layout)) is not None:
        raise FixInput(f"The line is not what the history says: {wrong}.")
    if registry.live(layout) is None:
        raise FixInput("Nothing is on the line yet: `andon retrain`, then `andon approve`.")
    span = _camera(layout, camera).span if camera else None
    package = Package(layout.live)
    if package.card.masks and not (camera and part):
        raise FixInput("The model on the line has masks: say whose images these are with --camera and --part.")
    rows: list[dict[str, Any]] = []
    for some in pieces(paths):
        images = [read(path, settings.ingest.max_megapixels).levels(span) for path in some]
        places = [(camera, part)] * len(some) if camera and part else None
        for path, said in zip(some, package.predict(images, places), strict=True):
            rows.append(
                {
                    "file": str(path),
                    "label": said.label,
                    "verdict": "reject" if said.reject else "accept",
                    "reject_probability": said.reject_probability,
                    "threshold": package.card.threshold,
                    "probability": dict(zip(package.card.classes, said.probability.tolist(), strict=True)),
                }
            )
    columns = {
        "file": "file",
        "verdict": "verdict",
        "label": "class",
        "reject_probability": "P(reject)",
        "threshold": "threshold",
    }
    table(rows, columns, json, "No images.")


def _camera(layout: "Layout", name: str) -> "Camera":
    from inspection.cameras import read_cameras

    cameras = read_cameras(layout.cameras)
    if name not in cameras:
        raise FixInput(f"--camera {name!r} is not in cameras.yaml; it declares {', '.join(cameras)}.")
    return cameras[name]


@app.command()
def trace(
    image: Annotated[str, typer.Argument(help="image_id (or its start), key, or a file.")], json: Json = False
) -> None:
    """Everything known about one image, and each verdict on it."""
    from andon.trace import lines, story

    told = story(plant(), image)
    emit(told, json, lines(told))


@app.command()
def status(json: Json = False) -> None:
    """The state of the plant."""
    from andon.status import lines, state

    now = state(plant())
    emit(now, json, lines(now))


@labels.command("import")
def label_import(
    csv: Path,
    by: Annotated[str, typer.Option(help="Who labelled, where the CSV does not say.")] = "",
    json: Json = False,
) -> None:
    """Take in labels: a CSV with the columns key and label (perhaps by, labelled_at and spec)."""
    from dataclasses import asdict

    from inspection import git
    from inspection.records.sheets import import_labels

    layout = plant()
    done = import_labels(layout, csv, by or git.require_identity(layout.home))
    words = [
        f"{done.taken} labels taken in, {done.known} known already, {len(done.refused)} refused"
        + (f", {done.empty} not filled in yet." if done.empty else ".")
    ]
    emit(asdict(done), json, [*words, *(f"  {csv.name}, line {line}: {reason}" for line, reason in done.refused)])
    if done.refused:
        raise typer.Exit(1)


@labels.command("export")
def label_export(csv: Path, json: Json = False) -> None:
    """Write every image's label to a CSV."""
    from inspection.records.sheets import export_labels

    frame = export_labels(plant())
    files.write(csv, frame.to_csv(index=False))
    emit({"labels": len(frame), "file": str(csv)}, json, [f"{len(frame)} labels written to {csv}."])


@labels.command("spec")
def label_spec(
    version: Annotated[str, typer.Argument(help="The new version of the quality spec.")],
    by: By,
    names: Annotated[str, typer.Option("--classes", help="Classes whose meaning changes: a,b")] = "",
    every: Annotated[bool | None, typer.Option("--all-classes/--no-classes", help="Every class, or none.")] = None,
    why: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    json: Json = False,
) -> None:
    """Put a new version of the quality spec in force; labels of the classes that it changes have to be given anew."""
    from inspection.records.spec import revise
    from inspection.taxonomy import read_taxonomy

    layout = plant()
    if bool(names) == (every is not None):
        raise FixInput("Say which classes mean something else now: --classes a,b, --all-classes or --no-classes.")
    some = list(read_taxonomy(layout.taxonomy).classes) if every else [n.strip() for n in names.split(",") if n.strip()]
    stale = revise(layout, version, some, by, why)
    words = [f"Quality spec {version} is in force. {stale} images have a stale label" + (":" if stale else ".")]
    hint = ["  `andon label stale --out CSV` lists them; fill in the labels and run `andon label import CSV`."]
    emit({"spec": version, "classes": some, "by": by, "stale": stale}, json, words + hint * bool(stale))


@labels.command("stale")
def label_stale(
    out: Annotated[Path | None, typer.Option(help="Write them to this CSV, to be filled in and imported.")] = None,
    json: Json = False,
) -> None:
    """The images whose label a new quality spec has made stale."""
    from inspection.records.sheets import stale_labels

    frame = stale_labels(plant())
    if out is None:
        columns = {"key": "image", "was": "stale label", "camera": "camera", "part": "part", "serial": "serial"}
        table(frame.to_dict("records"), columns, json, "No label is stale.")
        return
    files.write(out, frame.to_csv(index=False))
    words = f"{len(frame)} images written to {out}: fill in the column label, then run `andon label import {out}`."
    emit({"images": len(frame), "file": str(out)}, json, [words])


@labels.command("conflicts")
def label_conflicts(json: Json = False) -> None:
    """Images of one part whose labels cannot all be right; they are not used until they are labelled anew."""
    from inspection.records.sheets import conflicting_labels

    columns = {"key": "image", "label": "label", "by": "by", "camera": "camera", "serial": "serial", "differ": "differ"}
    rows = conflicting_labels(plant()).to_dict("records")
    told = [{**row, "differ": "on the verdict" if row["on_verdict"] else "on the defect"} for row in rows]
    table(rows if json else told, columns, json, "No labels contradict each other.")


@classes.command("add")
def class_add(
    name: str,
    by: By,
    description: Annotated[str, typer.Option(help="In a few words.")] = "",
    severity: Annotated[str, typer.Option(help="none, minor, major or critical.")] = "major",
    acceptable: Annotated[bool, typer.Option(help="A part that shows it may pass.")] = False,
    json: Json = False,
) -> None:
    """Declare a class."""
    from pydantic import ValidationError

    from inspection.records.classes import add_class
    from inspection.taxonomy import Defect, read_taxonomy

    layout = plant()
    spec = read_taxonomy(layout.taxonomy).spec
    try:
        defect = Defect.model_validate(
            {"name": name, "description": description, "severity": severity, "acceptable": acceptable, "since": spec}
        )
    except ValidationError:
        raise FixInput(f"--severity {severity!r}: use none, minor, major or critical.") from None
    add_class(layout, defect, by)
    emit(defect.model_dump(), json, [f"{name} is declared. Label images of it, then run `andon retrain`."])


@masks.command("set")
def mask_set(
    camera: str,
    part: str,
    png: Annotated[Path, typer.Argument(help="A PNG of the camera's size: black where the model must not look.")],
    by: By,
    reason: Annotated[str, typer.Option(help="Why, in a few words.")],
    json: Json = False,
) -> None:
    """Set a mask; the next model will not look there."""
    from inspection.network.masks import drawn, set_mask

    layout = plant()
    try:
        content = png.read_bytes()
    except OSError as error:
        raise FixInput(f"{png} cannot be read ({error.strerror}); correct the name.") from None
    entry = set_mask(layout, _camera(layout, camera), part, content, by, reason)
    hidden = share(1 - float(drawn(content).mean()))
    emit(
        entry.model_dump(mode="json"),
        json,
        [f"{hidden} of the pictures of {part} on {camera} will be hidden from the next model: run `andon retrain`."],
    )


@masks.command("list")
def mask_list(json: Json = False) -> None:
    """The masks, and who set them."""
    from inspection.network.masks import read_index

    rows = [one.model_dump(mode="json") for one in read_index(plant().masks).masks]
    columns = {"camera": "camera", "part": "part", "by": "set by", "at": "at", "reason": "because", "sha256": "SHA-256"}
    table(rows, columns, json, "No masks: models look everywhere.")


@masks.command("clear")
def mask_clear(camera: str, part: str, by: By, json: Json = False) -> None:
    """Take a mask away; the next model looks everywhere again."""
    from inspection.network.masks import clear_mask

    clear_mask(plant(), camera, part, by)
    emit({"camera": camera, "part": part}, json, [f"The mask for {part} on {camera} is gone: run `andon retrain`."])


@catalog.command("query")
def catalog_query(
    camera: Annotated[str | None, typer.Option()] = None,
    line: Annotated[str | None, typer.Option()] = None,
    part: Annotated[str | None, typer.Option()] = None,
    serial: Annotated[str | None, typer.Option()] = None,
    label: Annotated[str | None, typer.Option(help="The label that was given last.")] = None,
    batch: Annotated[str | None, typer.Option()] = None,
    verdict: Annotated[Literal["accept", "reject"] | None, typer.Option(help="Of the model live at the time.")] = None,
    model: Annotated[str | None, typer.Option(help="Its version.")] = None,
    state: Annotated[
        Literal["accepted", "held", "released", "discarded"] | None, typer.Option(help="Of the batch.")
    ] = None,
    since: Annotated[str | None, typer.Option("--from", help="ISO 8601; UTC without a zone.")] = None,
    until: Annotated[str | None, typer.Option("--to", help="ISO 8601; UTC without a zone.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="The newest only; default: 50 in a table.")] = None,
    form: Annotated[Literal["table", "csv", "parquet", "json"], typer.Option("--format")] = "table",
    out: Annotated[Path | None, typer.Option(help="A file for csv, parquet or json.")] = None,
    json: Json = False,
) -> None:
    """Captures by time, line, camera, part, serial, label, batch, and what the live model said."""
    from andon.query import TABLE, Wanted, captures, write

    form = "json" if json else form
    if form == "table" and out is not None:
        raise FixInput("--out needs --format csv, parquet or json.")
    limit = limit or (50 if form == "table" else None)
    wanted = Wanted(since, until, line, camera, part, serial, label, batch, verdict, model, state, limit)
    rows = captures(plant(), wanted)
    if form != "table":
        count = write(rows, form, out)
        if out:
            emit({"captures": count, "file": str(out)}, json, [f"{count} captures are in {out}."])
        return
    short = [{**row, "captured_at": str(row["captured_at"])[:19], "image_id": row["image_id"][:12]} for row in rows]
    table(short, TABLE, False, "No captures match.")


@catalog.command("rebuild")
def catalog_rebuild(json: Json = False) -> None:
    """Fold the catalog anew from manifests, quarantine and ledger, and compare table for table."""
    from inspection.records.catalog import rebuild

    equal = rebuild(plant())
    emit(equal, json, [f"{name}: {'equal' if same else 'was different'}" for name, same in equal.items()])


def main() -> None:
    """The console script."""
    in_words(_run)


def _run() -> None:
    """The command line, once it is known that records can hold what was typed."""
    try:
        " ".join(sys.argv).encode()
    except UnicodeEncodeError:
        raise FixInput("An argument is no UTF-8: type it anew, in a terminal that uses UTF-8.") from None
    app()


if __name__ == "__main__":
    main()

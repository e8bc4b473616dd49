"""How the demo ended, in words: what it reached, what is missing, and what its figures are worth."""

from collections.abc import Mapping, Sequence
from typing import Any

from andon.attempts import Failure
from andon.crew import Crew
from inspection.cameras import read_cameras
from inspection.post.wording import counted
from inspection.records import commissions, ledger
from inspection.records.catalog import open_catalog
from inspection.release import approval, aside, requests

GOOD_ENOUGH = 0.1  # share of the defective parts let through, or of the good ones rejected


def judged(summary: Mapping[str, Any], crew: Crew | None, failed: Sequence[Failure]) -> dict[str, Any]:
    """What summary.json says of the end: whether it is `complete`, what was `reached` and what is `missing`, in
    sentences, and the steps that `failed`.

    Args:
        crew: None: the pictures could not be opened.
    """
    stops = [one for one in failed if one.stops]
    return {
        "references": sorted(commissions.current(ledger.read(crew.layout))) if crew else [],
        "complete": bool(summary["champion"]) and not stops,
        "reached": _reached(summary, crew),
        "missing": [*_failures(stops), *(_missing(summary, crew) if crew else [])],
        "failed": [{"day": one.day, "step": one.step, "words": one.words} for one in failed],
    }


def _reached(summary: Mapping[str, Any], crew: Crew | None) -> list[str]:
    if crew is None:
        return ["A new plant was made; no picture was looked at."]
    refused = f", {counted(summary['quarantined'], 'file')} refused" if summary["quarantined"] else ""
    own = " (two of these the demo itself had dropped)" if summary.get("planted") else ""
    current = commissions.current(ledger.read(crew.layout))
    references = f"References, of what is healthy: {', '.join(sorted(current))}." if current else "No reference."
    return [
        f"{summary['images']} of {len(crew.shots)} pictures taken in{refused}{own}.",
        f"{crew.ready().images} of them are labelled and may be learned from.",
        references,
        f"{counted(len(summary['incidents']), 'incident')}, {counted(len(summary['mails']), 'mail')}.",
        f"{counted(len(approval.requests(crew.layout)), 'candidate')}, {counted(len(summary['releases']), 'release')}.",
        *(f"A drill of {one['fault']}: {'passed' if one['passed'] else 'NOT passed'}." for one in summary["drill"]),
    ]


def _failures(failed: Sequence[Failure]) -> list[str]:
    """Each once, with its days."""
    days: dict[tuple[str, str], list[int]] = {}
    for one in failed:
        days.setdefault((one.step, one.words), []).append(one.day)
    said = []
    for (step, words), them in days.items():
        more = f" and {len(them) - 1} times later" if len(them) > 1 else ""
        when = f" (on day {them[0]}{more})" if them[0] else ""
        said.append(f"{step.capitalize()} could not be done{when}: {words}")
    return said


def _missing(summary: Mapping[str, Any], crew: Crew) -> list[str]:
    """A model, references, and what open requests wait for."""
    said = _no_model(crew) if not summary["champion"] else []
    current, least = commissions.current(ledger.read(crew.layout)), 2 * crew.settings.watch.window_images
    for name in read_cameras(crew.layout.cameras):
        if name not in current:
            said.append(
                f"No reference of {name}: it took {counted(crew.captures(name), 'picture')}, and the demo's engineer "
                f"waits for {least} (two windows). So nothing was said of the camera's health."
            )
    catalog = open_catalog(crew.layout)
    for one in requests.standings(crew.layout, catalog, crew.settings):
        said.append(f"{one.request.name} ({one.request.why}) {one.words}.")
    catalog.close()
    return said


def _no_model(crew: Crew) -> list[str]:
    made, ready = approval.requests(crew.layout), crew.ready()
    kept = aside.behind(ready.aside)
    refused = [
        f"No model is on the line: {one.version} was trained and did not pass the gate: {'; '.join(one.objections)}."
        for one in made
        if not one.promote
    ]
    if refused:
        return [refused[-1] + kept]
    if made:
        return [f"No model is on the line, though {made[-1].version} passed the gate."]
    if crew.asked_with:
        return [f"No model came of it, though one was asked for.{kept}"]
    return [f"No model was trained. {ready.in_words or 'It was not asked for'}."]


def lines(summary: Mapping[str, Any]) -> list[str]:
    """What was reached and what is missing, as the demo prints it."""
    said = ["", "What was reached", *(f"  {words}" for words in summary["reached"])]
    if summary["missing"]:
        said += ["What is missing", *(f"  {words}" for words in summary["missing"])]
    return said


def truths(summary: Mapping[str, Any], laid: Sequence[str], own: bool) -> list[str]:
    """What a reader has to know of the pictures and of the model.

    Args:
        laid: faults that were laid on the pictures until the last day, in words.
        own: whether the pictures are those of a folder.
    """
    said = []
    if own:
        said.append(
            "No fault of a camera was laid on these pictures: what is told of a camera was seen in them as they lie in "
            "the folder, in the order in which they were shown."
        )
    elif not laid:
        said.append("No fault of a camera was laid on these pictures: the days were over before the first.")
    watched = summary["references"]
    if not summary["incidents"]:
        none = "No change of a camera could be found: without a reference none is looked for."
        said.append(f"No change was found on {', '.join(watched)}." if watched else none)
    return said + (_of_model(summary) if summary["champion"] else [])


def _of_model(summary: Mapping[str, Any]) -> list[str]:
    said, champion = [], summary["champion"]
    bad, good = champion["parts"] - champion["good_parts"], champion["good_parts"]
    faults = []
    if champion["escapes"] > GOOD_ENOUGH * bad:
        faults.append(f"it lets {champion['escapes']} of {bad} defective parts through")
    if champion["false_rejects"] > GOOD_ENOUGH * good:
        faults.append(f"it rejects {champion['false_rejects']} of {good} good ones")
    if faults:
        said.append(
            f"{champion['version']} is no good inspector yet, though it passed the gate: in its test "
            f"{' and '.join(faults)}. More labels of what it confuses make it better."
        )
    if not any(day["model"] for day in summary["days"]):
        said.append(
            f"{summary['releases'][0]['version']} came after the last picture, so no picture was judged when it came."
        )
    return said


def what_to_do(summary: Mapping[str, Any]) -> tuple[str, str]:
    """Why the demo is not complete, and what to do, for the error stream."""
    missing = summary["missing"] or ["No model is on the line."]
    return (
        f"The demo could not go on to its end: {' '.join(missing[:3])}",
        "Put right what is named here and run it again; all that was reached stands above and in summary.json.",
    )


def happened(summary: dict[str, Any]) -> list[str]:
    """The table of what happened."""
    lines = ["", "What happened"]
    table = [("day", "camera", "what", "size", "answer", "end")]
    for one in summary["incidents"]:
        size = f"{one['size']:+.0%}" if one["unit"].startswith(("relative", "share")) else f"{one['size']:g}"
        row = (
            str(one["day"]),
            one["camera"],
            one["cause"].replace("_", " "),
            size,
            one["action"],
            one["closed"] or "open",
        )
        table.append(row)
    for one in summary["releases"]:
        table.append((str(one["day"]), "", f"release {one['version']}", "", f"by {one['approved_by']}", one["reason"]))
    widths = [max(len(row[column]) for row in table) for column in range(5)]
    head, *rows = table
    if not rows:
        return [*lines, "  No incident and no release."]
    for row in (head, *sorted(rows, key=lambda row: int(row[0]))):
        lines.append(
            "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, (*widths, 0), strict=True)).rstrip()
        )
    for one in summary["recovery"]:
        lines.append(
            f"{one['incident']} on {'+'.join(one['cameras'])}: balanced accuracy {_figure(one['before'])} before, "
            f"{_figure(one['under_it'])} under it, {_figure(one['after_release'])} on the test parts after the release "
            f"({one['test_parts_after']} parts; {_figure(one['after_release_all_parts'])} on all): "
            f"{_figure(one['won_back'])} of the loss won back."
        )
    if champion := summary["champion"]:
        good = (
            f"{champion['false_rejects']} good rejected"
            if champion["good_parts"]
            else "no good parts, so false rejects do not apply"
        )
        lines.append(
            f"{champion['version']} in its test of {champion['parts']} parts: {champion['escapes']} defective let "
            f"through, {good}; balanced accuracy {champion['balanced_accuracy']:.3f}."
        )
    return lines


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"

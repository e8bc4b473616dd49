"""What a row must satisfy, as Great Expectations suites (the only file that imports it)."""

import html
import logging
import os
import re
import shutil
import sys
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pandas as pd

from inspection import clock
from inspection.cameras import Camera
from inspection.errors import FixSettings
from inspection.intake.images import FORMATS
from inspection.params import Contract
from inspection.taxonomy import Taxonomy

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuiteValidationResult
    from great_expectations.expectations.expectation import Expectation

KEPT = 20  # batches whose pages stay
EXAMPLES = 5  # broken rows that the verdict shows for each expectation


@dataclass(frozen=True)
class Rule:
    """An expectation and how to say to a technician that `value` broke it."""

    expectation: "Expectation"
    words: str


@dataclass(frozen=True)
class Verdict:
    """What a suite said: each expectation with its counts, and for each row that broke some, in words, why.

    `result` is Great Expectations' own, for the pages that it draws.
    """

    success: bool
    expectations: tuple[Mapping[str, Any], ...]
    reasons: Mapping[str, str]
    result: "ExpectationSuiteValidationResult" = field(repr=False, compare=False)


@dataclass(frozen=True)
class Judgement:
    """What the contract says of a batch: `files` came, `refused` of them are not taken in.

    `reasons` says of each row that breaks a rule, by capture_id, why; `held` says why the whole batch waits for a
    person, and is empty when it does not.
    """

    at: datetime
    files: int
    refused: int
    reasons: Mapping[str, str]
    held: tuple[str, ...]
    suites: Mapping[str, Verdict]

    @property
    def expectations(self) -> tuple[Mapping[str, Any], ...]:
        """suite, expectation, column, checked, broken, success and examples (capture and reason) of each."""
        return tuple({"suite": name, **one} for name, suite in self.suites.items() for one in suite.expectations)

    def as_json(self) -> dict[str, Any]:
        """What can be written as JSON: when, the counts, why the batch is held, each expectation with examples."""
        return {
            "judged_at": clock.stamp(self.at),
            "files": self.files,
            "accepted": self.files - self.refused,
            "refused": self.refused,
            "held": list(self.held),
            "expectations": list(self.expectations),
        }


def judge(
    rows: pd.DataFrame,
    refused_before: Mapping[str, str],
    cameras: Mapping[str, Camera],
    not_after: datetime,
    settings: Contract,
) -> Judgement:
    """Whether each capture is what its camera is declared to deliver, and whether the batch may be taken in at all.

    Args:
        rows: a manifest's columns, keyed by capture_id, of the files that could be decoded and named.
        refused_before: key -> why, of those that could not.
        not_after: the latest time a camera's clock may show.

    Raises:
        FixSettings: a rule cannot be applied to these rows.
    """
    context = _context()
    batch = str(rows["batch"].iloc[0]) if len(rows) else "nothing but refused files"
    suites = _row_suites(context, batch, rows, cameras, not_after) if len(rows) else {}
    reasons = _merged(suite.reasons for suite in suites.values())
    of_rows = {key: reasons[one] for key, one in zip(rows["key"], rows["capture_id"], strict=True) if one in reasons}
    refused = {**refused_before, **of_rows}
    files = pd.DataFrame({"key": [*refused_before, *rows["key"]]})
    files["refused"] = files["key"].isin(refused)
    held: tuple[str, ...] = ()
    if len(files) >= settings.min_files:
        suites["the batch"] = _run(context, "the batch", batch, files, "key", [_share_rule(settings)])
        if not suites["the batch"].success:
            held = (_too_many(len(files), refused.values(), settings),)
    return Judgement(clock.now(), len(files), int(files["refused"].sum()), reasons, held, suites)


def _row_suites(
    context: Any, batch: str, rows: pd.DataFrame, cameras: Mapping[str, Camera], not_after: datetime
) -> dict[str, Verdict]:
    """What the suites that judge single captures say, by the suite's name: one for all, one for each camera."""
    everyone = "every capture"
    said = {everyone: _run(context, everyone, batch, _checked_at_once(rows), "capture_id", _rules(cameras, not_after))}
    for name, group in rows[["capture_id", *_DECLARED]].groupby("camera", sort=True):
        if name in cameras:  # the others are refused already
            said[str(name)] = _run(context, str(name), batch, group, "capture_id", _camera_rules(cameras[str(name)]))
    return said


def write_docs(folder: Path, batch: str, judgement: Judgement, keep: int = KEPT) -> Path:
    """Great Expectations' Data Docs of a batch, for a browser without a network; the first page.

    They lie in `folder`/<batch>/, which appears whole; only the newest `keep` of such folders stay, so that neither
    time nor space follows the history. `folder`/index.html leads to them.
    """
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
    from great_expectations.render.view import DefaultJinjaPageView

    final, beside = folder / batch, folder / f".{batch}"
    shutil.rmtree(beside, ignore_errors=True)  # of a run that was killed
    beside.mkdir(parents=True)
    renderer, view = ValidationResultsPageRenderer(), DefaultJinjaPageView()
    for number, suite in enumerate(judgement.suites.values()):
        page = view.render(renderer.render(suite.result), show_how_to_buttons=False)
        page = re.sub(r'href="[^"#]*/[^"]*"', 'href="index.html"', page)  # to pages and servers that are not there
        (beside / f"{number}.html").write_text(page.replace("<head>", f"<head>{_HEAD}", 1), encoding="utf-8")
    (beside / "index.html").write_text(_overview(batch, judgement), encoding="utf-8")
    shutil.rmtree(final, ignore_errors=True)  # of the same batch, judged before
    os.replace(beside, final)
    names = sorted((path.parent.name for path in folder.glob("[!.]*/index.html")), reverse=True)
    links = "".join(f"<li><a href='{quote(name)}/index.html'>{html.escape(name)}</a></li>" for name in names[:keep])
    (folder / ".index").write_text(_page("The newest batches", f"<ul>{links}</ul>"), encoding="utf-8")
    os.replace(folder / ".index", folder / "index.html")
    for name in names[keep:]:
        shutil.rmtree(folder / name, ignore_errors=True)
    return final / "index.html"


def _overview(batch: str, judgement: Judgement) -> str:
    """The batch on one page: why it is held, and how many rules of each suite were broken by how many files."""
    held = "".join(f"<p class='held'>Held: {html.escape(words)}</p>" for words in judgement.held)
    rows = "".join(
        f"<tr><td><a href='{number}.html'>{html.escape(name)}</a><td>{len(suite.expectations)}"
        f"<td>{sum(not one['success'] for one in suite.expectations)}<td>{len(suite.reasons)}"
        for number, (name, suite) in enumerate(judgement.suites.items())
    )
    return _page(
        f"Batch {batch}",
        f"<p>{judgement.files} files came, {judgement.refused} of them are refused.</p>{held}"
        f"<table><tr><th>Rules for<th>rules<th>broken<th>files that break one{rows}</table>"
        "<p><a href='../index.html'>All batches</a></p>",
    )


def _page(title: str, body: str) -> str:
    title = html.escape(title)
    return (
        f"<!DOCTYPE html><html><head>{_HEAD}<title>{title}</title></head><body><h1>{title}</h1>{body}</body></html>\n"
    )


# The pages that Great Expectations draws ask servers for scripts, styles and fonts, and hold values as they came.
_HEAD = """<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>
body { font: 15px/1.5 system-ui, sans-serif !important; max-width: 70em; margin: 2em auto; padding: 0 1em }
table { border-collapse: collapse; margin: .5em 0 1.5em }
td, th { border: 1px solid #ccc; padding: .3em .8em; text-align: left }
.held, .text-danger { color: #b00 } .text-success { color: #080 } .breadcrumb { list-style: none; padding: 0 }
.fa-check-circle::before { content: "\\2713" } .fa-times::before { content: "\\2717" }
.fa-exclamation-triangle::before { content: "!" }
footer, .navbar-brand, .modal, .btn-group, .btn-group-toggle, .card.mb-3 { display: none }
</style>"""


def check_snapshot(rows: pd.DataFrame, taxonomy: Taxonomy, missing: pd.Series) -> Verdict:
    """Whether a labelled table can be trained on, keyed by image_id.

    Args:
        missing: for each row, whether its file is absent from this disk.
    """
    gxe = _expectations()
    frame = rows.assign(present=~missing)
    rules = [
        Rule(gxe.ExpectColumnValuesToBeUnique(column="image_id"), "stands in the table twice"),
        Rule(
            gxe.ExpectColumnValuesToBeInSet(column="label", value_set=sorted(taxonomy.classes)),
            "label {value} is not declared in taxonomy.yaml",
        ),
        *(Rule(gxe.ExpectColumnValuesToNotBeNull(column=name), f"{name} is empty") for name in _REQUIRED),
        Rule(
            gxe.ExpectColumnValuesToBeInSet(column="present", value_set=[True]),
            "its file is not on this disk: run `dvc pull`, or hold its batch (`andon batch hold`) if it is lost",
        ),
    ]
    return _run(_context(), "snapshot", "snapshot", frame, "image_id", rules)


_REQUIRED = ("image_id", "label", "line", "camera", "part", "serial", "captured_at", "path")
_IDS = ("capture_id", "image_id")
_TEXTS = ("batch", "line", "camera", "part", "serial", "key", "path", "format", *_IDS)
_SIZES = ("width", "height", "channels", "bit_depth", "bytes")
_NUMBERS = (*_SIZES, "brightness", "contrast", "sharpness", "noise", "clipped", "red", "blue")
_MOST = {"brightness": 255, "contrast": 127.5, "clipped": 1}
_ROUNDING = 1e-3  # of a mean of single-precision numbers
_DECLARED = ("camera", "line", "part", *_SIZES)


def _checked_at_once(rows: pd.DataFrame) -> pd.DataFrame:
    """`rows` with two columns that name, for each row, the columns that are empty or hold no finite number from 0 on.

    An expectation costs 5 ms or more whatever it checks, so these two stand for thirty.
    """
    texts = rows.reindex(columns=_TEXTS)
    empty = texts.isna() | (texts.astype(str).apply(lambda column: column.str.strip()) == "")
    numbers = rows.reindex(columns=_NUMBERS).apply(pd.to_numeric, errors="coerce")
    wrong = ~numbers.apply(lambda column: column.between(0, sys.float_info.max))
    light = rows.drop(columns="thumbnail", errors="ignore")  # Great Expectations reads every byte it is given
    return light.assign(empty=_names(empty), no_number=_names(wrong))


def _names(marks: pd.DataFrame) -> list[str]:
    """For each row the names of the columns that are true."""
    if not marks.to_numpy().any():
        return [""] * len(marks)
    return [", ".join(marks.columns[row]) for row in marks.to_numpy()]


def _rules(cameras: Mapping[str, Camera], not_after: datetime) -> list[Rule]:
    """What holds for every capture, whatever its camera."""
    gxe = _expectations()
    report = "report it, this is a fault of the program"
    columns = [*_TEXTS, *_NUMBERS, "captured_at"]
    return [
        Rule(gxe.ExpectTableColumnsToMatchSet(column_set=columns, exact_match=False), "a column is missing"),
        Rule(
            gxe.ExpectColumnValuesToBeInSet(column="empty", value_set=[""]),
            "nothing is known of its {value}; name the file by ingest.key_pattern or describe it in a sidecar",
        ),
        Rule(
            gxe.ExpectColumnValuesToBeInSet(column="no_number", value_set=[""]),
            f"{{value}} of the image cannot be measured; export it again, or {report}",
        ),
        *(
            Rule(
                gxe.ExpectColumnValuesToBeBetween(column=name, min_value=0, max_value=most + _ROUNDING),
                f"{name} is {{value}}, more than {most}, which no image can have; {report}",
            )
            for name, most in _MOST.items()
        ),
        Rule(gxe.ExpectColumnValuesToBeBetween(column="bytes", min_value=1), "the file is empty; drop it again"),
        *(
            Rule(
                gxe.ExpectColumnValuesToMatchRegex(column=name, regex=r"[0-9a-f]{64}\Z"),
                f"{name} {{value}} is no SHA-256; {report}",
            )
            for name in _IDS
        ),
        Rule(gxe.ExpectColumnValuesToBeUnique(column="capture_id"), f"stands in the batch twice; {report}"),
        Rule(
            gxe.ExpectColumnValuesToBeInSet(column="camera", value_set=sorted(cameras)),
            f"camera {{value}} is not in cameras.yaml ({', '.join(list(cameras)[:8])}); declare it there",
        ),
        Rule(
            gxe.ExpectColumnValuesToBeInSet(column="format", value_set=list(FORMATS)),
            f"format {{value}} is not taken; set the camera to {', '.join(FORMATS)}",
        ),
        Rule(gxe.ExpectColumnValuesToNotBeNull(column="captured_at"), "captured_at is empty"),
        Rule(
            gxe.ExpectColumnValuesToBeBetween(column="captured_at", max_value=pd.Timestamp(not_after)),
            "its time {value} lies in the future; set the clock of the camera",
        ),
    ]


def _camera_rules(camera: Camera) -> list[Rule]:
    """What cameras.yaml declares of one camera."""
    gxe = _expectations()
    declared = f"for {camera.name}; correct the camera or cameras.yaml"
    channels = 1 if camera.mode == "L" else 3
    low = (camera.min_width or camera.width, camera.min_height or camera.height)
    spans = (("width", low[0], camera.width), ("height", low[1], camera.height))
    return [
        *(
            Rule(
                gxe.ExpectColumnValuesToBeBetween(column=name, min_value=least, max_value=most),
                f"{name} is {{value}} px, but cameras.yaml declares {_span(least, most)} px {declared}",
            )
            for name, least, most in spans
        ),
        Rule(
            gxe.ExpectColumnValuesToBeInSet(column="channels", value_set=[channels]),
            f"the image has {{value}} channel(s), but cameras.yaml declares mode {camera.mode} {declared}",
        ),
        Rule(
            gxe.ExpectColumnValuesToBeInSet(column="bit_depth", value_set=[camera.bit_depth]),
            f"the image has {{value}} bit, but cameras.yaml declares {camera.bit_depth} bit {declared}",
        ),
        Rule(
            gxe.ExpectColumnValuesToBeInSet(column="part", value_set=list(camera.parts)),
            f"part {{value}} is not declared for {camera.name}; add it to cameras.yaml "
            f"({', '.join(camera.parts[:8])}) or correct the file's name",
        ),
        Rule(
            gxe.ExpectColumnValuesToBeInSet(column="line", value_set=[camera.line]),
            f"line is {{value}}, but cameras.yaml declares {camera.line} {declared}",
        ),
    ]


def _share_rule(settings: Contract) -> Rule:
    mostly = round(1 - settings.max_refused_share, 9)
    return Rule(
        _expectations().ExpectColumnValuesToBeInSet(column="refused", value_set=[False], mostly=mostly),
        "the file is refused",
    )


def _too_many(files: int, reasons: Collection[str], settings: Contract) -> str:
    """Why a batch is held; reasons that differ in their numbers and quoted words alone count as one."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for words in reasons:
        kinds[re.sub(r"'[^']*'|[\d.,:+-]+", "", words)].append(words)
    most = max(kinds.values(), key=len)
    ((example, _),) = Counter(most).most_common(1)
    return (
        f"{len(reasons)} of {files} files were refused ({100 * len(reasons) / files:.3g} %), more than "
        f"contract.max_refused_share = {100 * settings.max_refused_share:.3g} %; most often: {example} ({len(most)})"
    )


def _span(least: int, most: int) -> str:
    return f"{most}" if least == most else f"{least} to {most}"


def _merged(several: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Row -> all that is said of it."""
    said: dict[str, list[str]] = defaultdict(list)
    for reasons in several:
        for one, words in reasons.items():
            said[one].append(words)
    return {one: "; ".join(words) for one, words in said.items()}


def _context() -> Any:
    """Great Expectations without files, threads or a word on the screen."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx

    chatty = "great_expectations.data_context.types.base"  # tells of every temporary folder
    logging.getLogger(chatty).setLevel(logging.WARNING)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    context.data_sources.add_or_update_pandas("captures")
    return context


def _run(context: Any, name: str, batch: str, frame: pd.DataFrame, key: str, rules: list[Rule]) -> Verdict:
    """What the suite `name` of these rules says of `frame`, whose rows are named by column `key`."""
    frame = frame.reset_index(drop=True)
    result = _result(context, name, batch, frame, rules)
    reasons: dict[str, list[str]] = defaultdict(list)
    summaries = []
    for one in sorted(result.results, key=lambda one: one.expectation_config.meta["rule"]):
        rule = rules[one.expectation_config.meta["rule"]]
        column = one.expectation_config.kwargs.get("column")
        if not one.success and "unexpected_count" not in one.result:
            seen = one.result.get("details") or one.result.get("observed_value") or "it cannot be applied"
            raise FixSettings(
                f"The contract's rule on {column or 'the columns'} of {name} says nothing of single rows: {seen}; "
                "look at cameras.yaml, or report it."
            )
        broken = one.result.get("unexpected_index_list") or []
        said = [
            (str(row), rule.words.replace("{value}", str(value)))
            for row, value in (zip(frame[key].iloc[broken], frame[column].iloc[broken], strict=True) if broken else ())
        ]
        for row, words in said:
            reasons[row].append(words)
        summaries.append(
            {
                "expectation": one.expectation_config.type,
                "column": column,
                "success": bool(one.success),
                "checked": int(one.result.get("element_count", len(frame))),
                "broken": len(broken),
                "examples": [{key: row, "reason": words} for row, words in said[:EXAMPLES]],
            }
        )
    once = {row: "; ".join(dict.fromkeys(words)) for row, words in reasons.items()}
    return Verdict(bool(result.success), tuple(summaries), once, result)


def _result(
    context: Any, name: str, batch: str, frame: pd.DataFrame, rules: list[Rule]
) -> "ExpectationSuiteValidationResult":
    """Great Expectations' result, in which rows are numbers: naming 10,000 by a column takes it 4 s, so 0.3."""
    import great_expectations as gx
    from great_expectations.core.run_identifier import RunIdentifier

    for number, rule in enumerate(rules):
        rule.expectation.meta = {"rule": number}  # results come back in another order
    asset = context.data_sources.get("captures").add_dataframe_asset(name)
    suite = gx.ExpectationSuite(name=name, expectations=[rule.expectation for rule in rules])
    definition = gx.ValidationDefinition(
        name=name, data=asset.add_batch_definition_whole_dataframe(batch), suite=context.suites.add_or_update(suite)
    )
    return context.validation_definitions.add_or_update(definition).run(
        batch_parameters={"dataframe": frame},
        result_format={"result_format": "COMPLETE", "return_unexpected_index_query": False},
        run_id=RunIdentifier(run_name=batch, run_time=clock.now()),
    )


def load() -> None:
    """Import Great Expectations, which takes seconds, while something else is waited for."""
    _expectations()


def _expectations() -> Any:
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations.expectations as gxe

    return gxe

"""What a row must satisfy, as Great Expectations suites (the only file that imports it)."""

import logging
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from inspection.errors import FixSettings
from inspection.params import Camera, Taxonomy

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuite
    from great_expectations.expectations.expectation import Expectation


@dataclass(frozen=True)
class Verdict:
    """What a suite said: each expectation with its counts, and for each row that broke some, in words, why."""

    success: bool
    expectations: tuple[Mapping[str, Any], ...]
    reasons: Mapping[str, str]


@dataclass(frozen=True)
class Rule:
    """An expectation and how to say to a technician that `value` broke it."""

    expectation: "Expectation"
    words: str


def check_captures(rows: pd.DataFrame, cameras: Mapping[str, Camera], not_after: datetime) -> Verdict:
    """Whether each capture is what its camera is declared to deliver.

    Args:
        rows: a manifest's columns, keyed by capture_id.
        not_after: the latest time a camera's clock may show.
    """
    verdicts = []
    for name, group in rows.groupby("camera", sort=True):
        camera = cameras[str(name)]
        verdicts.append(_run(group, "capture_id", _camera_rules(camera, not_after)))
    return _merge(verdicts)


def check_snapshot(rows: pd.DataFrame, taxonomy: Taxonomy, missing: pd.Series, max_missing_share: float) -> Verdict:
    """Whether a labelled table can be trained on, keyed by image_id.

    Args:
        missing: for each row, whether its file is absent from this disk.
        max_missing_share: share of absent files that is still accepted.
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
            gxe.ExpectColumnValuesToBeInSet(column="present", value_set=[True], mostly=1 - max_missing_share),
            "its file is not on this disk; run `dvc pull`",
        ),
    ]
    return _run(frame, "image_id", rules)


_REQUIRED = ("image_id", "label", "line", "camera", "part", "serial", "captured_at", "path")


def _camera_rules(camera: Camera, not_after: datetime) -> list[Rule]:
    gxe = _expectations()
    channels = 1 if camera.mode == "L" else 3
    low = (camera.min_width or camera.width, camera.min_height or camera.height)
    spans = (("width", low[0], camera.width), ("height", low[1], camera.height))
    return [
        *(
            Rule(
                gxe.ExpectColumnValuesToBeBetween(column=name, min_value=least, max_value=most),
                f"{name} is {{value}} px, but cameras.yaml declares {_span(least, most)} px for {camera.name}; "
                "correct the camera or cameras.yaml",
            )
            for name, least, most in spans
        ),
        Rule(
            gxe.ExpectColumnValuesToBeInSet(column="channels", value_set=[channels]),
            f"the image has {{value}} channel(s), but cameras.yaml declares mode {camera.mode} for {camera.name}; "
            "correct the camera or cameras.yaml",
        ),
        Rule(
            gxe.ExpectColumnValuesToBeInSet(column="bit_depth", value_set=[camera.bit_depth]),
            f"the image has {{value}} bit, but cameras.yaml declares {camera.bit_depth} bit for {camera.name}; "
            "correct the camera or cameras.yaml",
        ),
        Rule(
            gxe.ExpectColumnValuesToBeInSet(column="part", value_set=list(camera.parts)),
            f"part {{value}} is not declared for {camera.name}; add it to cameras.yaml "
            f"({', '.join(camera.parts[:8])}) or correct the file's name",
        ),
        Rule(
            gxe.ExpectColumnValuesToBeBetween(column="captured_at", max_value=pd.Timestamp(not_after)),
            f"its time {{value}} lies in the future; set the clock of {camera.name}",
        ),
        *(Rule(gxe.ExpectColumnValuesToNotBeNull(column=name), f"{name} is empty") for name in ("serial", "line")),
    ]


def _span(least: int, most: int) -> str:
    return f"{most}" if least == most else f"{least} to {most}"


def _run(frame: pd.DataFrame, key: str, rules: Iterable[Rule]) -> Verdict:
    """Validate `frame` in an ephemeral context; rows are named by column `key`."""
    import great_expectations as gx

    chatty = "great_expectations.data_context.types.base"  # tells of every temporary folder
    logging.getLogger(chatty).setLevel(logging.WARNING)
    rules = list(rules)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    source = context.data_sources.add_or_update_pandas("table")
    batch = source.add_dataframe_asset("rows").add_batch_definition_whole_dataframe("whole")
    for number, rule in enumerate(rules):
        rule.expectation.meta = {"rule": number}  # results come back in another order
    suite: ExpectationSuite = gx.ExpectationSuite(name="contract", expectations=[rule.expectation for rule in rules])
    definition = gx.ValidationDefinition(name="contract", data=batch, suite=context.suites.add_or_update(suite))
    result = context.validation_definitions.add_or_update(definition).run(
        batch_parameters={"dataframe": frame},
        result_format={"result_format": "COMPLETE", "unexpected_index_column_names": [key]},
    )
    reasons: dict[str, list[str]] = defaultdict(list)
    summaries = []
    for one in sorted(result.results, key=lambda one: one.expectation_config.meta["rule"]):
        rule = rules[one.expectation_config.meta["rule"]]
        column = str(one.expectation_config.kwargs.get("column"))
        if not one.success and "unexpected_count" not in one.result:
            raise FixSettings(f"The contract's rule on {column} cannot be checked; look at cameras.yaml for {column}.")
        broken = one.result.get("unexpected_index_list") or []
        summaries.append(
            {
                "expectation": one.expectation_config.type,
                "column": column,
                "success": bool(one.success),
                "checked": int(one.result.get("element_count", len(frame))),
                "broken": len(broken),
            }
        )
        for row in broken:
            reasons[str(row[key])].append(rule.words.format(value=row.get(column)))
    return Verdict(bool(result.success), tuple(summaries), {k: "; ".join(v) for k, v in reasons.items()})


def _merge(verdicts: list[Verdict]) -> Verdict:
    reasons: dict[str, str] = {}
    for verdict in verdicts:
        reasons.update(verdict.reasons)
    everything = tuple(one for verdict in verdicts for one in verdict.expectations)
    return Verdict(all(v.success for v in verdicts), everything, reasons)


def _expectations() -> Any:
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations.expectations as gxe

    return gxe

"""A suite of rules, and what it said of a table (the only file that imports Great Expectations)."""

import logging
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from inspection import clock
from inspection.errors import FixSettings

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuiteValidationResult
    from great_expectations.expectations.expectation import Expectation

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


def open_context() -> Any:
    """Great Expectations without files, threads or a word on the screen."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx

    chatty = "great_expectations.data_context.types.base"  # tells of every temporary folder
    logging.getLogger(chatty).setLevel(logging.WARNING)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    context.data_sources.add_or_update_pandas("captures")
    return context


def run(context: Any, name: str, batch: str, frame: pd.DataFrame, key: str, rules: list[Rule]) -> Verdict:
    """What the suite `name` of these rules says of `frame`, whose rows are named by column `key`.

    Raises:
        FixSettings: a rule cannot be applied to these rows.
    """
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


def drawn(verdicts: Iterable[Verdict]) -> Iterator[str]:
    """Great Expectations' Data Docs of each verdict, as HTML that leads to no page but its index."""
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
    from great_expectations.render.view import DefaultJinjaPageView

    renderer, view = ValidationResultsPageRenderer(), DefaultJinjaPageView()
    for verdict in verdicts:
        page = view.render(renderer.render(verdict.result), show_how_to_buttons=False)
        yield re.sub(r'href="[^"#]*/[^"]*"', 'href="index.html"', page)  # to pages and servers that are not there


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
    expectations()


def expectations() -> Any:
    """Great Expectations' own kinds of expectations, to make rules of."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations.expectations as gxe

    return gxe

"""One action for every cause, cost and state of the line, with its reasons."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection.params import Routing
from inspection.records.incidents import ABSENT
from monitoring.camera.measurement import CAUSES
from monitoring.cost.routing import WORDS, Cost, route
from tests.monitoring.camera.test_health import PARAMS

CONTENT = {"new_product": "label", "changed_mix": "watch", "changed_surface": "cost", "defect_rate": "watch"}
ROUTING = PARAMS.routing
REQUESTS = PARAMS.requests
EVERY = sorted({*CAUSES.values(), *CONTENT, *ABSENT})
REPAIRED = sorted(cause for cause in EVERY if getattr(ROUTING, cause) == "repair")


def cost(drop: float, parts: int = 40, how: str = "rehearsed") -> Cost:
    return Cost(0.9, 0.9 - drop, drop - 0.02, drop + 0.02, parts, how)  # type: ignore[arg-type]


def test_every_cause_has_a_route() -> None:
    routes = {name for name, field in Routing.model_fields.items() if "repair" in str(field.annotation)}
    assert routes == set(EVERY)


def test_the_causes_of_the_content_go_where_params_yaml_sends_them() -> None:
    assert {cause: getattr(PARAMS.routing, cause) for cause in CONTENT} == CONTENT


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize("known", [None, cost(0.5)])
def test_a_higher_defect_rate_is_the_process_and_nothing_is_asked_of_anybody(live: bool, known: Cost | None) -> None:
    action = route("defect_rate", known, live, ROUTING, REQUESTS)
    assert action.kind == "watch"
    assert "the process, not the camera" in action.reasons[0] and "machine upstream" in action.reasons[0]
    assert "may train the model" in action.reasons[1]


def test_a_changed_mix_of_known_parts_is_watched() -> None:
    assert route("changed_mix", cost(0.5), True, ROUTING, REQUESTS).kind == "watch"


@pytest.mark.parametrize(
    ("known", "kind"),
    [(None, "label"), (cost(0.5, 14), "label"), (cost(0.0, 15, "seen"), "watch"), (cost(0.06, 15, "seen"), "retrain")],
)
def test_a_new_product_is_labelled_until_its_cost_is_known(known: Cost | None, kind: str) -> None:
    action = route("new_product", known, True, ROUTING, REQUESTS)
    assert action.kind == kind
    assert kind != "label" or "never shown such parts" in action.reasons[0]


def test_any_cause_may_be_watched_only() -> None:
    action = route("dust", None, True, ROUTING.model_copy(update={"dust": "watch"}), REQUESTS)
    assert action.kind == "watch" and "dust is only watched" in action.reasons[0]


@pytest.mark.parametrize("cause", REPAIRED)
@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize("known", [None, cost(0.0), cost(0.5), cost(0.5, 0)])
def test_a_fault_of_the_camera_is_repaired_whatever_it_costs(cause: str, live: bool, known: Cost | None) -> None:
    action = route(cause, known, live, ROUTING, REQUESTS)
    assert action.kind == "repair"
    assert cause.replace("_", " ") in action.reasons[0]
    assert "kept out of training" in action.reasons[1]


@pytest.mark.parametrize(
    ("known", "live", "kind", "words"),
    [
        (None, False, "watch", "no model is on the line yet"),
        (cost(0.5), False, "watch", "no model is on the line yet"),
        (None, True, "label", "0 labelled parts show what it costs; 15 are needed"),
        (cost(0.5, 14), True, "label", "14 labelled parts"),
        (cost(0.0), True, "watch", "90 were given their right class before, 90 now"),
        (cost(-0.1), True, "watch", "less than 5 of 100 counts as none"),
        (cost(0.049), True, "watch", "laid on labelled images"),
        (cost(0.06), True, "retrain", "60 labelled images of 25 parts"),
        (cost(0.5, 15, "seen"), True, "retrain", "seen on parts labelled since; 15 parts"),
    ],
)
@pytest.mark.parametrize("cause", ["lighting", "unknown", "changed_surface"])
def test_what_is_learned_is_decided_by_what_it_costs(
    cause: str, known: Cost | None, live: bool, kind: str, words: str
) -> None:
    action = route(cause, known, live, ROUTING, REQUESTS)
    assert action.kind == kind
    assert any(words in reason for reason in action.reasons)


costs = st.none() | st.builds(
    lambda before, after, parts, how: Cost(before, after, before - after - 0.1, before - after + 0.1, parts, how),
    st.floats(0, 1),
    st.floats(0, 1),
    st.integers(0, 60),
    st.sampled_from(["rehearsed", "seen"]),
)


@given(st.sampled_from(EVERY), costs, st.booleans())
def test_there_is_always_one_action_with_reasons(cause: str, known: Cost | None, live: bool) -> None:
    action = route(cause, known, live, ROUTING, REQUESTS)
    assert action.kind in WORDS
    assert action.reasons and all(reason and "None" not in reason and "nan" not in reason for reason in action.reasons)
    assert action == route(cause, known, live, ROUTING, REQUESTS)


@given(costs, st.floats(0, 0.5))
def test_a_costlier_change_is_never_taken_more_lightly(known: Cost | None, more: float) -> None:
    order = ["watch", "retrain"]
    if known is None or known.parts < ROUTING.min_parts:
        return
    worse = Cost(known.before, known.after - more, known.low, known.high, known.parts, known.how)
    kinds = [route("lighting", one, True, ROUTING, REQUESTS).kind for one in (known, worse)]
    assert order.index(kinds[0]) <= order.index(kinds[1])


def test_a_cost_is_plain_json_with_its_drop() -> None:
    plain = cost(0.1).as_json()
    assert plain["drop"] == pytest.approx(0.1)
    assert set(plain) == {"before", "after", "low", "high", "parts", "how", "drop"}

import pytest

from inspection.post.incident_letters import of_incident
from inspection.post.letter import Picture, as_drill
from monitoring.cost.routing import WORDS
from plant.shot import png
from tests.inspection.post.reading import CSV, ZONE, good, incident, standing


@pytest.mark.parametrize("action", WORDS)
def test_a_drill_says_so_wherever_one_looks(action: str) -> None:
    picture = Picture("compared.png", "cam-1: before and after", png(__import__("numpy").zeros((4, 6), "uint8")))
    real = of_incident(incident(action=action), ZONE, 3, standing(), (picture,), (CSV,))
    drill = as_drill(real)
    text = good(drill)
    assert drill.subject.startswith("DRILL ") and drill.headline.startswith("DRILL")
    assert "This is a drill: nothing real has happened" in text and real.summary in text
    assert drill.todo[0].startswith("Nothing: this is a drill.") and drill.todo[1:] == real.todo
    assert [one.name for one in drill.attachments] == ["DRILL-I-0001-suspect-parts.csv"]
    assert all(one.caption.startswith("DRILL") for one in drill.pictures)

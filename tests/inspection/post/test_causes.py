from inspection.post import causes
from inspection.records.incidents import ABSENT
from monitoring.content import drift
from tests.inspection.post.reading import CAUSES


def test_every_cause_has_its_words() -> None:
    assert set(causes.NAMES) == set(causes.TODO) == set(CAUSES.values()) | set(ABSENT)
    assert set(causes.CONTENT) == set(drift.CAUSES.values())
    for cause in causes.NAMES:
        assert "_" not in causes.NAMES[cause]

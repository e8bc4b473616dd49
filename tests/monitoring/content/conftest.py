"""What clean windows teach."""

import pytest

from monitoring.content.healthy import Content
from monitoring.content.learning import learn
from tests.monitoring.content.windows import window


@pytest.fixture(scope="package")
def content() -> Content:
    found = learn([window(seed) for seed in range(24)])
    assert found is not None
    return found

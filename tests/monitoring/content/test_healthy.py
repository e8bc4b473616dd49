"""What a healthy camera shows can be kept, and is small."""

from dataclasses import replace

import numpy as np
import pytest

from monitoring.content.comparison import measure
from monitoring.content.healthy import Content
from monitoring.content.learning import learn
from monitoring.content.parts import Shown
from tests.monitoring.content.windows import window


def test_what_was_learned_can_be_kept_and_read_again(content: Content) -> None:
    tensors = content.tensors()
    again = Content.of(content.facts(), {name: array.copy() for name, array in tensors.items()})
    assert all(array.dtype == np.float32 for array in tensors.values())
    assert measure(window(200), again) == measure(window(200), content)
    assert again.facts() == content.facts()
    with pytest.raises(KeyError):
        Content.of(content.facts(), {})


def test_what_is_kept_of_a_camera_is_small() -> None:
    rng = np.random.default_rng(0)

    def wide(seed: int) -> Shown:
        shown = window(seed)
        many = np.repeat(shown.embeddings, 27, axis=1)[:, :1280]
        return replace(shown, embeddings=many + rng.normal(0, 0.01, many.shape))

    content = learn([wide(seed) for seed in range(16)])
    assert content is not None
    assert sum(array.nbytes for array in content.tensors().values()) < 300_000

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from inspection.network.graph import Graph, Preparation, Stretch
from inspection.network.preprocess import preprocess

SIZE, MEAN, STD = 48, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    path = tmp_path_factory.mktemp("graph") / "preprocess.onnx"
    path.write_bytes(preprocess(SIZE, MEAN, STD).SerializeToString())
    return Graph(path)


@pytest.fixture(scope="module")
def prepare(graph: Graph) -> Stretch:
    return graph.stretch("image", ["pixels"], "f32")


def levels(seed: int, height: int, width: int, channels: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels)).astype(np.float32)


def by_pillow(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """(3, SIZE, SIZE): Pillow's antialiased BILINEAR on floats, then normalised."""
    planes = [image[:, :, number % image.shape[2]] for number in range(3)]
    resized = [
        np.asarray(Image.fromarray(plane).resize((SIZE, SIZE), Image.Resampling.BILINEAR)) / 255 for plane in planes
    ]
    return np.stack([(plane - m) / s for plane, m, s in zip(resized, MEAN, STD, strict=True)])


@settings(max_examples=60)
@given(st.integers(0, 99), st.integers(1, 200), st.integers(1, 200), st.sampled_from([1, 3]))
@example(1, 1, 1, 1)
@example(1, 1, 1, 3)
@example(2, SIZE, SIZE, 3)
@example(3, 7, 200, 3)
@example(4, 200, 7, 1)
@example(5, SIZE - 1, SIZE + 1, 3)
@example(6, 600, 800, 1)
def test_it_equals_pillow_s_antialiased_bilinear(
    prepare: Stretch, seed: int, height: int, width: int, channels: int
) -> None:
    image = levels(seed, height, width, channels)
    (pixels,) = prepare(image[None])
    assert pixels.shape == (1, 3, SIZE, SIZE) and pixels.dtype == np.float32
    assert np.abs(pixels[0] - by_pillow(image)).max() < 2e-4 / min(STD)  # 0.05 of 255 levels


def test_an_image_of_the_right_size_is_only_normalised(prepare: Stretch) -> None:
    image = levels(1, SIZE, SIZE, 3)
    (pixels,) = prepare(image[None])
    expected = (image / 255 - np.array(MEAN)) / np.array(STD)
    assert np.abs(pixels[0] - expected.transpose(2, 0, 1)).max() < 1e-4


def test_red_green_and_blue_keep_their_order(prepare: Stretch) -> None:
    image = np.zeros((20, 20, 3), np.float32)
    image[:, :, 0] = 255
    (pixels,) = prepare(image[None])
    assert [float(plane.mean() * s + m) for plane, m, s in zip(pixels[0], MEAN, STD, strict=True)] == pytest.approx(
        [1, 0, 0], abs=1e-4
    )


def test_several_images_of_one_size_are_done_as_each_alone(prepare: Stretch) -> None:
    images = np.stack([levels(seed, 30, 50, 3) for seed in range(3)])
    (together,) = prepare(images)
    for image, pixels in zip(images, together, strict=True):
        assert np.array_equal(prepare(image[None])[0][0], pixels)


@pytest.mark.parametrize(
    "sizes",
    [
        [(30, 50, 3), (200, 7, 3)],
        [(30, 50, 1), (30, 50, 1), (9, 9, 1)],
        [(SIZE, SIZE, 1)],
        [(SIZE, 90, 3), (90, SIZE, 3)],
        [(30, 50, 1), (SIZE, SIZE, 3), (60, 60, 1)],
    ],
)
def test_bands_say_what_the_graph_says_and_no_picture_depends_on_its_neighbours(
    graph: Graph, prepare: Stretch, sizes: list[tuple[int, int, int]]
) -> None:
    images = [levels(seed, *size) for seed, size in enumerate(sizes)]
    bands = Preparation(graph)
    together = bands(images)
    for image, pixels in zip(images, together, strict=True):
        assert np.array_equal(bands([image])[0], pixels)
        assert np.abs(prepare(image[None])[0][0] - pixels).max() < 1e-4


def test_an_even_surface_stays_even_up_to_its_rim(prepare: Stretch) -> None:
    for height, width in ((5, 9), (301, 97)):
        (pixels,) = prepare(np.full((1, height, width, 1), 100, np.float32))
        expected = (100 / 255 - np.array(MEAN)) / np.array(STD)
        assert np.abs(pixels[0] - expected[:, None, None]).max() < 1e-4


def test_the_same_settings_give_the_same_graph_and_others_another(tmp_path: Path) -> None:
    graphs = [preprocess(*args).SerializeToString() for args in ((8, MEAN, STD), (8, MEAN, STD), (9, MEAN, STD))]
    assert graphs[0] == graphs[1] != graphs[2]
    assert onnx.load_from_string(graphs[0]).opset_import[0].version == 17

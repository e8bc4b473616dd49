"""Weights are the right bytes of a known network, or they are refused in words."""

import hashlib
import os
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pytest
import torch

from inspection.errors import FixSettings
from inspection.layout import Layout
from inspection.network.backbone import blank, network
from inspection.network.weights import weights
from inspection.params import Backbone, read_params
from tests.conftest import ROOT

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path, tmp_path)


PACKAGED = read_params(ROOT / "params.yaml").backbone


def local(layout: Layout, content: bytes | None = None, **changes: object) -> Backbone:
    """Settings for the file w.pth; with `content` it is written and its hash set."""
    known = {"weights": "w.pth", "sha256": "0" * 64}
    if content is not None:
        (layout.root / "w.pth").write_bytes(content)
        known["sha256"] = hashlib.sha256(content).hexdigest()
    return PACKAGED.model_copy(update={**known, **changes})


def refused(settings: Backbone, layout: Layout) -> str:
    with pytest.raises(FixSettings) as refusal:
        network(settings, weights(settings, layout)[0])
    words = str(refusal.value)
    assert "\n" not in words
    return words


def saved(value: object, path: Path) -> bytes:
    torch.save(value, path)
    return path.read_bytes()


class Trap:
    """Unpickling it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_no_weights_file_is_refused_with_the_setting_s_name(layout: Layout) -> None:
    words = refused(local(layout), layout)
    assert "No weights file at" in words and "w.pth" in words and "backbone.weights" in words


def test_a_weights_file_without_a_hash_is_refused(layout: Layout) -> None:
    assert "backbone.sha256" in refused(local(layout, b"bytes", sha256=""), layout)


@pytest.mark.parametrize("sha256", ["0" * 64, "57934424", hashlib.sha256(b"bytes").hexdigest()[1:]])
def test_other_bytes_than_the_hash_says_are_refused_before_they_are_opened(layout: Layout, sha256: str) -> None:
    words = refused(local(layout, b"bytes", sha256=sha256), layout)
    assert "is not the file it should be" in words and hashlib.sha256(b"bytes").hexdigest()[:12] in words


def test_a_hash_of_a_few_letters_proves_nothing_and_is_refused(layout: Layout) -> None:
    settings = local(layout, b"bytes", sha256=hashlib.sha256(b"bytes").hexdigest()[:3])
    with pytest.raises(FixSettings, match="sha256"):
        weights(settings, layout)


def test_the_right_file_is_found_whatever_the_case_of_its_hash(layout: Layout) -> None:
    digest = hashlib.sha256(b"bytes").hexdigest()
    settings = local(layout, b"bytes", sha256=digest.upper())
    assert weights(settings, layout) == (layout.root / "w.pth", digest)


class Internet:
    """In the place of torchvision's server: its one file, and how often it was asked for it."""

    def __init__(self, content: bytes) -> None:
        self.content, self.asked = content, 0

    def fetch(self, url: str, path: str, hash_prefix: str) -> None:
        """As torch.hub does."""
        self.asked += 1
        if not hashlib.sha256(self.content).hexdigest().startswith(hash_prefix):
            raise RuntimeError("invalid hash value")
        Path(path).write_bytes(self.content)


@pytest.fixture
def internet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Internet:
    server = Internet(b"weights")
    address = f"https://example.org/resnet18-{hashlib.sha256(server.content).hexdigest()[:8]}.pth"
    monkeypatch.setattr("torchvision.models.get_model_weights", lambda _: SimpleNamespace(DEFAULT=Address(address)))
    monkeypatch.setattr("torch.hub.download_url_to_file", server.fetch)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return server


class Address(NamedTuple):
    url: str


RESNET = PACKAGED.model_copy(update={"name": "resnet18"})


def test_a_name_alone_is_enough_the_weights_are_fetched_once(layout: Layout, internet: Internet) -> None:
    path, digest = weights(RESNET, layout)
    assert path.read_bytes() == internet.content and digest == hashlib.sha256(internet.content).hexdigest()
    assert weights(RESNET, layout) == (path, digest) and internet.asked == 1


def test_weights_that_torch_has_in_its_own_cache_are_not_fetched(
    layout: Layout, internet: Internet, tmp_path: Path
) -> None:
    fetched, digest = weights(RESNET, layout)
    kept = tmp_path / "torch" / "hub" / "checkpoints" / fetched.name
    kept.parent.mkdir(parents=True)
    fetched.rename(kept)
    assert weights(RESNET, layout) == (kept, digest) and internet.asked == 1


def test_fetched_weights_are_checked_by_their_hash_each_time(layout: Layout, internet: Internet) -> None:
    internet.content = b"other weights"
    with pytest.raises(FixSettings, match="Could not download resnet18"):
        weights(RESNET, layout)
    internet.content = b"weights"
    path, _ = weights(RESNET, layout)
    path.write_bytes(b"damaged")
    with pytest.raises(FixSettings, match="is not the file it should be"):
        weights(RESNET, layout)


def test_without_internet_it_says_where_to_put_the_file(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(*_: object, **__: object) -> None:
        raise OSError("no internet")

    monkeypatch.setattr("torch.hub.download_url_to_file", fetch)
    with pytest.raises(FixSettings, match=r"Copy it to .*weights.*\.pth from a machine with internet"):
        weights(RESNET, layout)


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_pickle_with_code_in_it_is_refused_and_never_executed(layout: Layout, wrapped: bool, tmp_path: Path) -> None:
    trap = Trap(tmp_path / "executed")
    content = saved({"conv.weight": trap}, tmp_path / "trap.pth") if wrapped else pickle.dumps(trap)
    assert "holds no plain weights" in refused(local(layout, content), layout)
    assert not trap.path.exists()


@pytest.mark.parametrize("content", [b"", b"weights", b"PK\x03\x04" + b"\0" * 100, b"\x80\x04."])
def test_a_file_that_is_no_weights_file_is_refused(layout: Layout, content: bytes) -> None:
    assert "holds no plain weights" in refused(local(layout, content), layout)


@pytest.mark.parametrize(
    ("name", "near"),
    [("resnet81", "resnet18"), ("convnext_tinny", "convnext_tiny"), ("vit_b16", "vit_b_16"), ("ResNet18", "resnet18")],
)
def test_an_unknown_network_is_refused_with_one_that_is_like_it(
    layout: Layout, tmp_path: Path, name: str, near: str
) -> None:
    content = saved({"a": torch.zeros(1)}, tmp_path / "other.pth")
    words = refused(local(layout, content, name=name), layout)
    assert f"'{name}' is unknown" in words and f"such as {near}." in words


@pytest.mark.parametrize("name", ["fcn_resnet50", "fasterrcnn_resnet50_fpn", "r3d_18", "raft_small"])
def test_a_network_that_is_no_classifier_of_images_is_refused_and_fetches_nothing(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(*_: object, **__: object) -> None:
        raise OSError("no internet")

    monkeypatch.setattr("torch.hub.download_url_to_file", fetch)
    with pytest.raises(FixSettings, match=r"params\.yaml"):
        blank(PACKAGED.model_copy(update={"name": name, "image_size": 64}), 0)

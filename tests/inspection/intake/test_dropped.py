import hashlib

from hypothesis import given
from hypothesis import strategies as st

from inspection.intake.dropped import capture_id

hashes = st.binary(min_size=1, max_size=4).map(lambda content: hashlib.sha256(content).hexdigest())
keys = st.text(max_size=20)


@given(keys, hashes, keys, hashes)
def test_a_capture_is_its_key_and_its_bytes(key: str, image: str, other_key: str, other_image: str) -> None:
    assert capture_id(key, image) == capture_id(key, image)
    assert (capture_id(key, image) == capture_id(other_key, other_image)) == ((key, image) == (other_key, other_image))


def test_a_capture_s_identity_does_not_change_from_version_to_version() -> None:
    assert capture_id("cam-1/a.png", "0" * 64) == hashlib.sha256(b"cam-1/a.png\n" + b"0" * 64).hexdigest()

import cv2
import numpy as np
import pytest
from helpers_motion import texture

from models.flow.dis import DisFlow


def estimate(target, source, preset="medium"):
    return DisFlow(preset).estimate(target[None], source[None])[0]


def shifted(image, right, down):
    """What a camera sees after things moved right and down by so many px."""
    size = image.shape[1::-1]
    return cv2.warpAffine(
        image, np.array([[1, 0, right], [0, 1, down]], float), size, borderMode=cv2.BORDER_REFLECT
    )


@pytest.mark.parametrize("preset", ["ultrafast", "fast", "medium"])
@pytest.mark.parametrize(("right", "down"), [(3.0, 0.0), (-1.5, 2.5), (0.0, 0.0)])
def test_a_known_shift_is_found_with_its_sign(preset, right, down):
    target = texture(96, 128)
    flow = estimate(target, shifted(target, right, down), preset)
    assert flow.shape == (96, 128, 2)
    assert flow.dtype == np.float32
    inner = flow[12:-12, 12:-12] - [right, down]
    assert np.linalg.norm(inner, axis=-1).mean() < 0.1


def test_flow_leads_from_the_target_into_the_source():
    target = texture(96, 128)
    source = shifted(target, 2.0, -1.0)
    flow = estimate(target, source)
    y, x = np.mgrid[:96, :128].astype(np.float32)
    fetched = cv2.remap(source, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR)
    error = np.abs(fetched.astype(int) - target)[8:-8, 8:-8].mean()
    assert error < 3.0
    assert np.abs(source.astype(int) - target)[8:-8, 8:-8].mean() > 2 * error


@pytest.mark.parametrize("size", [(8, 64), (64, 8), (16, 640), (8, 1024), (40, 64)])
def test_narrow_frames_are_survived(size):
    frame = texture(*size)
    assert np.abs(estimate(frame, frame)).max() < 0.1


def test_flow_repeats_exactly():
    target, source = texture(96, 128), texture(96, 128, seed=2)
    first = estimate(target, source)
    assert first.tobytes() == estimate(target, source).tobytes()


def test_a_batch_is_its_pairs_one_by_one():
    targets = np.stack([texture(64, 80, seed) for seed in range(3)])
    sources = np.stack([shifted(target, 2.0, 1.0) for target in targets])
    batch = DisFlow().estimate(targets, sources)
    alone = [estimate(*pair) for pair in zip(targets, sources, strict=True)]
    assert batch.tobytes() == np.stack(alone).tobytes()

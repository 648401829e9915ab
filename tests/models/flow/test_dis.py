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


@pytest.mark.parametrize(
    "size", [(8, 64), (64, 8), (16, 640), (8, 1024), (40, 64), (8, 8), (10, 10), (1, 500)]
)
@pytest.mark.parametrize("preset", ["fast", "medium"])
def test_narrow_frames_are_survived(size, preset):
    frame = texture(*size)
    flow = estimate(frame, frame, preset)
    assert flow.shape == (*size, 2)
    assert np.abs(flow).max() < 0.1


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


@pytest.mark.parametrize("preset", ["ultrafast", "fast", "medium"])
def test_a_check_finds_the_motion_and_leaves_the_estimator_as_it_was(preset):
    target = texture(96, 128)
    source = shifted(target, 5.0, -3.0)
    dis = DisFlow(preset)
    before = dis.estimate(target[None], source[None])
    check = dis.estimate(target[None], source[None], as_check=True)[0]
    assert np.abs(check[16:-16, 16:-16] - (5.0, -3.0)).mean() < 0.25
    assert dis.estimate(target[None], source[None]).tobytes() == before.tobytes()


def test_a_check_is_not_the_flow_itself():
    target = texture(96, 128)
    source = shifted(target, 5.0, -3.0)
    flow, check = (
        DisFlow().estimate(target[None], source[None], as_check=as_check)
        for as_check in (False, True)
    )
    assert not np.array_equal(flow, check)


def moved_thing(size, row, column, right, down):
    """A textured wall at rest and a textured thing of 24x24 px that moves over it."""
    target = texture(*size)
    source = target.copy()
    thing = texture(24, 24, seed=5)
    target[row : row + 24, column : column + 24] = thing
    source[row + down : row + down + 24, column + right : column + right + 24] = thing
    return target, source


@pytest.mark.parametrize(("right", "down"), [(3, 0), (-7, 4), (8, -6)])
def test_in_a_part_motion_is_found_as_in_the_whole_frame(right, down):
    target, source = moved_thing((144, 192), 60, 80, right, down)
    part = (slice(40, 104), slice(60, 124))
    flow = DisFlow().estimate(target[None], source[None], [part])[0]
    inside = flow[66:78, 86:98]
    whole = estimate(target, source)[66:78, 86:98]
    assert np.median(inside, axis=(0, 1)) == pytest.approx([right, down], abs=0.3)
    assert np.median(np.linalg.norm(inside - whole, axis=-1)) < 0.2


def test_a_part_keeps_the_scales_of_the_frame_and_leaves_the_rest_zero():
    target, source = moved_thing((144, 192), 60, 80, 8, 0)
    part = (slice(56, 88), slice(76, 138))
    flow = DisFlow().estimate(target[None], source[None], [part])[0]
    rows, columns = np.nonzero(np.linalg.norm(flow, axis=-1))
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert 32 <= height < 144
    assert 90 <= width < 192
    for size in ((144, 192), (height, width)):  # OpenCV's rule, by its own comment
        assert min(int(np.log2(max(size) / 32) + 0.5), int(np.log2(min(size) / 8))) >= 2


@pytest.mark.parametrize("size", [(8, 64), (16, 640), (33, 40), (270, 480)])
@pytest.mark.parametrize("part", [(slice(0, 1), slice(0, 1)), (slice(5, 8), slice(30, 40))])
def test_tiny_parts_are_survived(size, part):
    frame = texture(*size)
    assert np.abs(DisFlow().estimate(frame[None], frame[None], [part])).max() < 0.1


def test_a_part_of_a_large_frame_has_the_frames_resolution_of_flow():
    target = texture(300, 480)
    source = shifted(target, 2.3, 0.0)
    part = (slice(50, 250), slice(90, 390))
    inner = (slice(100, 200), slice(150, 330))
    dis = DisFlow()
    apart = dis.estimate(target[None], source[None], [part])[0] - estimate(target, source)
    assert np.linalg.norm(apart[inner], axis=-1).mean() < 0.05
    assert dis.dis.getFinestScale() == dis.finest_scale > 0

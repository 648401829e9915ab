"""How low a threshold under CRF motion may choose, of masks that it centred elsewhere."""

from __future__ import annotations

import numpy as np
from helpers_artifacts import make_project, write_predictions

from pipeline.evaluation.calibration import read_calibration
from pipeline.store.paths import Source
from stages import calibrate

CRF = {"bilateral_weight": 2.0, "bilateral_px": 8.0, "floor": 0.0}


def test_masks_centred_higher_than_by_default_may_be_cut_lower_under_the_crf(tmp_path, monkeypatch):
    """Even by default are odds of 3/7 * 3 = 9/7; centred on 0.6, over odds of 3/2, that is 0.46.

    The subject's odds of 2 become 4/3 there, the ground's of 10/7 become 20/21: right is 0.5.
    """
    project = make_project(tmp_path, monkeypatch, ["train"], truth=False, frames=2)
    for scene in project.scenes.values():
        write_predictions(scene, soft=np.where(scene.truth, 170, 150).astype(np.uint8))
    defaults = {"default_threshold": 0.3, "default_threshold_crf": 0.75}
    project.set_params(calibrate={"crf": [CRF], **defaults})
    calibrate.main(Source.MODEL)
    found = read_calibration(Source.MODEL)
    assert (found.source, found.threshold, found.threshold_crf) == ("motion", 0.6, 0.5)


def test_motion_chooses_no_crf_setting_though_another_would_overlap_more(tmp_path, monkeypatch):
    """A tenth of the pixels is wrong; the second setting smooths them away, and the first holds."""
    project = make_project(tmp_path, monkeypatch, ["train"], truth=False, frames=2)
    rng = np.random.default_rng(0)
    for scene in project.scenes.values():
        wrong = rng.random(scene.truth.shape) < 0.1
        write_predictions(scene, soft=np.where(scene.truth ^ wrong, 200, 50).astype(np.uint8))
    idle = {**CRF, "bilateral_weight": 0.0, "smooth_weight": 0.0}
    found = []
    for crf in ([idle, CRF], [CRF, idle]):
        project.set_params(calibrate={"crf": crf})
        calibrate.main(Source.MODEL)
        found.append(read_calibration(Source.MODEL))
    assert [one.source for one in found] == ["motion", "motion"]
    assert [one.crf.bilateral_weight for one in found] == [0.0, CRF["bilateral_weight"]]

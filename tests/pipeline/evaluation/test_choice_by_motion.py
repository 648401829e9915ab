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

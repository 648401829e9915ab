"""What a finished project predicts with: its networks, its calibration, and its params."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import BackdropError
from pipeline.evaluation.calibration import Calibration, read_calibration
from pipeline.evaluation.final import sources
from pipeline.finding import Finder
from pipeline.model_predictions import ModelFinder
from pipeline.networks import CONFIG, KNOWN_BACKGROUND, WEIGHTS
from pipeline.params.data import ExtractFrames
from pipeline.params.read import PARAMS_FILE, load_section, read_yaml, validate
from pipeline.params.results import Predict, RefineMasks
from pipeline.params.self_train import SelfTrain
from pipeline.params.training import Compute
from pipeline.store.atomic import read_json
from pipeline.store.paths import MODEL, STUDENT_NETWORK, Source, inpainter
from pipeline.student_predictions import StudentFinder

OF_SIZE = ("longest_side", "crop")
LOCK = Path("dvc.lock")  # DVC's record of the params that the artifacts were made with


@dataclass(frozen=True)
class Trained:
    """All that decides the masks of new frames; picklable.

    Attributes:
        source: whose masks are the project's result.
        choice: thresholds and CRF setting of that source.
        frames: the size that training frames had.
        batch_size: frames through the networks at once, as in the stages: it changes last bits.
        iterations: of the CRF.
    """

    source: Source
    choice: Calibration
    compute: Compute
    frames: ExtractFrames
    predict: Predict
    batch_size: int
    iterations: int

    def finder(self) -> Finder:
        """The networks, ready to work."""
        if self.source is Source.STUDENT:
            return StudentFinder(self.compute)
        return ModelFinder(self.compute, self.predict)


def read_trained() -> Trained:
    """What the project in the working directory predicts with.

    Raises:
        BackdropError: nothing is trained yet, an artifact is damaged, the sizes in `params.yaml`
            are no longer those of the training, or the model stands on a known background.
    """
    _require(Source.STUDENT.masks_folder)
    source = sources()[-1]
    folders = [STUDENT_NETWORK] if source is Source.STUDENT else [MODEL, inpainter("rgb")]
    for folder in folders:
        for name in (CONFIG, WEIGHTS):
            _require(folder / name)
    _require(source.calibration_file)
    predict = load_section(Predict, "predict")
    batch_size = predict.batch_size
    if source is Source.STUDENT:
        batch_size = load_section(SelfTrain, "self_train").batch_size
    else:
        _refuse_known_background()
    return Trained(
        source=source,
        choice=read_calibration(source),
        compute=load_section(Compute, "compute"),
        frames=_frames_as_trained(),
        predict=predict,
        batch_size=batch_size,
        iterations=load_section(RefineMasks, "refine_masks").iterations,
    )


def _require(path: Path) -> None:
    if not path.exists():
        raise BackdropError(
            "is missing: this project is not trained yet",
            where=str(path),
            remedy="run `dvc repro` first",
        )


def _refuse_known_background() -> None:
    """Its backgrounds are those of the videos trained on; an inpainter works anywhere."""
    config = inpainter("rgb") / CONFIG
    if read_json(config)["schema"] == KNOWN_BACKGROUND:
        raise BackdropError(
            "holds the known backgrounds of the training videos, and new material has another",
            where=str(config),
            remedy="train a student, which needs none (self_train.enabled: true), or set "
            "train_inpainter.rgb.background: inpainted; then run `dvc repro`",
        )


def _frames_as_trained() -> ExtractFrames:
    """The params of the frames; other ones than the networks have learnt from are refused."""
    now = load_section(ExtractFrames, "extract_frames")
    locked = _locked_frames()
    for key in OF_SIZE:
        if locked is not None and getattr(now, key) != getattr(locked, key):
            raise BackdropError(
                f"was {getattr(locked, key)} when the networks were trained, and is now "
                f"{getattr(now, key)}",
                where=f"{PARAMS_FILE}: extract_frames.{key}",
                remedy="set it back, or run `dvc repro` first",
            )
    return now


def _locked_frames() -> ExtractFrames | None:
    """As DVC recorded them; None where the stages were run without it."""
    if not LOCK.exists():
        return None
    stages: dict[str, Any] = read_yaml(LOCK).get("stages", {})
    params = stages.get("extract_frames", {}).get("params", {}).get(str(PARAMS_FILE), {})
    if "extract_frames" not in params:
        return None
    values = {key: value for key, value in params["extract_frames"].items() if key in OF_SIZE}
    return validate(ExtractFrames, values, LOCK, ("extract_frames",))

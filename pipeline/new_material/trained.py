"""What a finished project predicts with: its networks, its calibration, and its params."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from pipeline.errors import BackdropError
from pipeline.evaluation.calibration import Calibration, read_calibration
from pipeline.evaluation.final import sources
from pipeline.finding import Finder
from pipeline.model_predictions import ModelFinder
from pipeline.networks import CONFIG, KNOWN_BACKGROUND, WEIGHTS, read_config
from pipeline.params.base import Section
from pipeline.params.data import ExtractFrames, Stabilize
from pipeline.params.flow import ComputeFlow
from pipeline.params.read import PARAMS_FILE, load_section, read_yaml, validate
from pipeline.params.results import KeepMoving, Predict
from pipeline.params.training import Compute
from pipeline.store.digest import file_sha256
from pipeline.store.paths import FRAMES, MODEL, STUDENT_NETWORK, Source, inpainter
from pipeline.student_predictions import StudentFinder

OF_FRAMES = ("longest_side", "crop", "store", "jpeg_quality")
OF_MOTION = (*OF_FRAMES, "stride")  # also how far apart the frames of a pair are
LOCK = Path("dvc.lock")  # DVC's record of what the artifacts were made from

SectionT = TypeVar("SectionT", bound=Section)


class Entry(BaseModel):
    """An input or output that DVC recorded of a stage."""

    path: str
    md5: str = ""


class Recorded(BaseModel):
    """What DVC recorded of a stage when it last ran; `params` by file and section."""

    deps: list[Entry] = []
    outs: list[Entry] = []
    params: dict[str, dict[str, Any]] = {}


Lock = Mapping[str, Recorded]  # by the stage's name


@dataclass(frozen=True)
class MotionParams:
    """What decides what moves in a video."""

    stabilize: Stabilize
    compute_flow: ComputeFlow
    keep_moving: KeepMoving


@dataclass(frozen=True)
class Trained:
    """All that decides the masks of new frames; picklable.

    Attributes:
        source: whose masks are the project's result.
        choice: thresholds and CRF setting of that source.
        frames: the size that training frames had.
        motion: of masks of what moves, None where all is to be kept.
        networks: sha256 of the files that the networks are loaded from.
    """

    source: Source
    choice: Calibration
    compute: Compute
    frames: ExtractFrames
    predict: Predict
    motion: MotionParams | None
    networks: Mapping[Path, str]

    def finder(self) -> Finder:
        """The networks, ready to work.

        Raises:
            BackdropError: one is missing or damaged, or is no longer that of the thresholds.
        """
        of_student = self.source is Source.STUDENT
        finder = (
            StudentFinder(self.compute) if of_student else ModelFinder(self.compute, self.predict)
        )
        # Afterwards: a network that takes another's place while it is loaded is seen, too.
        for path, digest in self.networks.items():
            if file_sha256(path) != digest:
                raise BackdropError(
                    "was made anew while this ran",
                    where=str(path),
                    remedy="once `dvc repro` is done, run this again: with --force, or with --keep "
                    "to leave what the networks before it have found",
                )
        return finder


def read_trained(*, moving: bool = False) -> Trained:
    """What the project in the working directory predicts with.

    Args:
        moving: also what its masks of what moves come from.

    Raises:
        BackdropError: nothing is trained yet, an artifact is damaged, params or frames are no
            longer those that the networks were trained with, or the model stands on a known
            background.
    """
    _require(Source.STUDENT.masks_folder)
    source = sources()[-1]
    folders = [STUDENT_NETWORK] if source is Source.STUDENT else [MODEL, inpainter("rgb")]
    files = [folder / name for folder in folders for name in (CONFIG, WEIGHTS)]
    for path in (*files, source.calibration_file):
        _require(path)
    # Before the thresholds are read: had both been made anew since, they would not be these ones'.
    networks = {path: file_sha256(path) for path in files}
    lock = _read_lock()
    stage = "predict" if source is Source.MODEL else "predict_student"
    _require_in_step(lock, source, stage, folders)
    predict = _whole(lock, stage, "predict", Predict)
    of_frames = OF_MOTION if moving else OF_FRAMES
    if source is Source.MODEL:
        _refuse_known_background()
    return Trained(
        source=source,
        choice=read_calibration(source),
        compute=load_section(Compute, "compute"),
        frames=_as_recorded(lock, "extract_frames", "extract_frames", ExtractFrames, of_frames),
        predict=predict,
        motion=_motion(lock, source) if moving else None,
        networks=networks,
    )


def _motion(lock: Lock, source: Source) -> MotionParams:
    return MotionParams(
        _whole(lock, "stabilize", "stabilize", Stabilize),
        _whole(lock, "compute_flow", "compute_flow", ComputeFlow),
        _whole(lock, f"keep_moving@{source}", "keep_moving", KeepMoving),
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
    folder = inpainter("rgb")
    if read_config(folder, "backdrop.inpainter", KNOWN_BACKGROUND)["schema"] == KNOWN_BACKGROUND:
        raise BackdropError(
            "holds the known backgrounds of the training videos, and new material has another",
            where=str(folder / CONFIG),
            remedy="train a student, which needs none (self_train.enabled: true), or set "
            "train_inpainter.rgb.background: inpainted; then run `dvc repro`",
        )


def _require_in_step(lock: Lock, source: Source, predict: str, networks: Sequence[Path]) -> None:
    """A run that did not come to its end leaves what no longer belongs together.

    Frames made anew are of other networks, and networks made anew have other thresholds. Flow is
    nothing to them; ground truth may choose thresholds, but the old ones still fit.
    """
    decisive = {str(path) for path in (FRAMES, *networks, source.predictions_folder)}
    made = {out.path: out.md5 for stage in lock.values() for out in stage.outs}
    for stage in (predict, f"calibrate@{source}", f"refine_masks@{source}"):
        for used in lock.get(stage, Recorded()).deps:
            if used.path in decisive and made.get(used.path, used.md5) != used.md5:
                raise BackdropError(
                    "was made anew, and what follows was not yet",
                    where=used.path,
                    remedy="run `dvc repro` first",
                )


def _whole(lock: Lock, stage: str, section: str, kind: type[SectionT]) -> SectionT:
    """`_as_recorded`, of all keys."""
    return _as_recorded(lock, stage, section, kind, kind.model_fields)


def _as_recorded(
    lock: Lock, stage: str, section: str, kind: type[SectionT], keys: Iterable[str]
) -> SectionT:
    """A section of the params, whose `keys` are as they were when the stage last ran."""
    now = load_section(kind, section)
    recorded = lock.get(stage, Recorded()).params.get(str(PARAMS_FILE), {}).get(section)
    if recorded is None:
        return now
    values = {key: value for key, value in recorded.items() if key in keys}
    then = validate(kind, values, LOCK, (section,))
    for key in keys:
        if getattr(now, key) != getattr(then, key):
            raise BackdropError(
                f"was {getattr(then, key)} when the networks were trained, and is now "
                f"{getattr(now, key)}",
                where=f"{PARAMS_FILE}: {section}.{key}",
                remedy="set it back, or run `dvc repro` first",
            )
    return now


def _read_lock() -> Lock:
    """What DVC recorded of each stage; nothing where the stages were run without it.

    Raises:
        BackdropError: the file is damaged.
    """
    if not LOCK.exists():
        return {}
    try:
        return TypeAdapter(dict[str, Recorded]).validate_python(read_yaml(LOCK).get("stages"))
    except ValidationError as error:
        mistake = error.errors()[0]
        at = ".".join(map(str, ("stages", *mistake["loc"])))
        raise BackdropError(
            f"is damaged ({at}: {mistake['msg']})",
            where=str(LOCK),
            remedy=f"`git checkout {LOCK}` brings back the last one that you committed; or delete "
            "it and run `dvc repro`",
        ) from error

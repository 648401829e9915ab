"""The page: everything that was read, judged and drawn, put into `page.html`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipeline.errors import listed
from pipeline.evaluation.motion import LEAST_OVERLAP
from pipeline.reporting import numbers
from pipeline.reporting.curves import Chart
from pipeline.reporting.inputs import Inputs, VideoSummary
from pipeline.reporting.legend import data_uri, legend
from pipeline.reporting.panels import Panel
from pipeline.reporting.run_params import RunParams
from pipeline.reporting.verdict import judge
from pipeline.store.paths import Source

HERE = Path(__file__).parent
MUCH_AT_REST = 0.2  # of a video's masks; the built-in videos without a bystander have 0.04 at most
NAMED = 3  # videos in a sentence


@dataclass(frozen=True)
class VideoSection:
    """A video's row of the table and its panels; `open`: unfolded when the page opens."""

    row: VideoSummary
    panels: Sequence[Panel]
    open: bool

    @property
    def facts(self) -> str:
        """What stands behind the name."""
        facts = [numbers.counted(self.row.frames, "frame")]
        if self.row.camera:
            facts.append(f"camera {self.row.camera}")
        if self.row.J == self.row.J:
            only = f" ({self.row.scored} scored)" if self.row.scored < self.row.frames else ""
            facts.append(f"J {self.row.J:.2f}, F {self.row.F:.2f}{only}")
        facts.append(f"confidence {self.row.confidence:.2f}")
        return " · ".join(facts)


def render_page(
    inputs: Inputs,
    params: RunParams,
    rows: Sequence[VideoSummary],
    sections: Sequence[VideoSection],
    training: dict[str, list[Chart]],
    accuracy: Sequence[Chart],
) -> str:
    """The whole page as HTML; the same inputs give the same text."""
    scored = any(inputs.metrics[split]["J"] is not None for split in numbers.SPLITS)
    student = numbers.WITHOUT in inputs.metrics
    tuned = scored and inputs.calibration.source != "default"
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "data_uri": data_uri,
        "number": numbers.number,
        "counted": numbers.counted,
    }
    return environment.get_template("page.html").render(
        name=params.name,
        style=Markup((HERE / "style.css").read_text()),
        facts=_facts(inputs, params),
        verdict=judge(inputs.metrics, tuned=tuned),
        resting=_resting(rows, Source.STUDENT if student else Source.MODEL),
        tiles=numbers.tiles(inputs.metrics),
        splits=numbers.SPLITS,
        groups=numbers.table(inputs.metrics),
        known=numbers.known_without_truth(inputs.metrics["health"]),
        bars=numbers.bars(inputs.metrics),
        student=student,
        tuned=tuned,
        threshold=_threshold(inputs),
        trained_on=_trained_on(inputs),
        scored=_scored(rows),
        legend=legend(student=student),
        videos=sections,
        not_shown=len(rows) - len(sections),
        accuracy=accuracy,
        rows=rows,
        least_overlap=LEAST_OVERLAP,
        much_at_rest=MUCH_AT_REST,
        training=training,
        params=params.text,
    )


def _facts(inputs: Inputs, params: RunParams) -> list[str]:
    """The line under the title."""
    sizes = [f"{width}x{height}" for width, height in inputs.frame_sizes]
    network = params.network
    videos = numbers.counted(len(inputs.videos), "video")
    frames = numbers.counted(len(inputs.per_frame), "frame")
    return [
        f"{videos}, {frames} of {', '.join(sizes)} px",
        f"network input {network.width}x{network.height} px",
        f"flow: {inputs.flow_backend}" + (f" ({inputs.flow_reason})" if inputs.flow_reason else ""),
        f"seed {params.seed}",
    ]


def _threshold(inputs: Inputs) -> str:
    chosen = inputs.calibration
    how = {
        "validation": "were chosen on validation frames",
        "motion": "were chosen by what moves, for no validation video has ground truth",
        "default": "are the defaults: neither validation frames nor what moves could choose",
    }
    values = f"{chosen.threshold_crf:.2f} under the CRF and {chosen.threshold:.2f} without it"
    return f"The thresholds, {values}, {how[chosen.source]}."


def _trained_on(inputs: Inputs) -> str:
    """Which of the videos that `test` averages over the networks have seen; "" if none."""
    counts = inputs.videos["split"].value_counts()
    both, alone = int(counts.get("train_test", 0)), int(counts.get("test", 0))
    if not both or inputs.metrics["test"]["J"] is None:
        return ""
    were = "was" if both == 1 else "were"
    videos = numbers.counted(both + alone, "test video")
    return f"Of the {videos}, {both} {were} trained on, without their ground truth."


def _resting(rows: Sequence[VideoSummary], source: Source) -> str:
    """In which videos the masks seem to show somebody else, too; "" if in none."""
    much = [row for row in rows if row.at_rest > MUCH_AT_REST]
    much.sort(key=lambda row: row.at_rest, reverse=True)
    if not much:
        return ""
    names = [f"{row.video} ({row.at_rest:.0%})" for row in much]
    return (
        f"Much of the masks never moves in {listed(names, NAMED)}: most likely "
        f"somebody else, or a subject at rest. {source.moving_folder} has the masks without it."
    )


def _scored(rows: Sequence[VideoSummary]) -> str:
    """Of how many frames J and F are, where they are of some frames of a video; "" otherwise."""
    partly = [row for row in rows if 0 < row.scored < row.frames]
    if not partly:
        return ""
    scored, frames = sum(row.scored for row in partly), sum(row.frames for row in partly)
    videos = numbers.counted(len(partly), "video")
    return f"Of {videos} only {scored} of {frames} frames have ground truth."

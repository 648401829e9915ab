"""Write the report: one static page that opens from disk, offline, with everything inside.

    python -m stages.report

Reads every artifact's summary and the frames to be shown, writes `artifacts/report/index.html`.
A collapsed run (empty, full-frame or frozen masks) still gets its page, which names the collapse;
only then does the stage fail. DVC leaves the files of a failed stage where they are, uncommitted.
"""

from __future__ import annotations

from pipeline.evaluation.health import raise_if_collapsed
from pipeline.inpainting import FrameInpainter
from pipeline.params.results import Report
from pipeline.progress import Progress
from pipeline.reporting.curves import accuracy_chart, training_charts
from pipeline.reporting.inputs import (
    Inputs,
    VideoSummary,
    frames_of,
    read_inputs,
    summarize,
    worst_first,
)
from pipeline.reporting.numbers import number
from pipeline.reporting.page import VideoSection, render_page
from pipeline.reporting.panels import video_panels
from pipeline.reporting.run_params import read_run_params
from pipeline.stage import run_stage
from pipeline.store import paths
from pipeline.store.atomic import write_bytes
from pipeline.truth_files import TruthFiles

PAGE = paths.REPORT / "index.html"
OPEN_AT_FIRST = 3  # videos unfolded when the page opens


def main() -> None:
    """Read, draw, write, and then fail if the run collapsed."""
    params = read_run_params()
    inputs = read_inputs()
    rows = summarize(inputs)
    charts = [accuracy_chart(frames_of(inputs, row.video), row.video) for row in rows]
    page = render_page(
        inputs,
        params,
        rows,
        sections=_draw_videos(inputs, rows, params.report),
        training=training_charts(paths.CURVES),
        accuracy=[chart for chart in charts if chart],
    )
    write_bytes(PAGE, page.encode())
    test = inputs.metrics["test"]
    print(f"report: {PAGE}  test J {number(test['J'])} F {number(test['F'])}")
    raise_if_collapsed(inputs.metrics)


def _draw_videos(inputs: Inputs, rows: list[VideoSummary], report: Report) -> list[VideoSection]:
    """The panels of `max_videos` videos, the worst of each split first."""
    inpaint = FrameInpainter(paths.inpainter("rgb"))
    truth = {video["video"]: TruthFiles.of(video) for video in inputs.videos.to_dict("records")}
    shown = worst_first(rows)[: report.max_videos]
    sections = []
    with Progress("report", len(shown), "videos") as progress:
        for position, row in enumerate(shown):
            index = inputs.index[inputs.index["video"] == row.video].sort_values("frame")
            panels = video_panels(
                row.video,
                truth[row.video],
                index,
                frames_of(inputs, row.video),
                inpaint,
                report.panels_per_video,
                report.panel_width,
            )
            sections.append(VideoSection(row, panels, open=position < OPEN_AT_FIRST))
            progress.advance(1, row.video)
    return sections


if __name__ == "__main__":
    run_stage("report", main)

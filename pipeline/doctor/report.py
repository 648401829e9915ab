"""What `doctor` prints: a few lines per video, problems with their remedies, and a verdict."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from pipeline.doctor.verdict import VideoReport
from pipeline.video.probe import VideoInfo

STYLES = {"problem": "red", "warning": "yellow", "A1": "", "A2": ""}
SUSPECT = ("looks broken", "doubtful")


def format_report(reports: Sequence[VideoReport]) -> str:
    """Plain text, a block of lines per video."""
    return "\n".join(f"{label:>9}  {text}" for report in reports for label, text in _lines(report))


def print_reports(reports: Sequence[VideoReport]) -> bool:
    """Print all reports; True if every video can be used."""
    console = Console(soft_wrap=True, highlight=False)
    for report in reports:
        for label, text in _lines(report):
            suspect = text.startswith(SUSPECT)
            style = "yellow" if suspect else STYLES.get(label, "")
            console.print(Text(f"{label:>9}  ", style="bold"), Text(text, style=style), sep="")
    unusable = [report.video for report in reports if not report.usable]
    console.print(
        f"{len(reports)} video(s), {len(unusable)} of them unusable: {', '.join(unusable)}"
        if unusable
        else f"{len(reports)} video(s), all usable"
    )
    return not unusable


def _lines(report: VideoReport) -> list[tuple[str, str]]:
    """(label, text) of each line; the first names the video."""
    lines = [("video", f"{report.video}  ({report.path})")]
    if report.info:
        lines += [("file", _file(report.info)), ("rate", _rate(report.info))]
        lines += [("cuts", ", ".join(map(str, report.cuts[:10])) or "none found")]
        lines += [("camera", f"{report.camera}: {report.camera_why}")]
        lines += [("subject", _subject(report))]
        lines += [("A1", f"{report.a1.state}: {report.a1.why}")]
        lines += [("A2", f"{report.a2.state}: {report.a2.why}")]
    lines += [("warning", text) for text in report.warnings]
    lines += [("problem", text) for text in report.problems]
    return lines


def _file(info: VideoInfo) -> str:
    announced = "not announced" if info.announced_frames is None else str(info.announced_frames)
    turned = ", mirrored top to bottom" if info.mirrored else ""
    if info.pixel_aspect != 1:
        turned += f" of pixels {info.pixel_aspect:.2f} times as wide as high"
    turned += f", rotated by {info.rotation} degrees" if info.rotation else ""
    return (
        f"{info.codec}, {info.width}x{info.height}{turned}, "
        f"{info.frames} frames decoded (announced: {announced}), {info.duration_s:.1f} s"
    )


def _rate(info: VideoInfo) -> str:
    if info.path.is_dir():
        return f"a folder has no clock; {info.fps:g} fps assumed"
    return f"{info.fps:.3f} fps, {'constant' if info.constant_rate else 'variable'}"


def _subject(report: VideoReport) -> str:
    subject = report.subject
    if subject is None:
        return "nothing moves against the background"
    return (
        f"something moves in {subject.seen} of {subject.pairs} pairs; about "
        f"{subject.width:.0%} of the frame wide, travels about {subject.travel:.2f} frame widths "
        f"({subject.travel_widths:.1f} of its own)"
    )

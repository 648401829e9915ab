"""`backdrop doctor`: what a video is, and whether the method can work on it, before hours of work.

`motion` compares two frames, `verdict` judges many such pairs, `examine` reads a video once,
`report` puts it into words.
"""

from pipeline.doctor.examine import examine, examine_paths
from pipeline.doctor.report import format_report, print_reports
from pipeline.doctor.verdict import VideoReport

__all__ = ["VideoReport", "examine", "examine_paths", "format_report", "print_reports"]

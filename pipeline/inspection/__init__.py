"""Look inside any artifact: `describe` it in words, `draw_frame` one frame of it."""

from pipeline.inspection.describe import describe
from pipeline.inspection.draw import draw_frame

__all__ = ["describe", "draw_frame"]

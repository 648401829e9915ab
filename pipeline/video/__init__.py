"""Reading what a user has: video files or folders of frames, in order, or an error that names them.

`sources` finds videos, `decode` yields their frames, `probe` describes one, `cuts` finds new shots.
"""

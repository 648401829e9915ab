"""`backdrop predict`: masks and boxes for videos and pictures that the project does not hold.

trained.py   which networks, thresholds and params a finished project predicts with
inputs.py    what is asked for: videos, folders of frames, pictures; checked before any work
segment.py   the frames of one input and what is found in each, in a stream
results.py   the folder that comes out of one input
films.py     the frames with outline and box drawn on them
command.py   the command
"""

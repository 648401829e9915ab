"""Results against ground truth, and what can be known without any.

`predicted` opens what was predicted, `collect` reads frames with it, with flow and with truth,
`scores` compares one with its truth, `means` averages as DAVIS does, `health` looks for collapses,
`motion` says what moves. `search` and `motion_searches` score what thresholds and CRF settings
there are, `choice` takes the best, `calibration` and `controls` are what was chosen.
"""

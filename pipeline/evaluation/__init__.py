"""Results against ground truth, and what can be known without any.

`collect` reads frames with all that was predicted, `scores` compares one with its truth, `means`
averages as DAVIS does, `calibration` is what validation chose, `health` looks for collapses.
"""

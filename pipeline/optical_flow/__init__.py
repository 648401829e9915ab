"""Optical flow as a tool: backends, weights, residual flow, evaluation, training."""

"""Training: data in memory, one loop with checkpoints, and the steps of inpainter and model."""

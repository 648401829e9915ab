"""Networks and objectives: tensors in, tensors out; no files, no params.yaml, no progress bars."""

"""How libraries say that a GPU's memory is too small; without torch, which few stages need."""

from __future__ import annotations

# cuDNN says the second where no plan's workspace fits, cuBLAS the third at its start.
OUT_OF_MEMORY = ("out of memory", "unable to find an engine to execute", "ALLOC_FAILED")


def ran_out(error: RuntimeError) -> bool:
    """Whether a GPU's memory was too small."""
    named = type(error).__name__ == "OutOfMemoryError"  # torch's own
    return named or any(words in str(error) for words in OUT_OF_MEMORY)

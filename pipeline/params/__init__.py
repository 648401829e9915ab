"""Typed, validated params: the schema of `params.yaml`, its reader, and the presets of `init`."""

from pipeline.params.read import load_section, read_params
from pipeline.params.schema import Params

__all__ = ["Params", "load_section", "read_params"]

"""Typed, validated params: sections by stage, their reader, the whole schema, presets, writer.

Empty on purpose: a stage imports the sections that it reads, and depends on those alone.
"""

"""Training a flow network on pairs made on the fly, whose flow is known exactly.

`textures` reads frames, `layers` moves them, `shapes` cuts them out, `pairs` puts them together,
`curriculum` says how much moves when, `command` trains.
"""

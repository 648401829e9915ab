"""Training a flow network on pairs made on the fly, whose flow is known exactly.

`textures` reads frames, `layers` moves them, `shapes` cuts them out, `pairs` puts them together,
`batches` makes them ahead, more motion as training goes on, `command` trains.
"""

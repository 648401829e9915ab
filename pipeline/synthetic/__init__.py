"""The built-in data: short videos of one moving figure before a shared backdrop, with masks.

`recipe` lists the clips, `render` draws one, `write` puts it where a user's own data would lie.
A clip depends on the recipe and its own entry alone, so clips can be rendered in any order.
"""

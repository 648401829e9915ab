"""YAML read as DVC reads and writes it, which is YAML 1.2: `off` is a word there, not a no.

`dvc exp run --set-param` writes the whole of `params.yaml` anew, and `dvc.lock` holds its values:
both without the quotes that a word like `off` needs elsewhere. What DVC refuses is refused here.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

_TAG = "tag:yaml.org,2002:"
_INF, _NAN = r"[-+]?\.(?:inf|Inf|INF)", r"\.(?:nan|NaN|NAN)"
_OURS = {
    # Without 1.1's other words for true and false, and without its `1:30` for 90.
    "bool": ("tTfF", r"true|True|TRUE|false|False|FALSE"),
    "int": ("-+0123456789", r"[-+]?(?:0b[01_]+|0[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+)"),
    "float": (
        "-+0123456789.",
        rf"(?:[-+]?[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+][0-9]+)?|{_INF}|{_NAN}",
    ),
}


class _Loader(yaml.SafeLoader):
    """PyYAML's, of YAML 1.1, with what DVC reads otherwise or refuses."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Refuse a key that is there twice: PyYAML would take the last of them."""
        node = super().compose_mapping_node(anchor)
        lines: dict[Any, int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                # PyYAML knows no value of `<<`, which brings another mapping's keys in.
                value = key.value if key.tag == f"{_TAG}merge" else self.construct_object(key)
                if value in lines:
                    told = f"the key '{key.value}' is in line {lines[value]} already"
                    raise yaml.constructor.ConstructorError(None, None, told, key.start_mark)
                lines[value] = key.start_mark.line + 1
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Name the line of a value that looks like a date or number and is none."""
        try:
            return super().construct_object(node, deep)
        except (ValueError, KeyError, AttributeError) as error:  # PyYAML's, by the kind of value
            told = "a value cannot be read as the date or number it looks like"
            raise yaml.constructor.ConstructorError(None, None, told, node.start_mark) from error

    def construct_timestamp_text(self, node: yaml.ScalarNode) -> str:
        """A date is text to us, but DVC makes one of it: it must exist."""
        self.construct_yaml_timestamp(node)
        return str(node.value)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag.removeprefix(_TAG) not in _OURS]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _name, (_first, _pattern) in _OURS.items():
    _Loader.add_implicit_resolver(f"{_TAG}{_name}", re.compile(f"^(?:{_pattern})$"), _first)
_Loader.add_constructor(f"{_TAG}timestamp", _Loader.construct_timestamp_text)


def load_yaml(text: str) -> Any:
    """The text's value.

    Raises:
        yaml.YAMLError: it is none, a mapping has a key twice, or it is nested too deep.

    >>> load_yaml("{local: off, enabled: true, 1: 0.5, length: 1:30}")
    {'local': 'off', 'enabled': True, 1: 0.5, 'length': '1:30'}
    """
    try:
        return yaml.load(text, _Loader)
    except RecursionError as error:
        raise yaml.YAMLError("it is nested too deep") from error

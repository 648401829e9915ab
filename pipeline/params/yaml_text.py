"""YAML read as DVC reads and writes it, which is YAML 1.2: `off` is a word there, not a no.

`dvc exp run --set-param` writes the whole of `params.yaml` anew, and `dvc.lock` holds its values:
both without the quotes that a word like `off` needs elsewhere.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

_BOOL = "tag:yaml.org,2002:bool"


class _Loader(yaml.SafeLoader):
    """PyYAML's, of YAML 1.1, without its other words for true and false."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _BOOL]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_BOOL, re.compile("^(?:true|True|TRUE|false|False|FALSE)$"), "tTfF")


def load_yaml(text: str) -> Any:
    """The text's value.

    Raises:
        yaml.YAMLError: it is none.

    >>> load_yaml("{local: off, enabled: true, 1: 0.5}")
    {'local': 'off', 'enabled': True, 1: 0.5}
    """
    return yaml.load(text, _Loader)

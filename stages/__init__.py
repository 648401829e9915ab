"""One module per DVC stage, run as `python -m stages.NAME`. Stages never import each other."""

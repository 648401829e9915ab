"""`backdrop ablate`: the paper's ablations as DVC experiments, and their results as a table."""

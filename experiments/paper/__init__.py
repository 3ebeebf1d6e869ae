"""VISTA on the models and sets of its paper, one file a model: the command, what it takes, and what the paper has."""

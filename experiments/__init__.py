"""Longer measurements that docs/ tells of: each script runs alone as `python -m experiments.NAME`."""

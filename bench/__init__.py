"""Side-by-side measurements: each script runs alone as `python -m bench.NAME`, `--json` prints one object."""

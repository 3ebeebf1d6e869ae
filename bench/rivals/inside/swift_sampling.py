"""Runs in ms-swift's environment: `swift sample`, with the tiny model's template and type made known."""

from __future__ import annotations

import json
import os
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from loose import answer


def work(asked: dict[str, Any]) -> dict[str, Any]:
    """Return the attempts at each task in turn, and the seconds of the sampling alone."""
    os.environ["ROOT_IMAGE_DIR"] = str(Path(asked["file"]).parent)
    import swift_tiny
    from swift.pipelines.sampling.sampling import sampling_main  # pyright: ignore[reportMissingImports]
    from swift.pipelines.sampling.vanilla_sampler import VanillaSampler  # pyright: ignore[reportMissingImports]

    swift_tiny.register()
    spent = {"cpu": 0.0, "wall": 0.0}
    generate = VanillaSampler.generate

    def timed(*given: Any, **named: Any) -> Any:
        cpu, wall = process_time(), perf_counter()
        try:
            return generate(*given, **named)
        finally:
            spent["cpu"] += process_time() - cpu
            spent["wall"] += perf_counter() - wall

    VanillaSampler.generate = timed
    out = Path("sampled").resolve()
    settings: dict[str, Any] = {
        "model": asked["model"],
        "model_type": swift_tiny.NAME,
        "template": swift_tiny.NAME,
        "dataset": asked["file"],
        "load_from_cache_file": False,
        "dataset_shuffle": False,
        "sampler_type": "sample",
        "sampler_engine": "transformers",
        "num_return_sequences": asked["attempts"],
        "num_sampling_batch_size": asked["tasks"],
        "max_new_tokens": asked["max_tokens"],
        "temperature": 1.0,
        "top_p": 1.0,
        "top_k": 0,
        "torch_dtype": "float32",
        "device_map": "cpu",
        "engine_kwargs": json.dumps({"max_batch_size": asked["batch"]}),
        "output_dir": str(out),
        "output_file": "attempts.jsonl",
    }
    sampling_main([word for name, value in settings.items() for word in (f"--{name}", str(value))])
    rows = [json.loads(row) for row in (out / "attempts.jsonl").read_text("utf-8").splitlines()]
    return {"texts": [row["messages"][-1]["content"] for row in rows], **spent}


if __name__ == "__main__":
    answer(work)

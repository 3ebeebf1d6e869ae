"""Runs in LLaMA-Factory's environment: its batch inference, `do_predict` with `predict_with_generate`."""

from __future__ import annotations

import json
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from loose import answer


def work(asked: dict[str, Any]) -> dict[str, Any]:
    """Return each row's attempt, and the seconds of the sampling alone."""
    import llamafactory_template
    from llamafactory.train.sft.trainer import CustomSeq2SeqTrainer  # pyright: ignore[reportMissingImports]
    from llamafactory.train.tuner import run_exp  # pyright: ignore[reportMissingImports]

    llamafactory_template.register()
    spent: dict[str, float] = {}
    predict = CustomSeq2SeqTrainer.predict

    def timed(*given: Any, **named: Any) -> Any:
        cpu, wall = process_time(), perf_counter()
        try:
            return predict(*given, **named)
        finally:
            spent.update(cpu=process_time() - cpu, wall=perf_counter() - wall)

    CustomSeq2SeqTrainer.predict = timed
    out = Path("predicted").resolve()
    run_exp(
        {
            "stage": "sft",
            "do_predict": True,
            "predict_with_generate": True,
            "finetuning_type": "full",
            "model_name_or_path": asked["model"],
            "template": llamafactory_template.NAME,
            "dataset_dir": asked["tasks"],
            "eval_dataset": asked["dataset"],
            "cutoff_len": 1024,
            "per_device_eval_batch_size": asked["batch"],
            "do_sample": True,
            "temperature": 1.0,
            "top_p": 1.0,
            "top_k": 0,
            "max_new_tokens": asked["max_tokens"],
            "use_cpu": True,
            "bf16": False,
            "report_to": "none",
            "overwrite_cache": True,
            "output_dir": str(out),
        }
    )
    rows = (out / "generated_predictions.jsonl").read_text("utf-8").splitlines()
    return {"texts": [json.loads(row)["predict"] for row in rows], **spent}


if __name__ == "__main__":
    answer(work)

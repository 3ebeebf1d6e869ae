"""From a model's folder to its parts: configuration, tokenizer, image processor, chat template, weights.

The parts are loaded one by one, not as the library's processor: one with a video part needs torchvision.
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoTokenizer,
)
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
)

from ..errors import ModelError
from ..progress import say
from .families import Parts
from .settings import Loading

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
ADAPTER = "adapter_model.safetensors"


def parts(folder: Path, settings: Loading) -> Parts:
    """Load all but the weights."""
    trust = settings.trust_remote_code
    config = AutoConfig.from_pretrained(folder, trust_remote_code=trust)
    seeing = sees(config)
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=trust)
    images = AutoImageProcessor.from_pretrained(folder, trust_remote_code=trust) if seeing else None
    return Parts(folder, config, tokenizer, images, trust, settings.max_side or None)


def sees(config: Any) -> bool:
    """Whether a model takes images; raises ModelError for one that writes no text at all."""
    own_code = getattr(config, "auto_map", None) or {}
    if config.model_type in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES or "AutoModelForImageTextToText" in own_code:
        return True
    if config.model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES or "AutoModelForCausalLM" in own_code:
        return False
    raise ModelError(f"models of type {config.model_type!r} are neither image-text-to-text nor causal language models")


def chat_template(folder: Path) -> str | None:
    """Return the template in a folder's own file; None where it comes with the tokenizer."""
    plain = folder / "chat_template.jinja"
    if plain.exists():
        return plain.read_text(encoding="utf-8")
    for name in ("chat_template.json", "processor_config.json"):
        file = folder / name
        found = json.loads(file.read_text(encoding="utf-8")).get("chat_template") if file.exists() else None
        if isinstance(found, str):
            return found
    return None


def weights(folder: Path, config: Any, settings: Loading, adapter: Path | None) -> Any:
    """Load a network ready to answer, its adapter merged in; weights that are not safetensors are refused."""
    cuda = torch.cuda.is_available()
    device = torch.device(settings.device or ("cuda" if cuda else "cpu"))
    dtype = DTYPES.get(settings.dtype) or (torch.float32 if device.type == "cpu" else torch.bfloat16)
    options: dict[str, Any] = {
        "dtype": dtype,
        "use_safetensors": True,
        "trust_remote_code": settings.trust_remote_code,
    }
    if settings.quantize:
        options["quantization_config"] = _quantized(settings, dtype, device)
        options["device_map"] = settings.device_map or {"": device}
    elif settings.device_map:
        options["device_map"] = settings.device_map
    net = _net(folder, config, settings, options)
    if "device_map" not in options:
        net.to(device)
    if adapter is not None:
        net = _merged(net, adapter)
    return net.eval()


def _net(folder: Path, config: Any, settings: Loading, options: dict[str, Any]) -> Any:
    kind = AutoModelForImageTextToText if sees(config) else AutoModelForCausalLM
    wanted = "sdpa" if settings.attention == "auto" else settings.attention
    try:
        return kind.from_pretrained(folder, attn_implementation=wanted, **options)
    except (ValueError, ImportError) as error:
        about_kernel = any(word in str(error).lower() for word in ("attn_implementation", "attention", wanted))
        if not about_kernel:
            raise
        if settings.attention != "auto":
            raise ModelError(f"{folder} does not run with attention {wanted!r}: {error}") from error
        say(f"  {folder.name}: no sdpa attention for this model; eager is used, which takes more memory")
        return kind.from_pretrained(folder, attn_implementation="eager", **options)


def _quantized(settings: Loading, dtype: torch.dtype, device: torch.device) -> Any:
    """Return how weights are to be rounded; raises ModelError where that cannot be done."""
    if find_spec("bitsandbytes") is None or device.type != "cuda":
        raise ModelError(
            f"quantize {settings.quantize!r} needs a CUDA device and bitsandbytes (pip install 'sharpen[quantize]'); "
            "leave it out, or load with a smaller dtype"
        )
    from transformers import BitsAndBytesConfig

    if settings.quantize == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",  # arXiv 2305.14314 §3
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )


def _merged(net: Any, adapter: Path) -> Any:
    """Add an adapter's weights to the network's own."""
    from peft import PeftModel

    return PeftModel.from_pretrained(net, adapter).merge_and_unload()


def base_of(adapter: Path) -> tuple[str, str]:
    """Return name and revision of the model that an adapter was made for; raises ModelError without safetensors."""
    if not (adapter / ADAPTER).exists():
        raise ModelError(f"the adapter {adapter} holds no {ADAPTER}; save it with safetensors")
    said = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    name = said.get("base_model_name_or_path")
    if not name:
        raise ModelError(
            f"the adapter {adapter} does not name its base model; add base_model_name_or_path to its config"
        )
    return str(name), str(said.get("revision") or "")

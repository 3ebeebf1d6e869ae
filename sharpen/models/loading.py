"""From a model's folder to its parts: configuration, tokenizer, image processor, chat template, weights.

The parts are loaded one by one, not as the library's processor: one with a video part needs torchvision.
"""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from ..train.record import DONE
from .families import Parts
from .settings import Dtype, Loading

if TYPE_CHECKING:
    from .hf import HF

BESIDE = {".json", ".jinja", ".model", ".txt"}
"""What a folder has beside weights."""
SPEECH = {
    *("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "special_tokens_map.json", "added_tokens.json"),
    *("vocab.json", "vocab.txt", "merges.txt", "chat_template.jinja", "chat_template.json"),
}
"""What belongs to a tokenizer and its template, which an adapter's folder may bring."""
DTYPES: dict[Dtype, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def parts(folder: Path, settings: Loading, spoken: Path) -> Parts:
    """Load all but the weights, the tokenizer from the folder that has the right one."""
    trust = settings.trust_remote_code
    config = AutoConfig.from_pretrained(folder, trust_remote_code=trust)
    seeing = sees(config)
    tokenizer = AutoTokenizer.from_pretrained(spoken, trust_remote_code=trust)
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


def chat_template(folder: Path, spoken: Path, tokenizer: Any) -> str | None:
    """Return the template in a file of its own, of an adapter or else of the model; None for the tokenizer's."""
    own = _template(spoken)
    return own if own is not None or tokenizer.chat_template else _template(folder)


def _template(folder: Path) -> str | None:
    plain = folder / "chat_template.jinja"
    if plain.exists():
        return plain.read_text(encoding="utf-8")
    for name in ("chat_template.json", "processor_config.json"):
        file = folder / name
        found = json.loads(file.read_text(encoding="utf-8")).get("chat_template") if file.exists() else None
        if isinstance(found, str):
            return found
    return None


def weights(folder: Path, config: Any, settings: Loading, adapters: Sequence[Path] = ()) -> Any:
    """Load a network ready to answer, adapters merged in, in order; weights that are not safetensors are refused."""
    require_safetensors(folder)
    if settings.quantize and adapters:
        raise ModelError(
            f"the adapter {adapters[-1]} cannot be merged into weights rounded to {settings.quantize}; write the whole "
            f"model first: sharpen merge {adapters[-1]} --out DIR, and give DIR as the model"
        )
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
    rounded = getattr(net, "is_quantized", False)  # also where the folder's own weights are
    if rounded and adapters:
        raise ModelError(
            f"the adapter {adapters[-1]} cannot be merged into the rounded weights in {folder}; name the model that "
            "they were rounded from as base_model_name_or_path in its adapter_config.json"
        )
    if "device_map" not in options and not rounded:
        net.to(device)
    for module in net.modules() if rounded else ():
        # On some CPUs these layers would repack themselves for a kernel of half precision and without gradients.
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    for adapter in adapters:
        net = adapted(net, adapter).merge_and_unload()
    return net.eval()


def require_safetensors(folder: Path) -> None:
    """Raise ModelError for a folder whose weights are in another form, or not there."""
    if any(folder.glob("*.safetensors")):
        return
    pickled = sorted(file.name for kind in ("*.bin", "*.pt", "*.pth", "*.ckpt") for file in folder.glob(kind))
    held = f"only {', '.join(pickled)}, which can run code when it is read" if pickled else "no weights"
    raise ModelError(f"{folder} holds {held}; give a model whose weights are *.safetensors")


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
    if find_spec("bitsandbytes") is None:
        raise ModelError(
            f"quantize {settings.quantize!r} needs bitsandbytes: pip install 'sharpen[quantize]', or leave it out"
        )
    from transformers import BitsAndBytesConfig

    if settings.quantize == "8bit":
        if device.type != "cuda":  # elsewhere it computes in half precision and warns with every layer
            raise ModelError(f"quantize '8bit' needs a CUDA device, not {device}; take '4bit', or leave it out")
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",  # arXiv 2305.14314 §3
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )


def adapted(net: Any, adapter: Path) -> Any:
    """Put an adapter beside a network's weights, in the layers of the network itself, and return peft's view of it.

    Raises ModelError where parts of the adapter find no place.
    """
    from peft import PeftModel

    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Found missing adapter keys")
        try:
            return PeftModel.from_pretrained(net, adapter).eval()
        except UserWarning as lost:
            raise ModelError(
                f"the adapter {adapter} does not fit {net.name_or_path}: its tensors have other names than the layers "
                "that its configuration names, so some of them would change nothing; it was saved for another model, "
                "or with versions of peft and transformers that name layers otherwise"
            ) from lost


def stored(folder: Path, settings: Loading) -> Dtype:
    """Return the number format of a model's files, single precision where its configuration names none."""
    config = AutoConfig.from_pretrained(folder, trust_remote_code=settings.trust_remote_code)
    said = getattr(config, "dtype", None) or getattr(config.get_text_config(), "dtype", None)
    known: list[Dtype] = [name for name, dtype in DTYPES.items() if dtype == said]
    return known[0] if known else "float32"


def speech(folder: Path, adapters: Sequence[Path]) -> Path:
    """Return whose tokenizer and chat template are used: the uppermost adapter's that has them, else the model's."""
    return next((a for a in reversed(adapters) if (a / "tokenizer_config.json").exists()), folder)


def write_whole(net: Any, start: HF, folder: Path) -> None:
    """Write a network's weights and, beside them, what else a model has: tokenizer, template, processor, settings.

    Code of its folder comes along only where it may run.
    """
    net.save_pretrained(folder)
    kinds = BESIDE | ({".py"} if start.loading.trust_remote_code else set())
    spoken = (file for file in start.speech.iterdir() if file.name in SPEECH)
    for file in (*spoken, *start.folder.iterdir()):
        of_weights = file.name == DONE or file.name.endswith((".safetensors.index.json", ".bin.index.json"))
        if file.suffix in kinds and not of_weights and not (folder / file.name).exists():
            shutil.copy(file, folder / file.name)

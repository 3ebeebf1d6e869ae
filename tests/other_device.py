"""A second device made of Python, to try without a GPU what would fail on one: tensors of two devices in one operation.

Its tensors hold one on the CPU, on which every operation runs; before that it is asked whether CUDA would take those
tensors together, and DeviceError is raised where it would not. Views share what they hold, as on any device.
Importing this gives torch a backend for good, so it belongs into a process of its own. There are `other:0` and
`other:1`; gradients need the first, as torch counts one device where a backend is made of Python.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

NAME = "other"
CPU = torch.device("cpu")
aten = torch.ops.aten

CROSSING = {"_to_copy", "copy_", "copy", "_copy_from", "set_"}
"""What carries tensors from one device to another."""
INDEXING = {"index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index", "_unsafe_index_put"}
"""What takes its indices from the CPU as well."""
STRICT = {
    *("cat", "stack", "embedding", "embedding_dense_backward", "gather", "gather_backward", "index_select", "take"),
    *("index_add", "index_add_", "index_copy", "index_copy_", "index_fill", "index_fill_", "masked_scatter"),
    *("scatter", "scatter_", "scatter_add", "scatter_add_", "searchsorted", "bucketize", "native_layer_norm"),
}
"""What takes not even a number from another device, where elementwise operations do."""


class DeviceError(RuntimeError):
    """What CUDA would refuse."""


class Module(backend_registration._DummyBackendModule):
    """What torch asks a backend's module."""

    def device_count(self) -> int:
        return 2

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16]


backend_registration._setup_privateuseone_for_python_backend(NAME, Module())


class There(torch.Tensor):
    """A tensor on the other device."""

    inner: torch.Tensor

    @staticmethod
    def __new__(cls, inner: torch.Tensor, device: torch.device) -> There:
        shape = {"strides": inner.stride(), "storage_offset": inner.storage_offset(), "dtype": inner.dtype}
        with torch.inference_mode(False):  # a view made inside of what was made outside would have no version
            made = torch.Tensor._make_wrapper_subclass(cls, inner.shape, device=device, **shape)
        made.inner = inner
        return made

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})

    def storage(self) -> Any:
        return self.inner.storage()

    def untyped_storage(self) -> torch.UntypedStorage:
        return self.inner.untyped_storage()

    def data_ptr(self) -> int:
        return self.inner.data_ptr()

    def tolist(self) -> Any:
        return self.inner.tolist()

    def __repr__(self) -> str:
        return f"{self.inner!r} on {self.device}"


class Devices(TorchDispatchMode):
    """Inside, tensors can be made on the other device and brought there."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


def _run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Run an operation on what its tensors hold, and put the results where they belong."""
    if torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd"):
        with Devices():  # in inference mode an operation comes before it is taken apart
            return func.decompose(*args, **kwargs)
    given = [t for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
    wanted = kwargs.get("device")
    if wanted is not None:
        kwargs = {**kwargs, "device": CPU}
        target = torch.device(wanted)
        target = torch.device(NAME, 0) if target.type == NAME and target.index is None else target
    else:
        target = _common(func, args, given)
    held = {id(t.inner): t for t in given if isinstance(t, There)}
    found = func(*tree_map_only(There, _inner, args), **tree_map_only(There, _inner, kwargs))
    if target == CPU:
        return found
    # What an operation in place returns is the tensor that it was given.
    return tree_map_only(torch.Tensor, lambda t: held[id(t)] if id(t) in held else There(t, target), found)


def _inner(tensor: There) -> torch.Tensor:
    return tensor.inner


def _common(func: Any, args: Any, given: list[torch.Tensor]) -> torch.device:
    """Return the device of the result; raise DeviceError where CUDA would not take the tensors together."""
    name = func._schema.name.partition("::")[2]
    if name in CROSSING:
        return args[0].device
    if name in INDEXING:
        own, indices, *values = args
        indices = [i for i in indices if i is not None and i.device != CPU]
        given = [own, *indices, *(v for v in values if isinstance(v, torch.Tensor))]
        numbers = [t for t in given[1 + len(indices) :] if not t.ndim]
    else:
        numbers = [] if name in STRICT else [t for t in given if not t.ndim]
    free = {id(t) for t in numbers if t.device == CPU}
    devices = {t.device for t in given if id(t) not in free}
    if len(devices) > 1:
        shapes = ", ".join(f"{tuple(t.shape)} on {t.device}" for t in given)
        raise DeviceError(f"{func} of tensors on different devices: {shapes}")
    return devices.pop() if devices else CPU


def _register() -> list[torch.library.Library]:
    """Serve what torch makes behind the mode's back, such as a tensor of a list; let autocast cast nothing."""
    library, whole = torch.library.Library("aten", "IMPL"), torch.library.Library("_", "IMPL")
    make, copy = aten.empty_strided.default, aten.copy_.default
    library.impl("empty_strided", lambda *args, **kwargs: _run(make, args, kwargs), "PrivateUse1")
    library.impl("empty.memory_format", lambda *a, **kwargs: _run(aten.empty.memory_format, a, kwargs), "PrivateUse1")
    library.impl("_copy_from", lambda source, target, *_: _run(copy, (target, source), {}), "PrivateUse1")
    whole.fallback(torch.library.fallthrough_kernel, "AutocastPrivateUse1")
    return [library, whole]


_libraries = _register()  # they end with their last reference

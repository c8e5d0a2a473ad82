"""Runs in the training process: writes down who calls CUDA, by file and line.

Only calls that stand in the trees count, not those that torch makes itself.
"""

import functools
import os
import sys
import types

_ROOT = os.environ["PORTER_AUDIT_ROOT"] + os.sep
_SEEN = set()


def _note(what: str) -> None:
    frame = sys._getframe(2)
    place = (frame.f_code.co_filename, frame.f_lineno)
    if place[0].startswith(_ROOT) and (place, what) not in _SEEN:
        _SEEN.add((place, what))
        with open(os.environ["PORTER_AUDIT_TRACE"], "a") as out:  # noqa: PTH123
            out.write(f"{place[0][len(_ROOT) :]}\t{place[1]}\t{what}\n")


def _noted(function, what):
    @functools.wraps(function)
    def call(*given, **named):
        _note(what)
        return function(*given, **named)

    return call


def record() -> None:
    import torch

    for module, prefix in ((torch.cuda, "torch.cuda"), (torch.cuda.amp, "torch.cuda.amp")):
        for name, value in list(vars(module).items()):
            if not name.startswith("_") and isinstance(value, types.FunctionType):
                setattr(module, name, _noted(value, f"{prefix}.{name}"))
    # Upstream asks by a function of its own; it is put in place before anybody imports it.
    import mmengine.device
    from mmengine.device import utils

    for module in (mmengine.device, utils):
        asked = _noted(module.is_cuda_available, "mmengine.device.is_cuda_available")
        module.is_cuda_available = asked
    torch.Tensor.cuda = _noted(torch.Tensor.cuda, "Tensor.cuda")
    torch.nn.Module.cuda = _noted(torch.nn.Module.cuda, "Module.cuda")
    plain = torch._C.TensorBase.is_cuda

    def is_cuda(self):
        _note("Tensor.is_cuda")
        return plain.__get__(self)

    torch.Tensor.is_cuda = property(is_cuda)
    switches = type(torch.backends.cudnn)
    put = switches.__setattr__

    def note_switch(self, name, value):
        _note(f"torch.backends.cudnn.{name}")
        put(self, name, value)

    switches.__setattr__ = note_switch


record()

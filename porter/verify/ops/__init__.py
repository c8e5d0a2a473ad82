"""mmcv's CPU operators as ``mmcv._ext``: compiled in a few units, once, and kept."""

from porter.verify.ops.build import build_ops
from porter.verify.ops.recipe import Toolchain

__all__ = ["Toolchain", "build_ops"]

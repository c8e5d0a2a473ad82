"""The two kinds of ``$`` names in a rule: ``$UPPER`` from the code, ``$lower`` from the target.

``$lower`` may be written ``${lower}`` where a letter follows. In text that is not Python
(shell, C++) only the braced form counts, so that a shell's own ``$1`` and ``$PORT`` stay.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

#: What a rule may ask of a target, and what each name stands for.
TARGET_VARIABLES: Mapping[str, str] = {
    "name": "the target's name",
    "device": "the torch.device type, such as `sdaa`",
    "device_upper": "the device type in capitals",
    "plugin": "the plugin module, such as `torch_sdaa`",
    "backend": "the torch.distributed backend, such as `tccl`",
    "visible_devices": "the environment variable that selects devices",
    "amp_module": "the module that has `GradScaler` for the device",
    "vendor": "the vendor's name",
}

_LOWER = re.compile(r"\$\{([a-z][a-z0-9_]*)\}|(?<!\$)\$([a-z][a-z0-9_]*)")
_LOWER_BRACED = re.compile(r"\$\{([a-z][a-z0-9_]*)\}")
_UPPER = re.compile(r"(\$\$\$|\$)([A-Z][A-Z0-9_]*)")


def target_names(text: str) -> set[str]:
    """The ``$lower`` names in code."""
    return {braced or bare for braced, bare in _LOWER.findall(text)}


def metavariables(text: str) -> set[str]:
    """The ``$UPPER`` names in code, ``$$$`` ones included, without their dollars."""
    return {name for _, name in _UPPER.findall(text)}


def bind(code: str, values: Mapping[str, str]) -> str:
    """Fill the ``$lower`` names of code; ``$UPPER`` ones stay."""
    return _LOWER.sub(lambda found: values[found[1] or found[2]], code)


def bind_text(text: str, values: Mapping[str, str]) -> str:
    """Fill the ``${lower}`` names of text that are the target's; all else stays."""
    return _LOWER_BRACED.sub(lambda found: values.get(found[1], found[0]), text)

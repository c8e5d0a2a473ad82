"""What a Python has for training, as one JSON document on standard output.

    PYTHON porter/training/probe.py [--plugin torch_sdaa] [--device sdaa] [--import]

It imports torch and the plugin, and looks for the other modules without importing them; with
``--import`` it imports those too. Whatever cannot be imported is in the document with its
reason. It needs the standard library alone, and runs on Python 3.8.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import importlib.util
import json
import os
import sys
import sysconfig
from pathlib import Path
from typing import Any

#: What a run may need beside torch: module -> the distributions that it may come from.
MODULES = {
    "numpy": ["numpy"],
    "cv2": [
        "opencv-python-headless",
        "opencv-python",
        "opencv-contrib-python-headless",
        "opencv-contrib-python",
    ],
    "pycocotools": ["pycocotools"],
    "addict": ["addict"],
    "yapf": ["yapf"],
    "yaml": ["PyYAML"],
    "termcolor": ["termcolor"],
    "terminaltables": ["terminaltables"],
    "shapely": ["shapely"],
    "scipy": ["scipy"],
    "matplotlib": ["matplotlib"],
    "rich": ["rich"],
    "platformdirs": ["platformdirs"],
    "packaging": ["packaging"],
    "filelock": ["filelock"],
    "tomli": ["tomli"],
    "PIL": ["pillow"],
    "onnx": ["onnx"],
    "onnxruntime": ["onnxruntime"],
}

#: Looked for and never imported: a run brings its own trees.
INSTALLED = {
    "mmengine": ["mmengine", "mmengine-lite"],
    "mmcv": ["mmcv", "mmcv-lite", "mmcv-full"],
    "mmdet": ["mmdet"],
}


def main(arguments: list[str]) -> int:
    """Print the document; whatever the imports print goes to standard error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plugin", default="", help="module that makes the device known")
    parser.add_argument("--device", default="", help="type of torch.device to look for")
    parser.add_argument("--import", dest="imports", action="store_true", help="import the modules")
    chosen = parser.parse_args(arguments)
    channel = os.dup(1)
    os.dup2(2, 1)  # a plugin may print a banner, from C too
    document = survey(chosen.plugin, chosen.device, chosen.imports)
    with os.fdopen(channel, "w", encoding="utf-8") as stream:
        json.dump(document, stream)
    return 0


def survey(plugin: str, device: str, imports: bool) -> dict[str, Any]:
    """All that there is to know, as plain data."""
    return {
        "executable": sys.executable,
        "python": "{}.{}.{}".format(*sys.version_info[:3]),
        "python_include": sysconfig.get_paths()["include"],
        "ext_suffix": sysconfig.get_config_var("EXT_SUFFIX") or "",
        "cores": cores(),
        "torch": torch_facts(),
        "chip": chip_facts(plugin, device),
        "modules": {
            **{name: module_facts(name, known, imports) for name, known in MODULES.items()},
            **{name: module_facts(name, known, False) for name, known in INSTALLED.items()},
        },
    }


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def torch_facts() -> dict[str, Any]:
    """Which torch there is; ``problem`` says why there is none."""
    facts = {"version": "", "folder": "", "cxx11_abi": True, "threads": 0, "cuda": False}
    try:
        import torch

        facts["version"] = str(torch.__version__)
        facts["folder"] = str(Path(torch.__file__).absolute().parent)
        facts["cxx11_abi"] = bool(torch.compiled_with_cxx11_abi())
        facts["threads"] = torch.get_num_threads()
        facts["cuda"] = bool(torch.cuda.is_available())
    except (Exception, SystemExit) as problem:
        return {**facts, "problem": told(problem)}
    return {**facts, "problem": ""}


def chip_facts(plugin: str, device: str) -> dict[str, Any]:
    """Whether the device is there, asked as a training would."""
    facts: dict[str, Any] = {"plugin_version": "", "available": False, "count": 0, "name": ""}
    try:
        if plugin:
            importlib.import_module(plugin)
            facts["plugin_version"] = version_of(plugin, [plugin])
        if device:
            facts.update(device_facts(device))
    except (Exception, SystemExit) as problem:
        return {**facts, "problem": told(problem)}
    return {**facts, "problem": ""}


def device_facts(device: str) -> dict[str, Any]:
    """What ``torch.<device>`` answers; its name is a thing that some plugins cannot tell."""
    import torch

    module = getattr(torch, device)
    available = bool(module.is_available())
    count = int(module.device_count()) if available else 0
    try:
        name = str(module.get_device_name(0)) if available else ""
    except Exception as problem:
        name = f"unnamed ({told(problem)})"
    return {"available": available, "count": count, "name": name}


def module_facts(name: str, distributions: list[str], imports: bool) -> dict[str, Any]:
    """Version and folder of a module, or why it cannot be imported."""
    facts = {"version": "", "folder": ""}
    try:
        spec = importlib.util.find_spec(name)
        if spec is None:
            return {**facts, "problem": "not installed"}
        facts["folder"] = folder_of(spec)
        facts["version"] = version_of(name, distributions)
        if imports:
            importlib.import_module(name)
    except (Exception, SystemExit) as problem:
        return {**facts, "problem": told(problem)}
    return {**facts, "problem": ""}


def folder_of(spec: Any) -> str:
    """The folder that a module was found in."""
    places = list(spec.submodule_search_locations or [])
    return places[0] if places else str(Path(spec.origin or "").parent)


def version_of(name: str, distributions: list[str]) -> str:
    """The version of whichever distribution the module is from; else what it says itself."""
    for distribution in distributions:
        try:
            return importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    return str(getattr(sys.modules.get(name), "__version__", ""))


def told(problem: BaseException) -> str:
    """An error in words: its class, and all that it says."""
    return f"{type(problem).__name__}: {problem}"


if __name__ == "__main__":
    # This folder is on the path as the script's; its modules must not hide others.
    here = Path(__file__).absolute().parent
    sys.path[:] = [place for place in sys.path if Path(place).absolute() != here]
    sys.exit(main(sys.argv[1:]))

"""What a ported mmengine does when it runs: without the plugin as upstream, with it on the chip.

The chip is a stand-in that writes down who calls it (``plugin/torch_sdaa``). Questions are
asked by ``mmengine_probe.py`` in a Python that has torch and what mmengine needs: this one, or
the one that ``PORTER_TORCH_PYTHON`` names.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from porter.plan import Tree, make_plan
from porter.plan.splice import splice
from porter.source import fetch
from porter.source.cache import Cache
from porter.source.pins import known_pin
from tests.helpers import all_rules, all_targets

pytestmark = [pytest.mark.torch, pytest.mark.upstream, pytest.mark.slow]

HERE = Path(__file__).parent
NEEDS = "torch, addict, cv2, rich, termcolor, yaml, yapf"
Answers = Mapping[str, Any]


@pytest.fixture(scope="module")
def torch_python() -> str:
    """A Python that can run mmengine."""
    python = os.environ.get("PORTER_TORCH_PYTHON") or sys.executable
    if subprocess.run([python, "-c", f"import {NEEDS}"], capture_output=True).returncode:
        pytest.skip(f"{python} lacks one of {NEEDS}; PORTER_TORCH_PYTHON may name another")
    return python


@pytest.fixture(scope="module")
def pristine(upstream_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """mmengine 0.10.5 as upstream released it."""
    tree = fetch([known_pin("mmengine", "0.10.5")], Cache(upstream_cache))[0]
    return written(tree, {}, tmp_path_factory.mktemp("upstream"))


@pytest.fixture(scope="module")
def ported(upstream_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """mmengine 0.10.5 ported to SDAA."""
    tree = fetch([known_pin("mmengine", "0.10.5")], Cache(upstream_cache))[0]
    rules = [rule for rule in all_rules() if rule.packages == ("mmengine",)]
    plan = make_plan(rules, all_targets()["sdaa"], {"mmengine": tree})
    changed = {
        path: splice(tree.read(path), [edit for edit in plan.edits if edit.path == path])
        for path in {edit.path for edit in plan.edits}
    }
    return written(tree, changed, tmp_path_factory.mktemp("ported"))


def written(tree: Tree, changed: Mapping[str, bytes], folder: Path) -> Path:
    """A folder with a tree's package in it."""
    for path in tree.paths():
        if path.startswith("mmengine/"):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(changed.get(path) or tree.read(path))
    return folder


def asked(python: str, where: str, *paths: Path) -> Answers:
    """The probe's answers, with some folders on the path."""
    environment = {
        **{name: value for name, value in os.environ.items() if "VISIBLE_DEVICES" not in name},
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "PYTHONWARNINGS": "ignore",
    }
    command = [python, str(HERE / "mmengine_probe.py"), where]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    answers: Answers = json.loads(done.stdout.splitlines()[-1])
    return answers


@pytest.fixture(scope="module")
def upstream_plain(torch_python: str, pristine: Path) -> Answers:
    return asked(torch_python, "plain", pristine)


@pytest.fixture(scope="module")
def ported_plain(torch_python: str, ported: Path) -> Answers:
    return asked(torch_python, "plain", ported)


@pytest.fixture(scope="module")
def ported_chip(torch_python: str, ported: Path) -> Answers:
    return asked(torch_python, "chip", ported, HERE / "plugin")


AS_UPSTREAM = (
    "device",
    "random_numbers",
    "indexed",
    "autocast_on_cpu",
    "amp_without_an_accelerator",
    "launched_by_pytorch",
    "launched_by_mpi",
    "launched_by_slurm_without_a_device",
    "collectives_over_gloo",
    "logged_memory",
    "device_ids",
)


@pytest.mark.parametrize("question", AS_UPSTREAM)
def test_without_the_plugin_it_does_what_upstream_does(
    question: str, upstream_plain: Answers, ported_plain: Answers
) -> None:
    assert ported_plain[question] == upstream_plain[question]


def test_without_the_plugin_it_has_every_name_that_upstream_has(
    upstream_plain: Answers, ported_plain: Answers
) -> None:
    added = {"is_sdaa_available", "get_max_sdaa_memory"}
    assert set(ported_plain["names"]) == set(upstream_plain["names"]) | added


#: What the port changes even where there is no chip, each for a reason that its rule gives.
MEANT = {
    "launched_on_cuda": [["nccl", "gloo", "nccl"], [1, 1, 1]],
    "environment": {"CUDA available": "False", "SDAA available": "False"},
    "loaded_checkpoint": 3,
    "methods_without_the_plugin": ["RuntimeError", "AttributeError"],
}


@pytest.mark.parametrize(("question", "answer"), MEANT.items(), ids=MEANT)
def test_without_the_plugin_it_changes_what_is_meant(
    question: str, answer: object, ported_plain: Answers
) -> None:
    assert ported_plain[question] == answer


ON_THE_CHIP = {
    "device": "sdaa",
    "seeded": True,
    "autocast_is_on": [True, "torch.float16"],
    "autocast_for_a_missing_dtype": "RuntimeError",
    "grad_scaler": ["torch_sdaa.amp", True, 512.0],
    "sharded_grad_scaler": ["ShardedGradScaler", True, "sdaa"],
    "sharded_grad_scaler_that_cannot_be_told_the_device": 2.0,
    "launched_by_pytorch": "tccl",
    "launched_by_mpi": "tccl",
    "launched_by_slurm_with_local_id": "tccl",
    "launched_by_slurm_without_local_id": ["tccl", [[2]]],
    "bound_by_each_launcher": [[1], [1], [1]],
    "launched_with_other_backends": ["gloo", "tccl"],
    "launched_through_deepspeed": "tccl",
    "communicates_on": ["sdaa:2", "cpu"],
    "collectives_over_gloo": [[{"b": 2}], [{"a": 1}], "cpu", "gloo"],
    "logged_memory": 5,
    "memory_reset": [[3]],
    "emptied_caches": 3,
    "waits": 4,
    "device_ids": [1, 6, 1, 1],
    "environment": {
        "CUDA available": "False",
        "SDAA available": "True",
        "GPU 0,1,2,3": "Tecorigin SDAA",
    },
    "loaded_checkpoint": 3,
    "model_method": ["sdaa:1", ["sdaa", "sdaa:1"]],
    "preprocessor_method": "sdaa:2",
    "data_element_method": [True, True],
}


@pytest.mark.parametrize(("question", "answer"), ON_THE_CHIP.items(), ids=ON_THE_CHIP)
def test_with_the_plugin_it_is_the_chip_that_is_asked(
    question: str, answer: object, ported_chip: Answers
) -> None:
    assert ported_chip[question] == answer


def test_indexes_from_the_cpu_work_on_the_chip_too(
    upstream_plain: Answers, ported_chip: Answers
) -> None:
    assert ported_chip["indexed"] == upstream_plain["indexed"]

"""What ported mmcv 1.2.7 and mmdet 2.10 do when they run: without the chip as upstream, with it on it.

The chip is simulated, with its backend. Questions are asked by ``legacy_probe.py`` in a Python of
their own; the mistakes of the hand ports of GFocalV2 and FSAF to NPU are named where a
question would find them.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from porter.plan import make_plan
from tests.helpers import all_rules, all_targets
from tests.ports.test_real_pins import ported, tree

pytestmark = [pytest.mark.torch, pytest.mark.upstream, pytest.mark.slow]

HERE = Path(__file__).parent
VERSIONS = {"mmcv": "1.2.7", "mmdet": "2.10.0"}
Answers = Mapping[str, Any]


@pytest.fixture(scope="module")
def legacy(upstream_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both packages, ported to the NPU."""
    trees = {name: tree(name, version, upstream_cache) for name, version in VERSIONS.items()}
    plan = make_plan(all_rules(), all_targets()["npu"], trees)
    folder = tmp_path_factory.mktemp("legacy")
    for package, files in ported(plan, trees).items():
        for path in files.paths():
            if path.startswith(f"{package}/"):
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(files.read(path))
    return folder


def started(legacy: Path, where: str, **environment: str) -> subprocess.Popen[str]:
    variables = {
        **{name: value for name, value in os.environ.items() if "VISIBLE_DEVICES" not in name},
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([str(legacy), str(HERE.parents[1])]),
        "PYTHONWARNINGS": "ignore",
        **environment,
    }
    command = [sys.executable, str(HERE / "legacy_probe.py"), where]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=variables, stdout=pipe, stderr=pipe, text=True, cwd=legacy)


def answers(process: subprocess.Popen[str]) -> Answers:
    out, problems = process.communicate(timeout=300)
    assert process.returncode == 0, problems
    found: Answers = json.loads(out.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def plain(legacy: Path) -> Answers:
    return answers(started(legacy, "plain"))


@pytest.fixture(scope="module")
def chip(legacy: Path) -> Answers:
    return answers(started(legacy, "npu"))


@pytest.fixture(scope="module")
def ranks(legacy: Path) -> list[Answers]:
    """Two processes that train together, as torchrun starts them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    together = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    processes = [
        started(legacy, "rank", RANK=str(rank), LOCAL_RANK=str(rank), **together)
        for rank in range(2)
    ]
    return [answers(process) for process in processes]


def on(device: str) -> dict[str, Any]:
    """All of a batch of three images on a device, and what is for the host as it was."""
    return {
        "img": [device, 3, 1, 2, 2],
        "gt_bboxes": [[device, n, 4] for n in range(3)],
        "gt_bboxes_ignore": [[device, 1, 4]] * 3,
        "img_metas": [{"id": n} for n in range(3)],
        "plain": [device, 3, 5],
    }


THERE = {"MASTER_ADDR": "10.0.0.5", "MASTER_PORT": "1234", "WORLD_SIZE": "16"}
FPS = "FPS: 8.000"  # two images a step, four steps a second

WITHOUT_THE_CHIP = {
    "scattered": {"train": on("cpu"), "val": on("cpu"), "test": ["cpu", 3, 1, 2, 2]},
    "launched_without_a_chip": ["gloo", "nccl", "nccl"],  # a ported config names hccl
    "environment": {"CUDA available": "False", "NPU available": "False"},
    "without_apex": [False, True],
    "mixed_precision": ["torch.float16"],  # upstream's own way
    "default_devices": ["cuda"],
    "sampled": [["cpu", "cpu"], [2, 2]],
}

ON_THE_CHIP = {
    # all of a batch, in train and val, and every image of a test batch (GF01, GF59, GF60, FS62)
    "scattered": {"train": on("npu"), "val": on("npu"), "test": ["npu", 3, 1, 2, 2]},
    "a_dataparallel_that_knows_cuda_alone": [[0], ["npu", 3, 1, 2, 2]],
    # an early stop counts what was made (GF16, GF17); too short an epoch claims nothing
    "throughput": [[9, FPS], [7, FPS], [16, FPS, FPS], [5]],
    "throughput_of_an_iteration_based_run": [FPS],
    "a_timer_of_the_configs_own": 2,  # ignored by GF14
    "seeded": [[7], [7]],
    "resumed": [["npu:0", "npu", "npu", True]] * 2,
    "logged_memory": [True, True],
    "emptied_caches": 3,
    "environment": {
        "CUDA available": "False",
        "NPU available": "True",
        "NPU devices": "8 x Huawei",
    },
    # world size, address, port and dist_params are the launcher's and the config's (GF08, GF71)
    "launched_by_pytorch": [[1], {"backend": "hccl", "timeout": 30, "world_size": 16}, THERE],
    "launched_by_mpi": [[3], {"backend": "hccl"}, THERE],
    "launched_by_slurm": [[3], {"backend": "hccl"}, THERE],
    "launched_with_other_backends": ["gloo", "hccl"],
    # apex is asked for, never demanded (GF09, GF11, FS24); what is clipped is stepped (GF11)
    "without_apex": [False, True],
    "an_installed_apex_that_is_not_asked_for": [],
    "fused_optimizers": [[True, True, True], ["NpuFusedAdam", "NpuFusedSGD"], []],
    # mmcv's own fp16 works (FS61b)
    "mixed_precision": ["torch.float32", "torch.float16", "torch.float32", 512.0, True, True],
    "mixed_precision_equals_full_precision": True,
    "an_overflow": [True, True],
    "a_resumed_scale": [65536.0, 64.0, "kept"],
    "trained_by_mmdet": ["npu:2", 2, True],  # the device's number is dropped by GF25
    "seeded_by_mmdet": [[11], [11]],
    "asked_for_mixed_precision": [
        ["Fp16OptimizerHook", "torch.float16"],
        ["Fp16OptimizerHook", "torch.float16"],
        ["Fp16OptimizerHook", "torch.float16"],
        ["ConfigDict", "torch.float32"],
        "a config may have `amp` o",
    ],
    "inferred": ["npu:0", [[[["npu", 2, 3, 4, 4]], [[{"id": 1}, {"id": 1}]]]], "cpu", "npu"],
    "default_devices": ["npu"],
    "sampled": [["npu", "npu"], [2, 2]],
    "batch_norm_under_norm_eval": [True, False, True],  # switched off by FS35 to FS37
    "waited_for_a_download": ["barrier", "read"],  # taken out by FS18
}


@pytest.mark.parametrize(("question", "answer"), WITHOUT_THE_CHIP.items(), ids=WITHOUT_THE_CHIP)
def test_without_the_chip_it_does_what_upstream_does(
    question: str, answer: object, plain: Answers
) -> None:
    assert plain[question] == answer


@pytest.mark.parametrize(("question", "answer"), ON_THE_CHIP.items(), ids=ON_THE_CHIP)
def test_with_the_chip_it_is_the_chip_that_works(
    question: str, answer: object, chip: Answers
) -> None:
    assert chip[question] == answer


def test_apex_scales_the_loss_and_its_master_gradients_are_clipped(chip: Answers) -> None:
    calls, clipped = chip["stepped_with_apex"]
    assert ["scale_loss"] in calls
    assert clipped


def test_apex_gets_the_bare_model_on_its_device_and_combine_grad_if_it_takes_it(
    chip: Answers,
) -> None:
    plain_apex, with_combined = chip["apex_in_its_turn"]
    first = [["float", "sigmoid"], ["initialize", "Model", "npu:0", "O2", 128.0]]
    steps = [["scale_loss"]] * 2
    assert plain_apex == [*first, *steps]
    assert with_combined == [*first, ["combine_grad", True], *steps]


@pytest.mark.parametrize("rank", range(2))
def test_two_ranks_train_together_over_the_chips_backend(rank: int, ranks: list[Answers]) -> None:
    found = ranks[rank]["together"]
    assert [found["backend"], found["device"], found["moved"]] == ["hccl", rank, rank]
    assert found["equal"], "both have the same weights"
    assert found["seen"] == on("npu")
    assert found["val"] == ["npu", 3, 1, 2, 2]
    assert found["test"] == ["npu", 2, 1, 2, 2]
    assert found["amp"] == [True, "torch.float16"]


def test_results_are_collected_over_a_library_that_refuses_uint8(ranks: list[Answers]) -> None:
    def result(rank: int, n: int) -> list[dict[str, object]]:
        return [{"rank": rank, "n": n, "text": "é" * (rank + 1)}]

    # in the order of the data set, without the one that filled the last batch (GF18, FS22)
    whole = [result(0, 0), result(1, 0), result(0, 1)]
    assert ranks[0]["collected"] == [whole, whole]
    assert ranks[1]["collected"] == [None, None]

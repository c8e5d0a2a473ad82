"""RetinaNet through mmengine's Runner: upstream on the host, the port on the simulated chip.

The Python that trains is this one, or the one that ``PORTER_TORCH_PYTHON`` names.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import porter.training
from porter.sim import Spec
from porter.source import Cache, fetch, known_pin
from porter.verify.data.dataset import write_synthetic_coco
from tests.helpers import all_targets

pytestmark = [pytest.mark.torch, pytest.mark.upstream, pytest.mark.slow]

ROOT = Path(porter.training.__file__).parents[2]
SCRIPT = ROOT / "porter/training/__main__.py"
PINS = {"mmengine": "0.10.5", "mmcv": "2.1.0", "mmdet": "3.3.0"}
CONFIG = "mmdet/.mim/configs/retinanet/retinanet_r50_fpn_1x_coco.py"
NEEDS = "torch, addict, cv2, matplotlib, pycocotools, rich, scipy, shapely, six, termcolor, terminaltables, tqdm, yaml, yapf"
#: mmcv asks for all its operators when it is imported; this training calls none of them.
OPERATORS = """
def none(*arguments, **options):
    raise NotImplementedError
nms = roi_align_forward = roi_align_backward = none
def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return none
"""

Lines = list[dict[str, Any]]
Train = Callable[..., Lines]


@pytest.fixture(scope="module")
def torch_python() -> str:
    python = os.environ.get("PORTER_TORCH_PYTHON") or sys.executable
    if subprocess.run([python, "-c", f"import {NEEDS}"], capture_output=True).returncode:
        pytest.skip(f"{python} lacks one of {NEEDS}; PORTER_TORCH_PYTHON may name another")
    return python


@pytest.fixture(scope="module")
def place(upstream_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``upstream``, ``ported``, ``ops`` and ``data``."""
    place = tmp_path_factory.mktemp("smoke")
    write_synthetic_coco(place / "data")
    (place / "ops").mkdir()
    (place / "ops/_ext.py").write_text(OPERATORS, encoding="utf-8")
    for package, version in PINS.items():
        (tree,) = fetch([known_pin(package, version)], Cache(upstream_cache))
        for path in tree.paths():
            if path.startswith(f"{package}/"):
                file = place / "upstream" / package / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(tree.read(path))
    command = [sys.executable, "-m", "porter", "apply", "--target", "sdaa", "--into", place / "ported"]  # fmt: skip
    env = {**os.environ, "PORTER_CACHE": str(upstream_cache), "PYTHONPATH": str(ROOT)}
    subprocess.run(command, env=env, check=True, capture_output=True)
    return place


@pytest.fixture(scope="module")
def train(place: Path, torch_python: str) -> Train:
    """Carry out a job, and give the lines of its record."""
    spec = Spec.of(all_targets()["sdaa"]).to_json()

    def run(name: str, tree: str, code: int = 0, **changed: Any) -> Lines:
        out = place / "out" / name
        out.mkdir(parents=True, exist_ok=True)
        on_chip = changed.pop("chip", tree == "ported")
        job = {
            "format": 1,
            "task": "smoke",
            "trees": {package: str(place / tree / package) for package in PINS},
            "ops": str(place / "ops"),
            "config": str(place / "upstream/mmdet" / CONFIG),
            "side": tree,
            "device": "sdaa" if on_chip else "cpu",
            "sim": spec if on_chip else None,
            "host_only": not on_chip,
            "data": str(place / "data"),
            "out": str(out),
            "steps": 4,
            "image_size": 64,
            **changed,
        }
        (out / "JOB.json").write_text(json.dumps(job), encoding="utf-8")
        done = subprocess.run(
            [torch_python, str(SCRIPT), str(out / "JOB.json")],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )
        text = (out / "rank-0.jsonl").read_text(encoding="utf-8")
        assert done.returncode == code, done.stderr[-3000:]
        return [json.loads(line) for line in text.splitlines()]

    return run


@pytest.fixture(scope="module")
def upstream(train: Train, place: Path) -> Lines:
    return train("upstream", "upstream", save_weights=str(place / "weights.pth"))


@pytest.fixture(scope="module")
def ported(train: Train, place: Path, upstream: Lines) -> Lines:
    return train("ported", "ported", weights=str(place / "weights.pth"))


def of_kind(lines: Lines, kind: str) -> Lines:
    return [line for line in lines if line["kind"] == kind]


def test_the_record_has_its_order_and_all_its_steps(upstream: Lines) -> None:
    kinds = [line["kind"] for line in upstream]
    assert kinds == [
        "start",
        "predictions",
        "step",
        "gradients",
        "step",
        "step",
        "step",
        "end",
    ]
    assert [step["number"] for step in of_kind(upstream, "step")] == [1, 2, 3, 4]


def test_a_step_tells_what_happened(upstream: Lines) -> None:
    step, (gradients,) = of_kind(upstream, "step")[0], of_kind(upstream, "gradients")
    assert step["losses"]["loss"] == pytest.approx(
        step["losses"]["loss_cls"] + step["losses"]["loss_bbox"]
    )
    assert step["grad_norm"] == pytest.approx(sum(n**2 for n in gradients["norms"].values()) ** 0.5)
    assert list(step["devices"]) == ["cpu"]
    assert step["modules"] > 30
    assert (step["low_precision"], step["loss_scale"], step["counters"]) == (0, None, None)
    assert step["lr"] == [pytest.approx(0.01 * 2 / 16)]


def test_every_layer_learns(upstream: Lines) -> None:
    (gradients,), (end,) = of_kind(upstream, "gradients"), of_kind(upstream, "end")
    convolutions = [n for n in gradients["norms"] if "backbone" in n and "conv" in n]
    assert convolutions
    assert all(gradients["norms"][name] > 0 for name in convolutions)
    assert all(end["updates"][name] > 0 for name in convolutions)


def test_the_port_equals_upstream_bit_for_bit(upstream: Lines, ported: Lines) -> None:
    for kind in ("start", "end"):
        assert of_kind(ported, kind)[0]["weights"] == of_kind(upstream, kind)[0]["weights"]
    assert of_kind(ported, "start")[0]["schedule"] == of_kind(upstream, "start")[0]["schedule"]
    for one, other in zip(of_kind(upstream, "step"), of_kind(ported, "step")):
        for key in ("losses", "data", "lr", "grad_norm"):
            assert one[key] == other[key]


def test_the_port_ran_on_the_chip(ported: Lines) -> None:
    for step in of_kind(ported, "step"):
        assert list(step["devices"]) == ["sdaa:0"]
        assert step["counters"]["op_calls"] > 1000
        assert step["memory"] > 0


def test_an_unported_tree_is_seen_to_stay_on_the_host(train: Train) -> None:
    lines = train("unported", "upstream", chip=True, steps=1)
    (step,) = of_kind(lines, "step")
    assert list(step["devices"]) == ["cpu"]
    assert step["counters"]["op_calls"] == 0


def test_amp_is_seen_to_act(train: Train, place: Path) -> None:
    lines = train("amp", "ported", amp=True, weights=str(place / "weights.pth"))
    (start,), steps = of_kind(lines, "start"), of_kind(lines, "step")
    assert (start["wrapper"], start["scaler"]) == ("AmpOptimWrapper", True)
    assert all(step["low_precision"] == step["modules"] > 0 for step in steps)
    assert all(step["loss_scale"] == 512 and not step["skipped"] for step in steps)


def test_an_update_that_amp_leaves_out_is_recorded(train: Train) -> None:
    lines = train("overflow", "ported", amp=True, loss_scale=1e30, steps=2)
    assert [step["skipped"] for step in of_kind(lines, "step")] == [True, True]
    assert set(of_kind(lines, "end")[0]["updates"].values()) == {0.0}


def test_a_resumed_run_goes_on_as_if_nothing_had_happened(
    train: Train, place: Path, ported: Lines
) -> None:
    weights = str(place / "weights.pth")
    first = train("first", "ported", weights=weights, stop=2)
    (end,) = of_kind(first, "end")
    assert Path(end["checkpoint"]).is_file()
    second = train("second", "ported", weights=weights, resume=end["checkpoint"])
    both = of_kind(first, "step") + of_kind(second, "step")
    for one, other in zip(of_kind(ported, "step"), both):
        for key in ("number", "losses", "data", "grad_norm"):
            assert one[key] == other[key]
    assert of_kind(second, "end")[0]["weights"] == of_kind(ported, "end")[0]["weights"]
    assert of_kind(second, "end")[0]["updates"] == of_kind(ported, "end")[0]["updates"]


def test_what_is_not_a_number_is_recorded_and_trained_on(train: Train) -> None:
    lines = train("nan", "upstream", lr=1e30, steps=3)
    losses = [step["losses"]["loss"] for step in of_kind(lines, "step")]
    assert losses[0] == losses[0]
    assert losses[2] != losses[2], "NaN"
    assert of_kind(lines, "end")


def test_a_config_that_is_not_there(train: Train) -> None:
    (failure,) = train("failed", "upstream", code=1, config="/nowhere.py")
    assert failure["error"] == "FileNotFoundError"
    assert "/nowhere.py" in failure["message"]

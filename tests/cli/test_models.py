"""``porter models``, ``doctor`` and ``sim``, as a user runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import porter
from porter.verify.data.dataset import DIGEST, folder_digest
from porter.verify.models.recipes import known_models

from .conftest import Run

PORTER = Path(porter.__file__).parents[1]


def test_models_are_listed_with_what_they_exercise(run: Run) -> None:
    out = run("models", "list").out
    assert (
        "  centernet\n      CenterNet (Objects as Points), ResNet-18 and a neck of DCNv2\n" in out
    )
    assert f"{len(known_models())} models; any mmdet config does too" in out
    listed = {word.strip(",") for word in out.split()}
    assert set(known_models()) <= listed


def test_models_as_json_are_sorted(run: Run) -> None:
    models = run("models", "list", "--json").json["models"]
    assert [model["name"] for model in models] == list(known_models())
    ddq = next(model for model in models if model["name"] == "ddq")
    assert (ddq["since"], ddq["ops"]) == ("3.2.0", [])


def test_a_models_page(run: Run) -> None:
    lines = run("models", "show", "RepPoints").out.splitlines()
    assert lines[0] == "reppoints: RepPoints (moment), ResNet-50 and FPN"
    for line in (
        "  Config      reppoints/reppoints-moment_r50_fpn_1x_coco.py",
        "  mmcv's ops  deform_conv, nms",
        "  Exercises   deformable convolution in the head, point assignment, focal loss, NMS",
    ):
        assert line in lines, line


def test_a_page_tells_what_a_smoke_run_overrides(run: Run) -> None:
    assert "--steps 10\n              --image-size 300\n" in run("models", "show", "ssd").out
    document = run("models", "show", "detr", "--json").json
    assert document["options"] == {"model.encoder.num_layers": 2}


def test_a_page_tells_what_a_model_needs_and_since_when_it_is_there(run: Run) -> None:
    out = run("models", "show", "glip").out
    assert "bert-base-uncased" in out
    assert "mmdet 3.2.0" in out


def test_a_recipe_of_ones_own(run: Run, project: Path) -> None:
    (project / "mine.toml").write_text("image_size = 96\n[config]\ndefault = 'a/b.py'\n")
    assert "--image-size 96" in run("models", "show", "mine.toml").out
    document = run("models", "show", "mine.toml", "--json").json
    assert (document["image_size"], document["steps"]) == (96, None)


@pytest.mark.parametrize(
    ("name", "hint"),
    [("repoints", "Did you mean `reppoints` or"), ("qqq", "`porter models list` lists")],
)
def test_no_such_model(run: Run, name: str, hint: str) -> None:
    result = run("models", "show", name)
    assert result.code == 2
    assert result.err.startswith(f"error: there is no model {name!r}\nhint: {hint}")


def test_the_doctor_of_a_python_that_is_none(run: Run) -> None:
    result = run(
        "doctor", "--python", "/nowhere/python", "--target", "chip", "--targets", "targets"
    )
    assert result.code == 22
    assert "Python    PROBLEM: there is no Python /nowhere/python" in result.out.splitlines()
    assert "`porter verify --target chip` cannot run here yet." in result.out
    assert result.err == ""


@pytest.mark.slow
def test_the_doctor_says_where_a_verification_would_train(run: Run) -> None:
    """Whatever this Python has, the text and the document agree."""
    result, document = run("doctor", "--target", "npu"), run("doctor", "--target", "npu", "--json")
    assert result.code == document.code == (0 if document.json["ready"] else 22)
    assert document.json["device"] == "sim"
    assert ("would train on the simulated chip" in result.out) == document.json["ready"]


def test_the_doctor_knows_no_such_chip(run: Run) -> None:
    assert run("doctor", "--target", "sdaaa").code == 4


def test_the_synthetic_data_set(run: Run, project: Path) -> None:
    result = run("sim", "dataset", "coco")
    assert (result.code, folder_digest(project / "coco")) == (0, DIGEST)
    again = run("sim", "dataset", "coco")
    assert (again.code, again.err.splitlines()[0]) == (2, "error: coco is not empty")


def become(*words: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """A porter in a process of its own, as it gives its process away."""
    command = [sys.executable, "-m", "porter", *words]
    environment = {**os.environ, "PYTHONPATH": str(PORTER)}
    return subprocess.run(
        command, input=text, env=environment, capture_output=True, text=True, timeout=300
    )


@pytest.mark.torch
def test_a_script_on_the_simulated_chip_has_its_own_options(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import sys, torch\nprint(sys.argv[1:], torch.ones(1).sdaa())\nsys.exit(7)\n")
    done = become("sim", "run", "--target", "sdaa", "--", str(script), "--debug", "--json")
    assert done.stdout == "['--debug', '--json'] tensor([1.], device='sdaa:0')\n", done.stderr
    assert done.returncode == 7


@pytest.mark.torch
def test_a_shell_on_the_simulated_chip() -> None:
    done = become("sim", "shell", "--target", "npu", text="print(torch.ones(1).npu())\n")
    assert "device='npu:0'" in done.stdout
    assert "simulated" in done.stderr


@pytest.mark.torch
def test_a_module_on_the_simulated_chip() -> None:
    done = become("sim", "run", "--target", "sdaa", "-m", "json.tool", "--help")
    assert "usage: python -m json.tool" in done.stdout, done.stderr


def test_a_shell_needs_a_python_with_torch(run: Run, project: Path) -> None:
    result = run("sim", "shell", "--target", "sdaa", "--python", "/nowhere/python")
    assert result.code == 22
    assert result.err.startswith("error: there is no Python /nowhere/python\nhint: ")

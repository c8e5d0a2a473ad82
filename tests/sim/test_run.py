"""``python -m porter.sim`` runs any script, module or shell on the simulated chip."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.sim.conftest import ROOT

SCRIPT = """
import sys, torch
from pathlib import Path
import beside
print(sys.argv, __name__, Path(sys.path[0]).name, torch.ones(2, device="sdaa").sum().item())
sys.exit(int(sys.argv[1]))
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "folder" / "script.py"
    path.parent.mkdir()
    path.write_text(SCRIPT, encoding="utf-8")
    path.with_name("beside.py").touch()
    return path


@pytest.mark.torch
def test_a_script_gets_its_arguments_its_folder_and_its_exit_code(
    python: Any, make_target: Any, script: Path
) -> None:
    done = python("-m", "porter.sim", "--target", make_target(""), script, 5, "--target", "x")
    assert done.stdout == f"{[str(script), '5', '--target', 'x']} __main__ folder 2.0\n", (
        done.stderr
    )
    assert done.returncode == 5


@pytest.mark.torch
def test_a_module_gets_the_options_after_it(python: Any, make_target: Any) -> None:
    done = python("-m", "porter.sim", "--target", make_target(""), "-m", "json.tool", "--help")
    assert done.returncode == 0, done.stderr
    assert "json.tool" in done.stdout


@pytest.mark.torch
def test_the_shell_has_torch_and_the_device(make_target: Any) -> None:
    command = [sys.executable, "-m", "porter.sim", "--target", str(make_target(""))]
    done = subprocess.run(
        command,
        input="print(torch.zeros(1).sdaa())\n",
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "device='sdaa:0'" in done.stdout
    assert "simulated T1: 1 device(s) 'sdaa', backend 'tccl'" in done.stderr


@pytest.mark.torch
def test_nothing_of_it_is_seen_outside(python: Any) -> None:
    done = python("-c", "import torch, torch_sdaa")
    assert "No module named 'torch_sdaa'" in done.stderr


@pytest.mark.torch
@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        pytest.param(["--target", "sdaaa", "x.py"], 4, "Did you mean `sdaa`?", id="unknown target"),
        pytest.param(
            ["--target", "bi_v150", __file__],
            22,
            "'cuda' cannot be simulated",
            id="CUDA's own device",
        ),
        pytest.param(
            ["--target", "sdaa", "x.py"], 2, "there is no script x.py", id="no such script"
        ),
        pytest.param(["x.py"], 2, "--target", id="no target"),
    ],
)
def test_mistakes_are_told_without_a_traceback(
    python: Any, arguments: list[str], code: int, message: str
) -> None:
    done = python("-m", "porter.sim", *arguments)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.torch
def test_one_process_simulates_one_chip(python: Any) -> None:
    script = (
        "from porter.rulebook.catalog import get_target as get\n"
        "from porter.sim import install, installed, counters\n"
        "from porter.errors import CouldNotRun\n"
        "assert installed() is None\n"
        "try: counters()\n"
        "except CouldNotRun as problem: print(problem)\n"
        "install(get('sdaa')); install(get('sdaa'))\n"
        "try: install(get('npu'))\n"
        "except CouldNotRun as problem: print(problem)\n"
    )
    done = python("-c", script)
    assert done.stdout.splitlines() == [
        "no chip is simulated in this process",
        "this process simulates sdaa already; it cannot become npu",
    ], done.stderr


@pytest.mark.torch
def test_a_process_that_ends_right_after_backward_ends_well(python: Any) -> None:
    script = (
        "from porter.rulebook.catalog import get_target\n"
        "from porter.sim import install\n"
        "import torch\n"
        "install(get_target('mlu'))\n"
        "torch.nn.Conv2d(3, 8, 3).to('mlu')(torch.randn(4, 3, 64, 64, device='mlu')).sum().backward()\n"
    )
    assert [python("-c", script).returncode for _ in range(3)] == [0, 0, 0]

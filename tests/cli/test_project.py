"""``porter apply --project``: a user's own code, ported by the generic rules, and looked after."""

from __future__ import annotations

import json
import types
from pathlib import Path

import pytest

from .conftest import Run

HEAD = """\
import torch
from torch.cuda.amp import autocast


def forward(x):
    weight = torch.ones(3, device='cuda')
    with autocast(enabled=True):
        y = x.cuda() * weight  # to the card
    torch.cuda.synchronize()
    return y, torch.cuda.Stream()
"""
PORT = ("apply", "--target", "sdaa", "--project", "--into", "mine")


@pytest.fixture
def mine(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "mine"
    for name, text in {
        "head.py": HEAD,
        "notorch.py": "def move(x):\n    return x.cuda()\n",
        "setup.py": "import torch\nBUILD = torch.cuda.is_available()\n",
        ".venv/lib/other.py": HEAD,
        "run.sh": "CUDA_VISIBLE_DEVICES=0 python train.py\n",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".porter" not in path.parts
    }


def test_it_ports_what_it_can_and_lists_the_rest(run: Run, mine: Path) -> None:
    before = contents(mine)
    found = run(*PORT)
    assert found.code == 0, found.err
    after = contents(mine)
    assert [name for name in after if after[name] != before[name]] == ["head.py"]
    text = after["head.py"].decode()
    assert "getattr(torch, 'sdaa', torch.cuda).synchronize()" in text
    assert "# to the card" in text
    assert "3 places left for you to look at" in found.out
    for place in ("head.py:10", "notorch.py:2", "run.sh:1"):
        assert place in found.out


def test_twice_is_once_and_revert_is_exact(run: Run, mine: Path) -> None:
    before = contents(mine)
    run(*PORT)
    once = contents(mine)
    assert "nothing to do" in run(*PORT).out
    assert contents(mine) == once
    assert "ported" in run("status", "--into", "mine").out
    assert "project/to-device" in run("explain", "mine/head.py:8").out
    assert run("revert", "--into", "mine").code == 0
    assert contents(mine) == before


def test_edits_by_hand_are_refused_or_kept(run: Run, mine: Path) -> None:
    run(*PORT)
    path = mine / "head.py"
    path.write_text(path.read_text(encoding="utf-8") + "\n\nMINE = 1\n", encoding="utf-8")
    assert run("status", "--into", "mine").out.count("hand-edited")
    assert run("revert", "--into", "mine").code == 7
    assert run("revert", "--into", "mine", "--keep-edits").code == 0
    assert path.read_text(encoding="utf-8") == HEAD + "\n\nMINE = 1\n"


def test_json_has_what_is_left(run: Run, mine: Path) -> None:
    document = json.loads(run(*PORT, "--json").out)
    assert [f["kind"] for f in document["left"]] == ["stream", "cuda-call", "visible-devices"]
    assert {"rule": "project/grad-scaler", "package": "project",
            "reason": "the project has nothing that it is for"} in document["skips"]  # fmt: skip


def test_audit_names_the_generic_rules(run: Run, mine: Path) -> None:
    document = json.loads(run("audit", "--target", "sdaa", "mine", "--json").out)
    rules = {f["rule"] for f in document["findings"] if f["path"] == "head.py"}
    assert {"project/to-device", "project/accelerator-calls", "project/autocast"} <= rules


def ported(run: Run, mine: Path) -> types.CodeType:
    run(*PORT)
    return compile(
        (mine / "head.py").read_text(encoding="utf-8").partition("\n\n\n")[2], "head.py", "exec"
    )


class Recorder:
    """A torch that notes what is called; any attribute is there, but for some."""

    def __init__(self, name: str, calls: list[str], without: tuple[str, ...] = ()) -> None:
        self._name, self._calls, self._without = name, calls, without

    def __getattr__(self, name: str) -> Recorder:
        if name in self._without:
            raise AttributeError(name)
        return Recorder(f"{self._name}.{name}", self._calls)

    def __call__(self, *given: object, **named: object) -> Recorder:
        values = [*map(str, given), *(f"{k}={v}" for k, v in named.items())]
        self._calls.append(f"{self._name}({', '.join(values)})")
        return self

    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...
    def __mul__(self, other: object) -> Recorder:
        return self

    def __str__(self) -> str:
        return self._name


@pytest.mark.parametrize(
    ("without", "device", "clock"),
    [(("sdaa",), "cuda", "torch.cuda"), ((), "sdaa", "torch.sdaa")],
)
def test_without_the_plugin_it_does_what_it_did(
    run: Run, mine: Path, without: tuple[str, ...], device: str, clock: str
) -> None:
    calls: list[str] = []
    names = {"torch": Recorder("torch", calls, without)}
    exec(ported(run, mine), names)
    names["forward"](Recorder("x", calls))  # type: ignore[operator]
    assert calls == [
        f"torch.ones(3, device={device})",
        f"torch.autocast({device}, enabled=True)",
        f"x.to({device})",
        f"{clock}.synchronize()",
        "torch.cuda.Stream()",
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--package", "mmcv"), 2, "--project: a project is ported as a whole"),
        (("--pin", "mmcv=2.1.0"), 2, "--project: a project is ported as a whole"),
        (("--into", "nothing"), 7, "has nothing to port"),
        (("--target", "mlu"), 7, "is ported to sdaa"),
    ],
)
def test_what_makes_no_sense_is_told(
    run: Run, mine: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    run(*PORT)
    found = run(*PORT, *arguments)
    assert (found.code, words in found.err) == (code, True), found.err


def test_a_vendor_folder_is_no_project(run: Run, mine: Path) -> None:
    package = mine / "mmcv/mmcv"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("__version__ = '2.1.0'\n", encoding="utf-8")
    assert "rules of their own" in run(*PORT).err


def test_a_built_in_device_gets_no_guess(run: Run, mine: Path) -> None:
    before = contents(mine)
    found = run("apply", "--target", "xpu", "--project", "--into", "mine")
    assert found.code == 0
    assert contents(mine) == before
    assert "left for you to look at" in found.out

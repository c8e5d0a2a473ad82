"""What running both trees finds: small trees of our own, in real child processes."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from porter.apply import Request, apply
from porter.check.model import Result
from porter.check.run import check
from porter.check.running import Sides, ask, check_running, judge_running
from porter.errors import CouldNotRun
from porter.source import Cache
from porter.verify.trees import Trees
from tests.helpers import all_rules, all_targets
from tests.world import target

UPSTREAM = {
    "mmengine/__init__.py": "",
    "mmengine/calls.py": "class Model:\n    def to(self, device, *args): pass\n\ndef run(x, y=1): pass\n",
    "mmengine/device/__init__.py": "__all__ = ['get_device', 'is_cuda_available']\ndef get_device(): return 'cpu'\ndef is_cuda_available(): return False\n",
    "mmengine/broken.py": "import not_there_at_all\n",
}  # fmt: skip

WRONG = {
    **UPSTREAM,
    "mmengine/calls.py": "class Model:\n    def to(self, device): pass\n",
    "mmengine/device/__init__.py": "import torch\ntry:\n    torch.cuda._lazy_init()\nexcept Exception: pass\ndef get_device(): return 'chip'\n",
    "mmengine/eager.py": "import torch\nif hasattr(torch, 'sdaa'):\n    import torch_sdaa.amp, torch.sdaa.amp\n    torch.sdaa.is_available()\n    torch.sdaa.set_device(0)\n",
    "mmengine/fragile.py": "import torch\nif hasattr(torch, 'sdaa'):\n    raise RuntimeError('beside it')\n",
}  # fmt: skip

GOOD = {
    **UPSTREAM,
    "mmengine/calls.py": "class Model:\n    def to(self, device, *args, more=1): pass\n\ndef run(x, y=1): pass\nNEW = 1\n",
    "mmengine/device/__init__.py": "__all__ = ['get_device', 'is_cuda_available', 'is_sdaa_available']\nimport torch\ndef is_sdaa_available(): return hasattr(torch, 'sdaa') and torch.sdaa.is_available()\nSDAA = is_sdaa_available()\ndef get_device(): return 'cpu'\ndef is_cuda_available(): return False\n",
    "mmengine/broken.py": "",
}  # fmt: skip


def trees(folder: Path, files: Mapping[str, str]) -> Trees:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return Trees({"mmengine": folder}, {})


def asked(folder: Path, files: Mapping[str, str], mode: str = "plain") -> Mapping[str, Any]:
    return ask(Path(sys.executable), target(), trees(folder, files), mode)


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    return asked(tmp_path_factory.mktemp("upstream"), UPSTREAM)


def judged(
    folder: Path, upstream: Mapping[str, Any], files: Mapping[str, str]
) -> dict[str, Result]:
    ported, chip = asked(folder, files), asked(folder, files, "chip")
    results = judge_running(Sides(upstream, ported, upstream, chip), ["mmengine"])
    return {result.name: result for result in results}


@pytest.mark.torch
def test_a_port_that_adds_and_takes_nothing_holds(
    tmp_path: Path, upstream: Mapping[str, Any]
) -> None:
    found = judged(tmp_path, upstream, GOOD)
    assert {result.state for result in found.values()} == {"held"}
    assert found["behaviour"].scope == "2 questions"
    assert found["imports"].scope == "4 modules"


@pytest.mark.torch
def test_what_a_port_takes_or_calls_is_told(tmp_path: Path, upstream: Mapping[str, Any]) -> None:
    found = judged(tmp_path, upstream, WRONG)
    assert found["imports"].problems == (
        "mmengine.calls.Model.to: lost the parameter args",
        "mmengine.calls.run: is gone",
        "mmengine.device.is_cuda_available: is gone",
    )
    assert found["behaviour"].problems[0] == 'device: upstream answers "cpu", the port "chip"'
    assert found["device"].problems == (
        "importing mmengine.device calls torch.cuda._lazy_init, without the plugin",
        "importing mmengine.device calls torch.cuda._lazy_init, beside the plugin",
        "importing mmengine.eager calls torch.sdaa.set_device, beside the plugin",
        "mmengine.fragile: cannot be imported beside the plugin: RuntimeError: beside it",
    )


def answers(**modules: str) -> dict[str, Any]:
    return {"modules": modules, "names": {}, "initialised": [], "answers": {}}


def test_where_upstream_cannot_be_imported_nothing_is_judged() -> None:
    lacking = answers(mmengine="ModuleNotFoundError: No module named 'addict'")
    results = judge_running(Sides(lacking, lacking, lacking, lacking), ["mmengine"])
    assert {result.state for result in results} == {"skipped"}
    assert results[0].reason == (
        "upstream's mmengine cannot be imported there: ModuleNotFoundError: No module named 'addict'"
    )


def test_what_upstream_itself_calls_is_not_the_ports() -> None:
    upstream, ported = answers(mmengine="ok"), answers(mmengine="ok")
    upstream["initialised"] = ["mmengine.a calls torch.npu.set_compile_mode"]
    ported["initialised"] = ["mmengine.b calls torch.npu.set_compile_mode"]
    plain = answers(mmengine="ok")
    device = judge_running(Sides(plain, plain, upstream, ported), ["mmengine"])[-1]
    assert (device.name, device.state) == ("device", "held")


def test_what_no_longer_imports_is_told() -> None:
    before, after = answers(mmengine="ok", a="ok"), answers(mmengine="ok", a="TypeError: b")
    imports = judge_running(Sides(before, after, before, after), ["mmengine"])[0]
    assert imports.problems == ("a: cannot be imported: TypeError: b",)


def test_a_python_that_dies_is_an_error(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho no such luck >&2\nexit 3\n")
    python.chmod(0o755)
    with pytest.raises(CouldNotRun, match=r"ended with 3\nno such luck"):
        ask(python, target(), Trees({}, {}), "plain")


def test_a_python_without_torch_is_a_reason_to_skip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from porter.check import running

    survey = running.survey
    monkeypatch.setattr(
        running, "survey", lambda python: replace(survey(python), torch_problem="none there")
    )
    results = check_running(Path(sys.executable), target(), Trees({}, {}), Trees({}, {}))
    assert [result.state for result in results] == ["skipped"] * 3
    assert results[0].reason.endswith("has no torch: name one that has with --python")


@pytest.mark.torch
@pytest.mark.upstream
@pytest.mark.slow
@pytest.mark.parametrize("name", ["sdaa"])
def test_a_real_port_keeps_every_promise(name: str, upstream_cache: Path, tmp_path: Path) -> None:
    into, rules, cache = tmp_path / "vendor", all_rules(), Cache(upstream_cache)
    apply(Request(all_targets()[name], tuple(rules), into, offline=True), cache)
    found = check(into, all_targets(), rules, cache, python=Path(sys.executable), offline=True)
    assert {r.name: r.problems for r in found.results if r.state != "held"} == {}

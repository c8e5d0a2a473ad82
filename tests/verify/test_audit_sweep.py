"""The audit against the simulated chip: what a training does of CUDA was in the static list."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
from dataclasses import asdict
from pathlib import Path

import pytest

import porter
from porter.audit.model import Report
from porter.audit.run import AuditRequest, audit
from porter.rulebook.catalog import get_target, load_rules
from porter.sim.spec import Spec
from porter.training.job import FORMAT, Job
from porter.verify.data.dataset import synthetic_coco
from porter.verify.launch.interpreter import probe
from porter.verify.models.recipes import get_model
from porter.verify.ops import build_ops
from porter.verify.watch import Silent
from tests.verify.world import IMAGE, PACKAGES, World, change

pytestmark = [pytest.mark.torch, pytest.mark.upstream, pytest.mark.slow]

RECORDER = Path(__file__).with_name("cuda_recorder.py")
Factory = pytest.TempPathFactory
MAIN = Path(porter.__file__).parent / "training/__main__.py"
START = "mmengine/mmengine/__init__.py"


def recording(text: str) -> str:
    """mmengine's first line, a comment, starts the recorder: no line of it moves."""
    first, _, rest = text.partition("\n")
    assert first.startswith("#")
    code = f"exec(compile(open({str(RECORDER)!r}).read(), {str(RECORDER)!r}, 'exec'))"
    return f"{code}\n{rest}"


def train(world: World, into: Path, model: str, out: Path, trace: Path) -> None:
    """A smoke training of the ported tree alone, on the simulated chip, with an evaluation."""
    recipe = get_model(model)
    configs = into / "mmdet/mmdet/.mim/configs"
    interpreter = probe(world.python, plugin="torch_sdaa", device="sdaa")
    job = Job(
        task="smoke",
        trees={name: str(into / name) for name in PACKAGES},
        config=str(configs / recipe.configs["default"]),
        out=str(out),
        data=str(synthetic_coco(world.cache)),
        ops=str(build_ops(into / "mmcv", interpreter, world.cache, Silent())),
        side="ported",
        device="sdaa",
        sim=Spec.of(get_target("sdaa")).to_json(),
        backend="tccl",
        steps=1,
        image_size=IMAGE,
        eval=True,
        options=dict(recipe.options),
    )
    out.mkdir(parents=True)
    (out / "job.json").write_text(json.dumps({"format": FORMAT, **asdict(job)}), encoding="utf-8")
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PORTER_AUDIT_ROOT": str(into),
        "PORTER_AUDIT_TRACE": str(trace),
        "PYTHONWARNINGS": "ignore",
    }
    command = [str(world.python), str(MAIN), str(out / "job.json")]
    done = subprocess.run(command, cwd=out, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


@pytest.fixture(scope="module", params=["ported", "released"])
def into(request: pytest.FixtureRequest, world: World, tmp_path_factory: Factory) -> Path:
    """A tree with the recorder in it. The releases train on the host, chip or no chip."""
    tree = world.ported() if request.param == "ported" else world.unported()
    folder = tmp_path_factory.mktemp(request.param) / "trees"
    shutil.copytree(tree, folder, copy_function=os.link)
    change(folder / START, recording)
    return folder


@pytest.fixture(scope="module")
def executed(into: Path, world: World, tmp_path_factory: Factory) -> set[tuple[str, int, str]]:
    """Path, line and name of every use of CUDA that a training and an evaluation make."""
    work = tmp_path_factory.mktemp("sweep")
    model = "reppoints" if (into / ".porter").is_dir() else "faster_rcnn"
    train(world, into, model, work / model, work / "trace.tsv")
    lines = [line.split("\t") for line in (work / "trace.tsv").read_text("utf-8").splitlines()]
    return {(path, int(number), what) for path, number, what in lines}


@pytest.fixture(scope="module")
def report(into: Path) -> Report:
    return audit(AuditRequest(get_target("sdaa"), tuple(load_rules()), into, link=False))


def statement_lines(path: Path, line: int) -> range:
    """The lines of the smallest statement around a line; of a compound one, its head."""
    found = range(line, line + 1)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            end = body[0].lineno - 1 if isinstance(body, list) and body else node.end_lineno
            if node.lineno <= line <= (end or 0):
                found = range(node.lineno, (end or 0) + 1)
    return found


def test_every_use_that_was_executed_was_in_the_list(
    into: Path, executed: set[tuple[str, int, str]], report: Report
) -> None:
    listed = {(f.path, line) for f in report.findings for line in (f.line, *f.used)}
    missed = {
        (path, line, what)
        for path, line, what in executed
        if not any((path, near) in listed for near in statement_lines(into / path, line))
    }
    print(f"\n{len(executed)} uses of CUDA executed, {len(executed) - len(missed)} in the list")
    assert not missed


def test_the_sweep_sees_something(executed: set[tuple[str, int, str]]) -> None:
    assert len(executed) >= 3
    assert "mmengine.device.is_cuda_available" in {what for _, _, what in executed}

"""What an audit says of small trees: classes, traits, order, rules, suppressions."""

from __future__ import annotations

from pathlib import Path

import pytest

from porter.audit.model import Finding, Report
from porter.audit.run import AuditRequest, audit
from porter.audit.suppress import read_entries
from porter.errors import TreeStateError, UsageError
from porter.rulebook.catalog import get_target, load_rules


def look(folder: Path, target: str = "sdaa", *, ignore: str = "", link: bool = False) -> Report:
    entries = ()
    if ignore:
        file = folder.parent / "ignore.toml"
        file.write_text(ignore, encoding="utf-8")
        entries = tuple(read_entries(file))
    rules = tuple(load_rules())
    return audit(AuditRequest(get_target(target), rules, folder, entries=entries, link=link))


def one(folder: Path, code: str, target: str = "sdaa", name: str = "train.py") -> list[Finding]:
    folder.mkdir(exist_ok=True)
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(code, encoding="utf-8")
    return list(look(folder, target).findings)


def classes(found: list[Finding]) -> list[tuple[str, str]]:
    return [(f.kind, f.cls) for f in found]


@pytest.mark.parametrize(
    ("target", "code", "expected"),
    [
        ("npu", "import torch\ny = torch.nonzero(x)\n", [("dynamic-shape", "fallback")]),
        ("npu", "import torch\ny = x.unique()\n", [("dynamic-shape", "fallback")]),
        ("npu", "import torch\ny = x[x > 0]\n", [("dynamic-shape", "fallback")]),
        ("npu", "import torch\ny = torch.where(x > 0)\n", [("dynamic-shape", "fallback")]),
        ("npu", "import torch\ny = torch.where(x > 0, x, 0)\n", []),
        ("npu", "import numpy as np\ny = np.unique(x)\nz = np.nonzero(x)\n", []),
        ("sdaa", "import torch\ny = torch.nonzero(x)\n", []),
        ("npu", "y = x.long().sum()\n", [("dtype", "open")]),
        ("npu", "import torch\ny = torch.sum(x.to(torch.int64))\n", [("dtype", "open")]),
        ("npu", "import torch\ny = x.sum(dtype=torch.int64)\n", [("dtype", "open")]),
        ("npu", "y = x.float().sum()\n", []),
        ("sdaa", "y = x.long().sum()\n", []),
        ("bi_v150", "y = x.double()\n", [("dtype", "open")]),
        ("bi_v150", "import torch\ntorch.cuda.synchronize()\n", [("cuda-api", "native")]),
        ("bi_v150", "y = x.cuda()\n", [("cuda-call", "native")]),
        ("npu", "if x.is_npu:\n    pass\nelif x.is_cuda:\n    x.cuda()\n",
         [("is-cuda", "native"), ("cuda-call", "native")]),
        ("sdaa", "if x.is_npu:\n    x.cuda()\n", [("cuda-call", "harmless")]),
        ("sdaa", "from apex import amp\n", [("apex", "open")]),
        ("sdaa", "def init_dist(launcher, backend='nccl'):\n    pass\n", [("nccl", "ported")]),
        ("sdaa", "def start(launcher, backend='nccl'):\n    pass\n", [("nccl", "open")]),
        ("sdaa", "if DEVICE != 'cuda' and ready(x):\n    pass\nelif ready(x):\n    x.cuda()\n",
         [("is-cuda", "harmless"), ("cuda-call", "harmless")]),
        ("sdaa", "if DEVICE != 'cuda' and ready(x):\n    pass\nelif other(x):\n    x.cuda()\n",
         [("is-cuda", "harmless"), ("cuda-call", "open")]),
    ],
)  # fmt: skip
def test_classes_follow_the_target(
    tmp_path: Path, target: str, code: str, expected: list[tuple[str, str]]
) -> None:
    assert classes(one(tmp_path / "project", code, target)) == expected


def test_a_run_reaches_imports_first_and_tools_last(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    for name in ("tools/a.py", "model/head.py", "setup.py"):
        one(folder, "def forward(x):\n    return x.cuda()\n", name=name)
    one(folder, "import torch\nSTREAM = torch.cuda.current_stream()\n", name="zoo/last.py")
    one(folder, "class A:\n    def __init__(self, x):\n        x.cuda()\n", name="zoo/a.py")
    one(folder, "def evaluate(x):\n    x.cuda()\n", name="a/eval.py")
    found = look(folder).findings
    assert [(f.stage, f.path) for f in found] == [
        ("import", "zoo/last.py"),
        ("build", "zoo/a.py"),
        ("train", "model/head.py"),
        ("eval", "a/eval.py"),
        ("tools", "setup.py"),
        ("tools", "tools/a.py"),
    ]


def test_a_device_string_tells_the_lines_that_it_reaches(tmp_path: Path) -> None:
    code = "def f(x, device='cuda'):\n    x.to(device)\n    y = x\n    return y.to(device)\n"
    (found,) = one(tmp_path / "project", code)
    assert (found.line, found.used, found.code) == (1, (2, 4), "def f(x, device='cuda'):")


def test_a_comment_with_a_reason_accepts(tmp_path: Path) -> None:
    code = (
        "x.cuda()  # porter: ignore[cuda-call] the host has a card of its own\n"
        "# porter: ignore[cuda-call, is-cuda] in the line above, too\n"
        "x.cuda()\n"
        "x.cuda()  # porter: ignore[is-cuda] another kind\n"
        "x.cuda()  # porter: ignore[cuda-call]\n"
    )
    one(tmp_path / "project", code)
    report = look(tmp_path / "project")
    assert [bool(f.accepted) for f in report.findings] == [True, True, False, False]
    assert report.findings[0].accepted == "the host has a card of its own"
    assert [cause.where for cause in report.unused] == ["train.py:4"]
    assert [cause.where for cause in report.void] == ["train.py:5"]
    assert report.count("open") == 2


def test_a_file_accepts_and_tells_what_it_did_not_meet(tmp_path: Path) -> None:
    one(tmp_path / "project", "x.cuda()\n", name="old/a.py")
    one(tmp_path / "project", "x.cuda()\n", name="new/a.py")
    ignore = """
[[ignore]]
path = "old/*"
kind = "cuda-call"
reason = "the old code is not run any more"

[[ignore]]
symbol = "apex*"
reason = "nobody has apex here"
"""
    report = look(tmp_path / "project", ignore=ignore)
    assert [(f.path, bool(f.accepted)) for f in report.findings] == [
        ("new/a.py", False),
        ("old/a.py", True),
    ]
    assert [cause.where for cause in report.unused] == ["ignore.toml, entry 2"]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('[[ignore]]\nkind = "cuda-cal"\nreason = "for good reasons"', "cuda-cal"),
        ('[[ignore]]\nkind = "op"\nreason = ""', "reason"),
        ('[[ignore]]\nkind = "op"', "reason"),
        ('[[ignored]]\nkind = "op"', "ignored"),
        ("not toml", "ignore.toml"),
    ],
)
def test_a_bad_file_of_suppressions_is_told(tmp_path: Path, text: str, word: str) -> None:
    (tmp_path / "project").mkdir()
    with pytest.raises(UsageError, match=word):
        look(tmp_path / "project", ignore=text)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TreeStateError, match="is not there"):
        look(tmp_path / "nowhere")


def test_a_file_that_is_no_python_is_told_and_the_rest_is_looked_at(tmp_path: Path) -> None:
    one(tmp_path / "project", "x.cuda(\n", name="broken.py")
    report = one(tmp_path / "project", "x.cuda()\n"), look(tmp_path / "project")
    assert len(report[1].findings) == 1
    assert any("broken.py" in note for note in report[1].notes)


def test_same_input_same_report(tmp_path: Path) -> None:
    one(tmp_path / "project", "x.cuda()\nx.to('cuda')\n")
    assert look(tmp_path / "project") == look(tmp_path / "project")

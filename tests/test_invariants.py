"""What no port may do to a file: each promise, broken and kept."""

from __future__ import annotations

import pytest

from porter.errors import PlanError
from porter.invariants import (
    FILE_INVARIANTS,
    ChangedFile,
    Said,
    problems,
    said_by,
    violations,
    violations_at_once,
)
from porter.model import Edit, Rule
from porter.port.planned import planned
from porter.rulebook.operations import ReplaceBody, Rewrite, Substitute
from porter.source import Cache
from tests.helpers import MemoryTree
from tests.world import replaced, rule, target

BEFORE = '''"""A module."""

import os
from typing import Any

if os.name:
    import sys

NAME = 'cuda'  # the device


def call(function, *args, flag=False, **kwargs):
    """Calls, see https://example.org/a."""
    # as it is
    return function(*args, **kwargs)


class Model:
    """A model."""

    def to(self, device):
        if is_npu_available():
            return 'npu'
        needs_input = [1]
        return call(self.move, *needs_input)

    @property
    def size(self):
        return 1

    @size.setter
    def size(self, value):
        pass
'''

KEPT = [
    pytest.param("*args, **kwargs)", "*args[0], **kwargs[0])", id="a part of what was unpacked"),
    pytest.param("'cuda'", "'sdaa'", id="another string"),
    pytest.param("import sys", "import sys\n    import io", id="one more import"),
    pytest.param("from typing import Any\n", "", id="a name of typing"),
    pytest.param("flag=False,", "flag=False, more=None,", id="one more parameter"),
    pytest.param(
        "        if is_npu_available():",
        "        if is_npu_available() or is_sdaa_available():",
        id="one more operand beside a vendor's",
    ),
    pytest.param(
        "        needs_input = [1]\n", "        needs_input = (1,)\n", id="input is no npu"
    ),
    pytest.param("    # as it is\n", "    # as it is\n    # and more\n", id="one more comment"),
]

BROKEN = [
    pytest.param("class Model:", "class Model(:", "compiles", id="broken code"),
    pytest.param("    @property\n    def size(self):\n        return 1\n\n    @size.setter\n    def size", "    def to(self, device):\n        pass\n\n    def size", "duplicates", id="a method twice"),
    pytest.param("flag=False, ", "", "parameters", id="a parameter"),
    pytest.param("*args, flag", "args, flag", "parameters", id="the star of a parameter"),
    pytest.param("function(*args, **kwargs)", "function(args, **kwargs)", "parameters", id="the star of an argument"),
    pytest.param("function(*args, **kwargs)", "function(*args)", "parameters", id="the keywords of a call"),
    pytest.param("import sys", "import io", "names", id="a conditional import"),
    pytest.param("NAME = ", "OTHER = ", "names", id="a constant"),
    pytest.param("    def to(self", "    def move(self", "names", id="a method"),
    pytest.param("return 'npu'", "return 'sdaa'", "vendors", id="what a vendor's branch does"),
    pytest.param("if is_npu_available():", "if is_sdaa_available():", "vendors", id="a vendor's branch"),
    pytest.param('"""A model."""', '"""A chip\'s model."""', "docstrings", id="a docstring"),
    pytest.param('"""A module."""\n', "", "docstrings", id="the module's docstring"),
    pytest.param("  # the device", "", "comments", id="a comment"),
    pytest.param("example.org/a", "example.com/b", "urls", id="a URL"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new"), KEPT)
def test_an_edit_that_keeps_all_promises(old: str, new: str) -> None:
    assert old in BEFORE
    after = BEFORE.replace(old, new)
    assert list(problems("a.py", BEFORE.encode(), after.encode())) == []


@pytest.mark.parametrize(("old", "new", "invariant"), BROKEN)
def test_an_edit_that_breaks_one(old: str, new: str, invariant: str) -> None:
    assert old in BEFORE
    after = BEFORE.replace(old, new)
    found = {name for name, _ in problems("a.py", BEFORE.encode(), after.encode())}
    assert invariant in found
    assert found <= FILE_INVARIANTS.keys()


def test_the_targets_own_branch_may_be_changed() -> None:
    after = BEFORE.replace("return 'npu'", "return ['npu']")
    data = BEFORE.encode(), after.encode()
    assert [name for name, _ in problems("a.py", *data, Said(device="mlu"))] == ["vendors"]
    assert list(problems("a.py", *data, Said(device="npu"))) == []


def test_what_an_edit_says_it_may_change() -> None:
    url = Said(texts="see https://example.org/a")
    after = BEFORE.replace("https://example.org/a", "https://example.org/b")
    assert [n for n, _ in problems("a.py", BEFORE.encode(), after.encode(), url)] == ["docstrings"]
    comment = Said(spans=((0, len(BEFORE)),))
    after = BEFORE.replace("    # as it is\n", "")
    assert list(problems("a.py", BEFORE.encode(), after.encode(), comment)) == []


def test_an_import_that_an_edit_defers_is_not_lost() -> None:
    data = BEFORE.encode(), BEFORE.replace("import os\n", "").encode()
    assert list(problems("a.py", *data)) == [("names", "lost a name: os")]
    assert list(problems("a.py", *data, Said(deferred=frozenset({"os"})))) == []


def test_files_that_are_not_python_keep_their_urls() -> None:
    before, after = b"curl https://example.org/x\n", b"curl https://example.org/y\n"
    assert [name for name, _ in problems("a.sh", before, after)] == ["urls"]
    said = Said(texts="https://example.org/x")
    assert list(problems("a.sh", before, after, said)) == []


def test_upstreams_own_old_python_is_let_be() -> None:
    assert list(problems("a.py", b"print 1  # old\n", b"print(1)\n")) == []


def test_other_encodings_are_read() -> None:
    before = "# -*- coding: latin-1 -*-\nNAME = 'Zürich'\n".encode("latin-1")
    assert list(problems("a.py", before, before + b"x = 1\n")) == []


def edit(rule: Rule, old: bytes, new: bytes, before: bytes) -> Edit:
    start = before.index(old)
    return Edit("mmcv", "mmcv/a.py", start, start + len(old), new, rule.id)


def test_the_rule_that_breaks_a_promise_is_named() -> None:
    before = b"def f(a, b):\n    return a  # why\n"
    good = rule("good", "mmcv", Rewrite(match="return a", replace="return b"))
    bad = rule("bad", "mmcv", Rewrite(match="def f(a, b): $$$X", replace="def f(a): $$$X"))
    edits = (edit(good, b"return a", b"return b", before), edit(bad, b"a, b", b"a", before))
    file = ChangedFile("mmcv", "mmcv/a.py", before, b"def f(a):\n    return b  # why\n", edits)
    (found,) = violations([file], [good, bad])
    assert (found.invariant, found.rules) == ("parameters", ("mmcv/bad",))
    assert str(found) == "mmcv: mmcv/a.py: lost a parameter: f(b) (rules: mmcv/bad)"


def test_many_files_are_looked_at_alike() -> None:
    before, after = b"def f(a, b):\n    pass\n", b"def f(a):\n    pass\n"
    files = [ChangedFile("mmcv", f"mmcv/{n:02}.py", before, after) for n in range(20)]
    found = violations_at_once(files, ())
    assert found == violations(files, ())
    assert len(found) == 20


def test_what_the_operations_say() -> None:
    body = rule("body", "mmcv", ReplaceBody(within="f", body="return 1"))
    text = rule("text", "mmcv", Substitute(find="https://a.b/c", replace="x"))
    edits = [Edit("mmcv", "a", 3, 9, b"", body.id), Edit("mmcv", "a", 20, 21, b"", text.id)]
    said = said_by(edits, {body.id: body, text.id: text})
    assert said.spans == ((3, 9),)
    assert "https://a.b/c" in said.texts


def test_a_plan_that_breaks_a_promise_is_refused_and_nothing_is_kept(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    cache = Cache(tmp_path_factory.mktemp("cache"))
    files = {"mmcv/a.py": "def f(a, *rest):\n    return g(*rest)\n"}
    tree = MemoryTree("mmcv", "2.1.0", files)
    star = replaced("star", "mmcv/a.py", "g(*$X)", "g($X)")
    with pytest.raises(
        PlanError, match=r"mmcv/a.py: lost an unpacked argument: \*rest .*mmcv/star"
    ):
        planned([star], target(), {"mmcv": tree}, cache)
    plan, _ = planned([star], target(), {"mmcv": tree}, cache, must_compile=False)
    assert plan.edits
    assert not cache.root.joinpath("plans").exists()

"""What each kind of operation makes of code: tables of before and after."""

from __future__ import annotations

from textwrap import dedent

import pytest

from porter.errors import PlanError
from porter.find import SourceFile, find_in_python, find_in_text, words_for_bodies
from porter.find.body import body_digest
from porter.model import Edit, Operation
from porter.plan.splice import splice
from porter.rulebook.operations import (
    AddBranch,
    AddEntry,
    AddImport,
    AddOperand,
    DeferImport,
    Insert,
    Rename,
    ReplaceBody,
    Rewrite,
    Substitute,
)


def applied(operation: Operation, code: str, path: str = "mmengine/code.py") -> str:
    data = dedent(code).lstrip("\n").encode()
    source = SourceFile(path, data, words_for_bodies([operation], data))
    edits = [
        Edit("", path, change.start, change.end, change.new.encode(), "")
        for found in find_in_python(operation, source)
        for change in found.changes
    ]
    return splice(data, edits).decode()


def check(operation: Operation, before: str, after: str) -> None:
    """The outcome is as wanted, compiles, and is left alone by a second application."""
    wanted = dedent(after).lstrip("\n")
    assert applied(operation, before) == wanted
    compile(wanted.replace("return", "0 and "), "after", "exec")
    assert applied(operation, wanted) == wanted


REWRITES = [
    pytest.param(
        Rewrite(match="f($X)", replace="g($X)"),
        "a = f( 1 )  # why\n",
        "a = g( 1 )  # why\n",
        id="only the difference is edited",
    ),
    pytest.param(
        Rewrite(match="f($$$A)", replace="on_host(f)($$$A)"),
        """
        f(
            1,  # one
            b=2)
        """,
        """
        on_host(f)(
            1,  # one
            b=2)
        """,
        id="arguments keep their layout and comments",
    ),
    pytest.param(
        Rewrite(match="f($$$A)", replace="f($$$A, device=d)"),
        "f(1, 2)\nf()\n",
        "f(1, 2, device=d)\nf(device=d)\n",
        id="no comma is left where many are none",
    ),
    pytest.param(
        Rewrite(match="ext.f($IN, $$$R)", replace="copy = $IN.clone()\next.f(copy, $$$R)"),
        """
        def m():
            if x:
                ext.f(
                    a,
                    b)
        """,
        """
        def m():
            if x:
                copy = a.clone()
                ext.f(
                    copy,
                    b)
        """,
        id="one statement becomes two, indented where it stands",
    ),
    pytest.param(
        Rewrite(match="go($R)", replace="if a:\n    come($R)\nelse:\n    go($R)"),
        """
        def m():
            go(1)
        """,
        """
        def m():
            if a:
                come(1)
            else:
                go(1)
        """,
        id="a statement moves into a branch",
    ),
    pytest.param(
        Rewrite(match="go($$$R)", replace="if a:\n    go($$$R)"),
        """
        def m():
            go(1,
               2)
        """,
        """
        def m():
            if a:
                go(1,
                   2)
        """,
        id="lines that move are indented anew",
    ),
    pytest.param(
        Rewrite(match="x = torch.cuda.a()", replace="x = torch.sdaa.a()"),
        "import torch as t\nx = t.cuda.a()\n",
        "import torch as t\nx = t.sdaa.a()\n",
        id="a module keeps the name the file gives it",
    ),
    pytest.param(
        Rewrite(match="f($X)", replace="g($X)", where={"X": r"'cuda.*'"}),
        "f('cuda:0'); f('cpu')\n",
        "g('cuda:0'); f('cpu')\n",
        id="where narrows what a name may capture",
    ),
    pytest.param(
        Rewrite(match="f(k=$V)", replace="f(x, k=$V)"),
        "f(\n    k=1)\nf(k=2)\n",
        "f(\n    x, k=1)\nf(x, k=2)\n",
        id="a first argument comes with its space",
    ),
    pytest.param(
        Rewrite(match="a == 'b'", replace="a in ('b', 'c')"),
        "if a == 'b':\n    pass\n",
        "if a in ('b', 'c'):\n    pass\n",
        id="a gap that differs is the template's",
    ),
    pytest.param(
        Rewrite(match="a and b", replace="a"),
        "if a and b:\n    pass\n",
        "if a:\n    pass\n",
        id="what is dropped takes its white space along",
    ),
    pytest.param(
        Rewrite(match="def f($$$P):\n    $$$B", replace="def f($$$P):\n    return 1"),
        "def f(a, b=2):\n    x = a\n    return x\n",
        "def f(a, b=2):\n    return 1\n",
        id="a body is replaced under its signature",
    ),
    pytest.param(
        Rewrite(match="from a import $$$N", replace="from a import $$$N\n\nfrom .b import c"),
        "from a import (x,\n               y)\nz = x\n",
        "from a import (x,\n               y)\n\nfrom .b import c\nz = x\n",
        id="a statement that is added stands below the bracket of the one before it",
    ),
]


@pytest.mark.parametrize(("operation", "before", "after"), REWRITES)
def test_rewrite(operation: Rewrite, before: str, after: str) -> None:
    check(operation, before, after)


def test_a_replacement_that_needs_a_module_the_file_lacks_is_refused() -> None:
    with pytest.raises(PlanError, match="uses `torch`, which the file does not import"):
        applied(Rewrite(match="f()", replace="torch.sdaa.f()"), "f()\n")


@pytest.mark.parametrize(
    ("operation", "before", "after"),
    [
        pytest.param(
            Insert(code="def new():\n    return 1", after="def old($$$P):\n    $$$B"),
            "def old(a):\n    return a  # end\n\n\nx = 1\n",
            "def old(a):\n    return a  # end\n\n\ndef new():\n    return 1\n\n\nx = 1\n",
            id="a function after another, two lines apart",
        ),
        pytest.param(
            Insert(code="def new(self):\n    return 1", before="def old($$$P):\n    $$$B"),
            "class C:\n    # says what old does\n    @wraps\n    def old(self):\n        pass\n",
            "class C:\n    def new(self):\n        return 1\n\n"
            "    # says what old does\n    @wraps\n    def old(self):\n        pass\n",
            id="a method before another, above its comment and decorator",
        ),
        pytest.param(
            Insert(code="y = 2", after="x = $V"),
            "if a:\n    x = 1  # one\n    z = 3\n",
            "if a:\n    x = 1  # one\n    y = 2\n    z = 3\n",
            id="a statement after a line with a comment",
        ),
        pytest.param(
            Insert(code="y = 2", after="x = $V"),
            "x = 1",
            "x = 1\ny = 2\n",
            id="at the end of a file",
        ),
        pytest.param(
            Insert(code="y = 2", at="start", within="f"),
            'def f():\n    """Doc."""\n    return y\n',
            'def f():\n    """Doc."""\n    y = 2\n    return y\n',
            id="at the start of a body, below the docstring",
        ),
        pytest.param(
            Insert(code="y = 2", at="start", within="f"),
            "def f(x):\n    x.half()\n    return y\n",
            "def f(x):\n    y = 2\n    x.half()\n    return y\n",
            id="at the start of a body that starts with a call",
        ),
        pytest.param(
            Insert(code="def m(self):\n    pass", at="end", within="C"),
            "class C:\n    x = 1\n\n\ny = 2\n",
            "class C:\n    x = 1\n\n    def m(self):\n        pass\n\n\ny = 2\n",
            id="a method at the end of a class",
        ),
    ],
)
def test_insert(operation: Insert, before: str, after: str) -> None:
    check(operation, before, after)


CHAIN = """
def f():
    if npu():
        d = 'npu'
    elif cuda():  # usual
        d = 'cuda'
    else:
        d = 'cpu'
"""


@pytest.mark.parametrize(
    ("operation", "line"),
    [
        pytest.param({}, "    else:", id="last, before else"),
        pytest.param({"before": "cuda()"}, "    elif cuda():  # usual", id="before another"),
    ],
)
def test_add_branch(operation: dict[str, str], line: str) -> None:
    branch = AddBranch(chain="npu()", test="sdaa()", body="d = 'sdaa'", **operation)
    new = "    elif sdaa():\n        d = 'sdaa'\n"
    check(branch, CHAIN, CHAIN.replace(line, new + line))


def test_add_branch_in_front_of_the_first() -> None:
    branch = AddBranch(chain="cuda()", test="sdaa()", body="d = 'sdaa'", before="npu()")
    after = CHAIN.replace("    if npu", "    if sdaa():\n        d = 'sdaa'\n    elif npu")
    check(branch, CHAIN, after)


def test_add_branch_to_a_chain_without_else() -> None:
    branch = AddBranch(chain="a()", test="b()", body="y()")
    check(
        branch, "if a():\n    x()  # x\nz()\n", "if a():\n    x()  # x\nelif b():\n    y()\nz()\n"
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("if a() or b():\n    x\n", "if a() or b() or n():\n    x\n", id="of an or"),
        pytest.param("assert b(), 'm'\n", "assert b() or n(), 'm'\n", id="of a lone condition"),
        pytest.param("x = a() or b()\n", "x = a() or b() or n()\n", id="outside of statements"),
        pytest.param("if c and (a() or b()):\n    x\n", "if c and (a() or b() or n()):\n    x\n", id="within parentheses"),
        pytest.param("if not b():\n    x\n", "if not b():\n    x\n", id="but not under a not"),
        pytest.param("if c and b():\n    x\n", "if c and b():\n    x\n", id="nor of the other operator"),
        pytest.param("x = b()\n", "x = b()\n", id="nor where there is no condition"),
    ],
)  # fmt: skip
def test_add_operand(before: str, after: str) -> None:
    check(AddOperand(beside="b()", operand="n()"), before, after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("__all__ = ['a', 'b']\n", "__all__ = ['a', 'b', 'n']\n", id="on one line"),
        pytest.param("__all__ = (\n    'a',\n    'b',\n)\n", "__all__ = (\n    'a',\n    'b',\n    'n',\n)\n", id="one a line, with the comma"),
        pytest.param("__all__ = [\n    'a', 'b',\n    'c'\n]\n", "__all__ = [\n    'a', 'b',\n    'c', 'n'\n]\n", id="filled lines"),
        pytest.param("__all__ = ['a']\n__all__ += ['b']\n", "__all__ = ['a', 'n']\n__all__ += ['b', 'n']\n", id="wherever it is assigned"),
        pytest.param("__all__ = names()\n", "__all__ = names()\n", id="a call without arguments has no entries"),
        pytest.param("__all__ = [\"n\"]\n", "__all__ = [\"n\"]\n", id="there already"),
    ],
)  # fmt: skip
def test_add_entry(before: str, after: str) -> None:
    check(AddEntry(to="__all__", entry="'n'"), before, after)


def test_add_entry_to_a_dict_and_a_call() -> None:
    check(AddEntry(to="d", entry="'n': 1"), "d = {'a': 0}\n", "d = {'a': 0, 'n': 1}\n")
    check(AddEntry(to="d", entry="n=1"), "d = dict(a=0)\n", "d = dict(a=0, n=1)\n")


@pytest.mark.parametrize(
    ("operation", "before", "after"),
    [
        pytest.param(AddImport(module="m", names=("n",)), "from m import a\n", "from m import a, n\n", id="beside others of the module"),
        pytest.param(AddImport(module=".m", names=("n",)), "from mmengine.m import (a,\n                        b)\n", "from mmengine.m import (a,\n                        b, n)\n", id="known by its absolute name"),
        pytest.param(AddImport(module="m", names=("n", "a")), "from m import a\n", "from m import a, n\n", id="only what is missing"),
        pytest.param(AddImport(module="m", names=("n",)), '"""Doc."""\nimport os\n\nx = 1\n', '"""Doc."""\nimport os\nfrom m import n\n\nx = 1\n', id="below the imports"),
        pytest.param(AddImport(module="m"), "import os\n", "import os\nimport m\n", id="a plain import"),
        pytest.param(AddImport(module="m", names=("n",)), "from m import (a, b,)\n", "from m import (a, b, n,)\n", id="with a comma at the end"),
    ],
)  # fmt: skip
def test_add_import(operation: AddImport, before: str, after: str) -> None:
    check(operation, before, after)


def test_add_import_wraps_a_long_line_in_parentheses() -> None:
    line = f"from mmengine.device import {'a' * 30}, {'b' * 15}"
    after = applied(AddImport(module="mmengine.device", names=("is_sdaa_available",)), line + "\n")
    assert after == (
        f"from mmengine.device import ({'a' * 30}, {'b' * 15},\n"
        "                             is_sdaa_available)\n"
    )


def test_defer_import() -> None:
    check(
        DeferImport(name="torchvision"),
        'import os\nimport torchvision\n\n\ndef f():\n    """Doc."""\n    return torchvision.x\n\n\ndef g():\n    return 1\n',
        'import os\n\n\ndef f():\n    """Doc."""\n    import torchvision\n    return torchvision.x\n\n\ndef g():\n    return 1\n',
    )  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("import torch\nwith torch.cuda.amp.autocast(): pass\n", "import torch\nwith torch.amp.autocast(): pass\n", id="a use"),
        pytest.param("import torch as t\nx = t.cuda.amp\n", "import torch as t\nx = t.amp\n", id="under another name"),
        pytest.param("import torch\nfrom torch import cuda\nx = cuda.amp.a\n", "import torch\nfrom torch import cuda\nx = torch.amp.a\n", id="through a submodule"),
        pytest.param("from torch.cuda import amp\nx = amp.a\n", "from torch import amp\nx = amp.a\n", id="at its import"),
        pytest.param("from torch.cuda.amp import GradScaler as G\n", "from torch.amp import GradScaler as G\n", id="of something inside"),
        pytest.param("from torch.cuda import amp, Event\n", "from torch.cuda import Event\nfrom torch import amp\n", id="beside another import"),
        pytest.param("def f(torch):\n    return torch.cuda.amp\n", "def f(torch):\n    return torch.cuda.amp\n", id="not of a parameter"),
        pytest.param("x = 'torch.cuda.amp'  # torch.cuda.amp\n", "x = 'torch.cuda.amp'  # torch.cuda.amp\n", id="not in text"),
        pytest.param("import torch\nx = torch.cuda.amplify\n", "import torch\nx = torch.cuda.amplify\n", id="not of a longer word"),
    ],
)  # fmt: skip
def test_rename(before: str, after: str) -> None:
    check(Rename(old="torch.cuda.amp", new="torch.amp"), before, after)


def test_replace_body_keeps_signature_and_docstring() -> None:
    before = (
        'class C:\n    def m(self, *args):\n        """Doc."""\n        a = 1\n        return a\n'
    )
    digest = body_digest("        a = 1\n        return a")
    operation = ReplaceBody(within="C.m", digest=(digest,), body="return 2")
    after = 'class C:\n    def m(self, *args):\n        """Doc."""\n        return 2\n'
    check(operation, before, after)


def test_replace_body_refuses_a_body_it_was_not_written_for() -> None:
    operation = ReplaceBody(within="f", digest=("0" * 16,), body="return 2")
    with pytest.raises(PlanError, match=r"the body of f has the digest \w{16}, not 0000"):
        applied(operation, "def f():\n    return 1\n")


def test_substitute_leaves_what_is_done_and_shell_variables() -> None:
    operation = Substitute(find="python ", replace="python3 ")
    script = b"python -m x $1 ${PORT:-1}\npython3 y\n"
    changes = [found.changes[0] for found in find_in_text(operation, script)]
    assert [(change.start, change.end, change.new) for change in changes] == [(0, 7, "python3 ")]


def test_substitute_does_not_repeat_itself() -> None:
    operation = Substitute(find="a", replace="xax")
    assert find_in_text(operation, b"xax") == []
    assert len(find_in_text(operation, b"a xax")) == 1


def test_a_file_that_does_not_parse_is_named_with_its_line() -> None:
    with pytest.raises(PlanError, match=r"mmengine/code.py:2: does not parse as Python"):
        applied(Rewrite(match="f()", replace="g()"), "f()\nif f():\n")


def test_a_file_that_is_not_utf_8_is_named() -> None:
    source = SourceFile("mmengine/code.py", b"# -*- coding: latin-1 -*-\nf('\xe9')\n", [b"f"])
    with pytest.raises(PlanError, match=r"mmengine/code\.py:1: does not parse"):
        find_in_python(Rewrite(match="f($X)", replace="g($X)"), source)

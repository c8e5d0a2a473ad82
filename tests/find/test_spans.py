"""Our spans are libcst's own, found in less time."""

from __future__ import annotations

from pathlib import Path

import libcst as cst
import pytest
from libcst.metadata import ByteSpanPositionProvider, MetadataWrapper

import porter
from porter.find.spans import Spans

CODE = {
    "nothing": "",
    "a comment": "# only\n",
    "no line end": "x = 1",
    "two bytes a letter": "größe = 'ü' + f'{ö!r:>{weiß}}'  # ß\nx = größe\n",
    "white space": "def f( a , *, b = 1 ) :\n\n\n\tif a : return (  b  )\n\n",
    "joined lines": "x = (1,\n     2); y = \\\n  x\n",
    "decorated": "@a\n# why\n@b(1)\nclass C(D):\n    async def f(self): ...\n",
    "tried": "try:\n    x\nexcept (A, B) as e:\n    y\nelse:\n    z\nfinally:\n    pass\n",
}
SOURCES = sorted(Path(porter.__file__).parent.glob("find/*.py"))


@pytest.mark.parametrize(
    "code",
    [
        *(pytest.param(code, id=name) for name, code in CODE.items()),
        *(pytest.param(path.read_text("utf-8"), id=path.name) for path in SOURCES),
    ],
)
def test_each_node_is_where_libcst_says(code: str) -> None:
    wrapper = MetadataWrapper(cst.parse_module(code), unsafe_skip_copy=True)
    theirs = {
        node: (span.start, span.start + span.length)
        for node, span in wrapper.resolve(ByteSpanPositionProvider).items()
    }
    ours = Spans(wrapper.module)
    assert list(ours.nodes) == list(theirs)
    assert {node: ours[node] for node in ours.nodes} == theirs

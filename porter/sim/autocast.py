"""Which operators autocast treats how: torch's own lists, read from the header it ships."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from porter.sim.native import BANNED, FULL, FULL_BY_DTYPE, LOWER, PROMOTE, Native

HEADER = Path("include/ATen/autocast_mode.h")

#: The header's macros, which it has since torch 2.4.
MACROS = {
    "AT_FORALL_LOWER_PRECISION_FP": LOWER,
    "AT_FORALL_FP32": FULL,
    "AT_FORALL_FP32_SET_OPT_DTYPE": FULL_BY_DTYPE,
    "AT_FORALL_PROMOTE": PROMOTE,
}

#: The same lists for older releases, in which they are compiled in; unknown names are passed over.
OLDER = {
    LOWER: "_convolution.deprecated _convolution conv1d conv2d conv3d conv_tbc conv_transpose1d "
    "conv_transpose2d.input conv_transpose3d.input convolution prelu addmm addmv addr matmul "
    "einsum mm mv linalg_vecdot linear addbmm baddbmm bmm chain_matmul linalg_multi_dot "
    "_thnn_fused_lstm_cell _thnn_fused_gru_cell lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell "
    "_scaled_dot_product_flash_attention scaled_dot_product_attention",
    FULL: "acos asin cosh erfinv exp expm1 log log10 log2 log1p reciprocal rsqrt sinh tan "
    "pow.Tensor_Scalar pow.Tensor_Tensor pow.Scalar softplus layer_norm native_layer_norm "
    "group_norm frobenius_norm.dim nuclear_norm nuclear_norm.dim cosine_similarity "
    "poisson_nll_loss cosine_embedding_loss nll_loss nll_loss2d hinge_embedding_loss kl_div "
    "l1_loss smooth_l1_loss huber_loss mse_loss margin_ranking_loss multilabel_margin_loss "
    "soft_margin_loss triplet_margin_loss multi_margin_loss binary_cross_entropy_with_logits "
    "dist pdist cdist renorm logsumexp upsample_nearest1d upsample_nearest2d upsample_nearest3d "
    "upsample_linear1d upsample_bilinear2d upsample_trilinear3d upsample_bicubic2d",
    FULL_BY_DTYPE: "prod prod.dim_int softmax.int log_softmax.int cumprod cumsum "
    "linalg_vector_norm linalg_matrix_norm linalg_matrix_norm.str_ord sum sum.dim_IntList",
    PROMOTE: "addcdiv addcmul atan2 bilinear cross dot vdot grid_sampler index_put tensordot "
    "scatter_add cat stack",
}

#: Treated alike in every release, and in no macro of plain names.
ALWAYS = {FULL_BY_DTYPE: "norm.Scalar norm.ScalarOpt_dim", BANNED: "binary_cross_entropy"}


def register_autocast(native: Native, torch: Path) -> int:
    """Register autocast's kernels for the device; how many there are.

    Args:
        torch: The folder of the torch package.
    """
    return sum(native.autocast(policy, f"aten::{op}") for policy, op in autocast_ops(torch))


def autocast_ops(torch: Path) -> Iterator[tuple[int, str]]:
    """Pairs of policy and operator, such as ``(FULL, "pow.Scalar")``."""
    header = torch / HEADER
    text = header.read_text(encoding="utf-8") if header.is_file() else ""
    for macro, policy in MACROS.items():
        ops = _macro_ops(text, macro) or OLDER[policy].split()
        yield from ((policy, op) for op in ops)
    for policy, names in ALWAYS.items():
        yield from ((policy, op) for op in names.split())


def _macro_ops(header: str, macro: str) -> list[str]:
    body = re.search(rf"#define {macro}\(_\)((?:.*\\\n)*.*)", header)
    pairs = re.findall(r"_\((\w+)(?:,\s*(\w+))?\)", body.group(1)) if body else []
    return [f"{name}.{overload}" if overload else name for name, overload in pairs]

"""Scaled dot-product attention."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from simplecell import ops
from simplecell.keras_backend.conversion import convert_to_tensor
from simplecell.keras_backend.dispatch import cast, constant, dtype_of, floating, promote
from simplecell.keras_backend.nn.activations import softmax
from simplecell.keras_backend.numpy.linear import product
from simplecell.keras_backend.numpy.shaping import repeat
from simplecell.ops import shaping
from simplecell.ops.dtypes import to_dtype

_HEADS_FIRST = (0, 2, 1, 3)  # (batch, time, heads, size) ↔ (batch, heads, time, size)


def _most_negative(dtype: str) -> float:
    """Far below any logit, and its sum with one does not overflow."""
    return -0.7 * float(np.finfo(to_dtype(dtype) if dtype != "bfloat16" else np.float32).max)


def dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    bias: Any = None,
    mask: Any = None,
    scale: float | None = None,
    is_causal: bool = False,
    flash_attention: bool | None = None,
    attn_logits_soft_cap: float | None = None,
) -> Any:
    if flash_attention:
        raise ValueError("Flash attention is not supported in simplecell. Pass flash_attention=None.")
    query, key, value = promote(*(convert_to_tensor(x) for x in (query, key, value)), rule=floating)
    if len(query.shape) != 4 or len(key.shape) != 4 or len(value.shape) != 4:
        raise ValueError(
            "`dot_product_attention` only supports 4D inputs. "
            f"Received: query.shape={tuple(query.shape)}, key.shape={tuple(key.shape)}, "
            f"value.shape={tuple(value.shape)}."
        )
    heads, key_heads = query.shape[2], key.shape[2]
    if heads % key_heads:
        raise ValueError(
            f"The number of query heads must be a multiple of the number of key heads. Received: {heads} and "
            f"{key_heads}"
        )
    if heads != key_heads:
        key, value = repeat(key, heads // key_heads, 2), repeat(value, heads // key_heads, 2)
    dtype = dtype_of(query)
    wide = "float32" if dtype in ("float16", "bfloat16") else dtype
    q, k, v = (shaping.transpose(x, _HEADS_FIRST) for x in (query, key, value))
    logits = product(cast(q, wide), cast(k, wide), transpose_b=True)
    logits = logits * constant(1 / math.sqrt(query.shape[-1]) if scale is None else scale, logits)
    if bias is not None:
        logits = ops.add(logits, convert_to_tensor(bias, wide))
    lowest = constant(_most_negative(wide), logits)
    if mask is not None:
        logits = ops.select(cast(convert_to_tensor(mask), "bool"), logits, lowest)
    if is_causal:
        logits = ops.select(np.tri(logits.shape[-2], logits.shape[-1], dtype=bool), logits, lowest)
    weights = cast(softmax(logits, -1), dtype)
    return shaping.transpose(product(weights, v), _HEADS_FIRST)

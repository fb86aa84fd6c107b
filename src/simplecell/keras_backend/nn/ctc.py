"""Connectionist temporal classification: the loss with its gradient (forward-backward), and decoding.

All of it is recursion over time in the log domain, vectorised over the batch; inside programs it runs as a call-out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from keras.src.backend.common import dtypes

from simplecell import ops
from simplecell.keras_backend.conversion import convert_to_tensor
from simplecell.keras_backend.dispatch import callout, cast, dtype_of
from simplecell.ops import shaping
from simplecell.ops.base import Spec

_IMPOSSIBLE = -1e30  # a log probability that stays finite under additions


def _log_softmax(x: np.ndarray) -> np.ndarray:
    shifted = x - x.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def _log_sum(*terms: np.ndarray) -> np.ndarray:
    stacked = np.stack(terms)
    largest = stacked.max(0)
    return largest + np.log(np.exp(stacked - largest).sum(0))


# --- loss -------------------------------------------------------------------------------------------------------------


def ctc_loss(target: Any, output: Any, target_length: Any, output_length: Any, mask_index: int = 0) -> Any:
    """(batch,): −log of the probability of all alignments of `target` with the logits `output`."""
    target, output = convert_to_tensor(target), convert_to_tensor(output)
    if len(target.shape) != 2 or len(output.shape) != 3:
        raise ValueError(
            "Arguments `target` and `output` must have shapes (batch, max_length) and (batch, time, classes). "
            f"Received: target.shape={tuple(target.shape)}, output.shape={tuple(output.shape)}"
        )
    output = cast(output, dtypes.result_type(dtype_of(output), "float32"))
    integers = [cast(convert_to_tensor(x), "int32") for x in (target, target_length, output_length)]

    def loss(
        output: np.ndarray, target: np.ndarray, target_length: np.ndarray, output_length: np.ndarray
    ) -> np.ndarray:
        return -_Lattice(output, target, target_length, output_length, mask_index).log_probability.astype(output.dtype)

    def logits_gradient(
        output: np.ndarray, target: np.ndarray, target_length: np.ndarray, output_length: np.ndarray
    ) -> np.ndarray:
        return _Lattice(output, target, target_length, output_length, mask_index).gradient().astype(output.dtype)

    def gradient(inputs: Any, outputs: Any, diffs: Any) -> Any:
        per_logit = callout(
            logits_gradient, *inputs, label="ctc_loss_gradient", specs=Spec(tuple(inputs[0].shape), dtype_of(inputs[0]))
        )
        return [ops.multiply(per_logit, shaping.reshape(diffs[0], (diffs[0].shape[0], 1, 1))), None, None, None]

    spec = Spec((output.shape[0],), dtype_of(output))
    return callout(loss, output, *integers, label="ctc_loss", specs=spec, gradient=gradient)


class _Lattice:
    """The states blank l₁ blank l₂ … blank, and the log probability of reaching each one at each time."""

    def __init__(
        self, output: np.ndarray, target: np.ndarray, target_length: np.ndarray, output_length: np.ndarray, blank: int
    ) -> None:
        batch, self.times, self.classes = output.shape
        self.states = np.full((batch, 2 * target.shape[1] + 1), blank)
        self.states[:, 1::2] = target
        self.lengths, self.last = output_length, 2 * target_length
        self.rows = np.arange(batch)
        self.log_softmax = _log_softmax(output.astype("float64"))
        known = np.clip(self.states, 0, self.classes - 1)  # what pads the labels may be anything
        self.emission = np.take_along_axis(
            self.log_softmax, np.broadcast_to(known[:, None], (batch, self.times, known.shape[1])), 2
        )
        # The blank between two labels may be left out if they differ. (That holds for a label that is itself the
        # blank's number, too.)
        self.may_skip = np.zeros(self.states.shape, bool)
        self.may_skip[:, 3::2] = target[:, 1:] != target[:, :-1]
        self.forward = self._forward()
        end = self.forward[self.rows, np.maximum(self.lengths - 1, 0)]
        final, before_final = end[self.rows, self.last], end[self.rows, np.maximum(self.last - 1, 0)]
        self.log_probability = _log_sum(final, np.where(self.last > 0, before_final, _IMPOSSIBLE))

    def _forward(self) -> np.ndarray:
        alpha = np.full((self.times, *self.states.shape), _IMPOSSIBLE)
        alpha[0, :, :2] = self.emission[:, 0, :2]
        for t in range(1, self.times):
            stay = alpha[t - 1]
            step = np.pad(stay, ((0, 0), (1, 0)), constant_values=_IMPOSSIBLE)[:, :-1]
            skip = np.where(
                self.may_skip, np.pad(stay, ((0, 0), (2, 0)), constant_values=_IMPOSSIBLE)[:, :-2], _IMPOSSIBLE
            )
            alpha[t] = np.maximum(_log_sum(stay, step, skip) + self.emission[:, t], _IMPOSSIBLE)
        return alpha.transpose(1, 0, 2)

    def _backward(self) -> np.ndarray:
        """Log probability of reaching the end from each state, without the state's own emission."""
        beta = np.full((self.times, *self.states.shape), _IMPOSSIBLE)
        goal = np.full(self.states.shape, _IMPOSSIBLE)
        goal[self.rows, self.last] = 0
        goal[self.rows, np.maximum(self.last - 1, 0)] = 0
        skip_next = np.pad(self.may_skip, ((0, 0), (0, 2)))[:, 2:]
        for t in range(self.times - 1, -1, -1):
            if t < self.times - 1:
                after = beta[t + 1] + self.emission[:, t + 1]
                step = np.pad(after, ((0, 0), (0, 1)), constant_values=_IMPOSSIBLE)[:, 1:]
                skip = np.where(
                    skip_next, np.pad(after, ((0, 0), (0, 2)), constant_values=_IMPOSSIBLE)[:, 2:], _IMPOSSIBLE
                )
                beta[t] = np.maximum(_log_sum(after, step, skip), _IMPOSSIBLE)
            ends = (self.lengths - 1 == t)[:, None]
            beta[t] = np.where(ends, goal, beta[t])
        return beta.transpose(1, 0, 2)

    def gradient(self) -> np.ndarray:
        """softmax − (share of the alignments that pass each class at each time); nothing where no alignment exists."""
        occupancy = np.exp(np.minimum(self.forward + self._backward() - self.log_probability[:, None, None], 0))
        share = np.zeros_like(self.log_softmax)
        for s in range(self.states.shape[1]):
            np.add.at(
                share, (self.rows, slice(None), np.clip(self.states[:, s], 0, self.classes - 1)), occupancy[:, :, s]
            )
        real = np.arange(self.times)[None, :] < self.lengths[:, None]
        possible = self.log_probability > _IMPOSSIBLE / 2
        return np.where((real & possible[:, None])[..., None], np.exp(self.log_softmax) - share, 0)


# --- decoding ---------------------------------------------------------------------------------------------------------


def ctc_decode(
    inputs: Any,
    sequence_lengths: Any,
    strategy: str = "greedy",
    beam_width: int = 100,
    top_paths: int = 1,
    merge_repeated: bool = True,
    mask_index: int | None = 0,
) -> tuple[Any, Any]:
    """(paths, batch, time) labels, filled up with −1, and (batch, paths) scores."""
    if strategy not in ("greedy", "beam_search"):
        raise ValueError(f"Invalid strategy {strategy}. Supported values are 'greedy' and 'beam_search'.")
    inputs = convert_to_tensor(inputs)
    inputs = cast(inputs, dtypes.result_type(dtype_of(inputs), "float32"))
    lengths = cast(convert_to_tensor(sequence_lengths), "int32")
    batch, times, classes = inputs.shape
    blank = classes - 1 if mask_index is None else mask_index
    paths = 1 if strategy == "greedy" else top_paths

    def decode(x: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if strategy == "greedy":
            found = [_greedy(x[i, : lengths[i]], merge_repeated, blank) for i in range(batch)]
        else:
            found = [
                _beam_search(_log_softmax(x[i, : lengths[i]].astype("float64")), beam_width, top_paths, blank)
                for i in range(batch)
            ]
        labels = np.full((paths, batch, times), -1, "int32")
        scores = np.full((batch, paths), -np.inf, x.dtype)
        for i, ranked in enumerate(found):
            for rank, (path, score) in enumerate(ranked):
                labels[rank, i, : len(path)] = path
                scores[i, rank] = score
        return labels, scores

    specs = (Spec((paths, batch, times), "int32"), Spec((batch, paths), dtype_of(inputs)))
    return callout(decode, inputs, lengths, label="ctc_decode", specs=specs)


Ranked = list[tuple[Any, float]]


def _greedy(x: np.ndarray, merge_repeated: bool, blank: int) -> Ranked:
    best = x.argmax(-1)
    keep = best != blank
    if merge_repeated:
        keep[1:] &= best[1:] != best[:-1]
    return [(best[keep], -float(x.max(-1).sum()))]


def _beam_search(log_p: np.ndarray, beam_width: int, top_paths: int, blank: int) -> Ranked:
    """Prefixes with the log probabilities that their alignments so far end in a blank, and in their last label."""
    beams: dict[tuple[int, ...], tuple[float, float]] = {(): (0.0, -np.inf)}
    for step in log_p:
        grown: dict[tuple[int, ...], list[float]] = {}
        for prefix, (in_blank, in_label) in beams.items():
            either = np.logaddexp(in_blank, in_label)
            entry = grown.setdefault(prefix, [-np.inf, -np.inf])
            entry[0] = np.logaddexp(entry[0], either + step[blank])
            if prefix:
                entry[1] = np.logaddexp(entry[1], in_label + step[prefix[-1]])
            for label, p in enumerate(step):
                if label != blank:  # the same label again needs a blank between
                    entry = grown.setdefault((*prefix, label), [-np.inf, -np.inf])
                    entry[1] = np.logaddexp(entry[1], (in_blank if prefix and label == prefix[-1] else either) + p)
        ranked = sorted(grown.items(), key=lambda item: -np.logaddexp(*item[1]))[:beam_width]
        beams = {prefix: (scores[0], scores[1]) for prefix, scores in ranked}
    order = sorted(beams.items(), key=lambda item: -np.logaddexp(*item[1]))[:top_paths]
    return [(list(prefix), float(np.logaddexp(*scores))) for prefix, scores in order]

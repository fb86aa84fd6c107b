"""ONNX Runtime: all graph optimisations, inputs and outputs bound once (no copies)."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.peers.onnx_model import channels_first, onnx_model


def prepare(graph: Any, x: np.ndarray, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0" if threads == 1 else "1")
    session = onnxruntime.InferenceSession(
        onnx_model(graph).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    binding = session.io_binding()
    given = onnxruntime.OrtValue.ortvalue_from_numpy(channels_first(x))
    binding.bind_ortvalue_input("input0", given)
    binding.bind_output("output0")

    def result() -> np.ndarray:
        y = binding.copy_outputs_to_cpu()[0]
        return np.moveaxis(y, 1, -1) if y.ndim > 2 else y

    return lambda: session.run_with_iobinding(binding), result

"""OpenVINO on the CPU, held to float32 (its default may be bfloat16), latency mode."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.peers.onnx_model import channels_first, onnx_model


def prepare(graph: Any, x: np.ndarray, threads: int) -> Any:
    import openvino

    core = openvino.Core()
    model = core.read_model(onnx_model(graph).SerializeToString())
    hints = {
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
    }
    compiled = core.compile_model(model, "CPU", hints)
    request = compiled.create_infer_request()
    given = channels_first(x)
    request.set_input_tensor(openvino.Tensor(given, shared_memory=True))

    def result() -> np.ndarray:
        assert given is not None  # the request reads it in place, so it must live as long
        y = request.get_output_tensor().data
        return np.moveaxis(y, 1, -1) if y.ndim > 2 else y

    return request.infer, result

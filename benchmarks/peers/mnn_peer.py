"""MNN on the CPU, precision high (float32), its model made by its own converter from ONNX."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.onnx_model import channels_first, onnx_model


def prepare(graph: Any, x: np.ndarray, threads: int) -> Any:
    import MNN
    import onnx

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "model.onnx", Path(folder) / "model.mnn"
        onnx.save(onnx_model(graph), source)
        command = ["mnnconvert", "-f", "ONNX", "--modelFile", str(source), "--MNNModel", str(target), "--bizCode", "b"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        interpreter = MNN.Interpreter(str(target))
    session = interpreter.createSession({"backend": "CPU", "precision": "high", "numThread": threads})
    given = channels_first(x)
    tensor = interpreter.getSessionInput(session)
    interpreter.resizeTensor(tensor, given.shape)
    interpreter.resizeSession(session)
    tensor.copyFrom(MNN.Tensor(given.shape, MNN.Halide_Type_Float, given, MNN.Tensor_DimensionType_Caffe))

    def result() -> np.ndarray:
        output = interpreter.getSessionOutput(session)
        host = MNN.Tensor(
            output.getShape(),
            MNN.Halide_Type_Float,
            np.zeros(output.getShape(), np.float32),
            MNN.Tensor_DimensionType_Caffe,
        )
        output.copyToHostTensor(host)
        y = np.array(host.getNumpyData())
        return np.moveaxis(y, 1, -1) if y.ndim > 2 else y

    return lambda: interpreter.runSession(session), result

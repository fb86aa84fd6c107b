"""ncnn, its model made by pnnx from ONNX; Winograd and packed layouts on (its defaults), float32 storage and
arithmetic."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.onnx_model import channels_first, onnx_model


def prepare(graph: Any, x: np.ndarray, threads: int) -> Any:
    import ncnn
    import onnx
    import pnnx

    if len(x) != 1:
        raise NotImplementedError("ncnn has no batch axis")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        onnx.save(onnx_model(graph), path)
        binary = pnnx.EXEC_PATH if hasattr(pnnx, "EXEC_PATH") else "pnnx"
        subprocess.run(
            [binary, str(path), "fp16=0"], cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        net = ncnn.Net()
        net.opt.num_threads = threads
        net.opt.use_vulkan_compute = False
        for name in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage", "int8_inference"):
            with contextlib.suppress(AttributeError):
                setattr(net.opt, f"use_{name}", False)
        net.opt.use_packing_layout = True
        if net.load_param(str(path.with_suffix(".ncnn.param"))) or net.load_model(str(path.with_suffix(".ncnn.bin"))):
            raise RuntimeError("ncnn cannot load what pnnx made")
    array = channels_first(x)[0]
    given = ncnn.Mat(array).clone()
    keep: list[Any] = []

    def run() -> None:
        extractor = net.create_extractor()
        extractor.input("in0", given)
        keep[:] = [extractor.extract("out0")[1]]

    def result() -> np.ndarray:
        y = np.array(keep[0])[None]
        return np.moveaxis(y, 1, -1) if y.ndim > 2 else y

    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    run()
    return run, result

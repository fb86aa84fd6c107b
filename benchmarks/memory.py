"""`python -m benchmarks.memory`: peak memory of a process that loads a network from a file and runs it, one process per
runtime.

Each child imports its own runtime and NumPy only. Linux's VmHWM, so resident pages of the libraries count too.
simplecell runs three times: as a program that was given the model's file alone (a folder that Keras saved, weights
given up once they are packed, kernels on disk as a program's own code is), the same with an empty cache of kernels, so
with LLVM; and with a `.keras` archive, the model and its weights alive beside the program.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile

FROZEN = """
import simplecell, keras
model = keras.saving.load_model(folder + "/model", compile=False)
program = simplecell.compile(model, batch_size=1, threads=1)
del model
program.freeze()
run = lambda: program(np.zeros((1, 224, 224, 3), np.float32))
"""
CHILDREN = {
    "simplecell, no kernels on disk": FROZEN,
    "simplecell": FROZEN,
    "simplecell, model alive": """
import simplecell, keras
model = keras.saving.load_model(folder + "/model.keras", compile=False)
program = simplecell.compile(model, batch_size=1, threads=1)
run = lambda: program(np.zeros((1, 224, 224, 3), np.float32))
""",
    "onnxruntime": """
import onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(folder + "/model.onnx", options, providers=["CPUExecutionProvider"])
run = lambda: session.run(None, {"input0": np.zeros((1, 3, 224, 224), np.float32)})
""",
    "openvino": """
import openvino
hints = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": 1}
compiled = openvino.Core().compile_model(folder + "/model.onnx", "CPU", hints)
run = lambda: compiled(np.zeros((1, 3, 224, 224), np.float32))
""",
    "mnn": """
import MNN
interpreter = MNN.Interpreter(folder + "/model.mnn")
session = interpreter.createSession({"backend": "CPU", "precision": "high", "numThread": 1})
interpreter.releaseModel() if hasattr(interpreter, "releaseModel") else None
run = lambda: interpreter.runSession(session)
""",
    "ncnn": """
import ncnn
net = ncnn.Net()
net.opt.num_threads = 1
net.load_param(folder + "/model.ncnn.param"), net.load_model(folder + "/model.ncnn.bin")
def run():
    extractor = net.create_extractor()
    extractor.input("in0", ncnn.Mat(np.zeros((3, 224, 224), np.float32)))
    return extractor.extract("out0")
""",
    "torch": """
import torch
torch.set_num_threads(1)
model = torch.jit.load(folder + "/model.pt")
def run():
    with torch.inference_mode():
        return model(torch.zeros(1, 3, 224, 224).to(memory_format=torch.channels_last))
""",
}
FRAME = """
import sys, numpy as np
folder = sys.argv[1]
{body}
for _ in range(4):
    run()
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="ResNet50")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-c", f"from benchmarks.memory import save; save({options.network!r}, {folder!r})"],
            check=True,
        )
        found: dict[str, float] = {}
        environment = {**os.environ, "SIMPLECELL_CACHE": f"{folder}/kernels"}
        for name, body in CHILDREN.items():
            command = [sys.executable, "-W", "ignore", "-c", FRAME.format(body=body), folder]
            child = subprocess.run(command, capture_output=True, text=True, env=environment)
            if child.returncode == 0:
                found[name] = int(child.stdout.split()[-1]) / 1024
            else:
                print(
                    f"  missing {name}: {child.stderr.strip().splitlines()[-1] if child.stderr.strip() else 'failed'}"
                )
    for name, mib in found.items():
        print(
            f"{options.network} peak memory, one process: {name:32}{mib:6.0f} MiB, simplecell "
            f"{found['simplecell'] / mib:5.2f}×"
        )


def save(network: str, folder: str) -> None:
    """The network in every runtime's own format."""
    import numpy as np

    from benchmarks import networks
    from benchmarks.frozen import frozen

    model = networks.build(network)
    model.save(f"{folder}/model.keras")
    model.save(f"{folder}/model", zipped=False)
    graph = frozen(model, 1)
    try:
        import onnx

        from benchmarks.peers.onnx_model import onnx_model

        onnx.save(onnx_model(graph), f"{folder}/model.onnx")
    except ImportError:
        return
    for command in (
        ["pnnx", f"{folder}/model.onnx", "fp16=0"],
        [
            "mnnconvert",
            "-f",
            "ONNX",
            "--modelFile",
            f"{folder}/model.onnx",
            "--MNNModel",
            f"{folder}/model.mnn",
            "--bizCode",
            "b",
        ],
    ):
        try:
            subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        except (OSError, subprocess.CalledProcessError):
            print(f"  {command[0]} failed")
    try:
        import torch

        from benchmarks.peers.torch_peer import _module

        given = torch.from_numpy(np.zeros((1, 3, 224, 224), np.float32)).to(memory_format=torch.channels_last)
        with torch.inference_mode():
            module = _module(graph).eval().to(memory_format=torch.channels_last)
            torch.jit.save(torch.jit.freeze(torch.jit.trace(module, given)), f"{folder}/model.pt")
    except ImportError:
        return


if __name__ == "__main__":
    os.environ.setdefault("SIMPLECELL_THREADS", "1")
    main()

import subprocess
import sys

from simplecell import ops


def test_all_names_exist_once():
    assert len(set(ops.__all__)) == len(ops.__all__)
    assert all(hasattr(ops, name) for name in ops.__all__)


def test_ops_need_numpy_alone():
    code = (
        "import sys, simplecell.ops; print([m for m in ('keras', 'jax', 'scipy', 'llvmlite', 'ml_dtypes') if "
        "m in sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_op_names():
    assert ops.ConvolutionGradientSrc((1,), (1,), ((0, 0),), (1,)).name == "convolution_gradient_src"
    assert ops.OneHot(3).name == "one_hot" and ops.Binary("add").name == "add"

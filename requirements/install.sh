#!/bin/sh
# Makes .venv hold what the locks say, and returns at once where it already does. Needs a Python with pip that
# requirements/supported.py finds good, and a package index.
#
#   PYTHON        the interpreter to build .venv on (default: python3)
#   TORCH         cpu, cuda or auto: which lock of torch (auto: what .venv has; on a new .venv cpu on macOS and where a local wheel folder
#                 holds the CPU build, else cuda, which is far larger and runs on the CPU too)
#   PIP_FIND_LINKS  local wheel folders, as for pip (its configuration file is read too)
#   EXTRA_INDEX   a further package index (default: none)
#
# Of the settings of pip and uv, only those hold here that say how to reach an index.
# Safe to interrupt: .venv/.installed, the checksum of the installed locks, is removed first and written last, and a .venv without it is made anew.
set -eu
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
torch=${TORCH:-auto}
venv=.venv
installed=$venv/.installed
uv=.bootstrap/bin/uv

fail() {
    printf 'error: %s\n' "$1" >&2
    exit 1
}

checksum() {
    cat "$@" | cksum | tr ' ' '-'
}

locks() { # of torch's kind $1
    printf 'requirements/%s.lock ' compute study develop "torch-$1"
}

path_without_venv() { # a .venv is not built on the one that it replaces
    set -f
    rest=
    old_ifs=$IFS
    IFS=:
    for entry in $PATH; do
        case $entry in
        "$(pwd)/$venv/bin" | "$(pwd -P)/$venv/bin") ;;
        *) rest=${rest:+$rest:}$entry ;;
        esac
    done
    IFS=$old_ifs
    set +f
    printf '%s' "$rest"
}

wheel_folders() { # uv does not read pip's configuration
    if [ -n "${PIP_FIND_LINKS:-}" ]; then
        printf '%s' "$PIP_FIND_LINKS"
    else
        "$python" -m pip config get global.find-links 2>/dev/null | tr '\n' ' ' || true
    fi
}

torch_here() { # the kind of torch for a new .venv
    if [ "$(uname -s)" = Darwin ]; then
        echo cpu
        return
    fi
    version=$(sed -n 's/^torch==//p' requirements/torch.in)
    tag=$("$python" -c 'import sys; print("cp%d%d" % sys.version_info[:2])')
    for folder in $(wheel_folders); do
        for wheel in "${folder#file://}/torch-$version+cpu-$tag-"*.whl; do
            if [ -f "$wheel" ]; then
                echo cpu
                return
            fi
        done
    done
    echo cuda
}

forget_settings() { # of pip and uv, but for those that say how to reach an index
    for name in $(env | sed -n 's/^\(PIP_[A-Z0-9_]*\)=.*/\1/p'); do
        case $name in
        PIP_*INDEX* | PIP_FIND_LINKS | PIP_*CERT | PIP_PROXY | PIP_TRUSTED_HOST | PIP_*TIMEOUT | PIP_RETRIES | PIP_*CACHE_DIR | PIP_CONFIG_FILE | PIP_KEYRING_PROVIDER) ;;
        *) unset "$name" ;;
        esac
    done
    for name in $(env | sed -n 's/^\(UV_[A-Z0-9_]*\)=.*/\1/p'); do
        case $name in
        UV_*INDEX* | UV_FIND_LINKS | UV_*CERT* | UV_NATIVE_TLS | UV_INSECURE_HOST | UV_HTTP_* | UV_OFFLINE | UV_CACHE_DIR | UV_NO_CACHE | UV_CONCURRENT_* | UV_LINK_MODE | UV_KEYRING_PROVIDER) ;;
        *) unset "$name" ;;
        esac
    done
    unset PYTHONPATH PYTHONHOME PYTHONSAFEPATH PYTHONNOUSERSITE # pip may lie in the user's site
}

check_python() {
    "$python" -c '' 2>/dev/null ||
        fail "there is no $python: install Python 3.11, 3.12 or 3.13, or name it with 'make setup PYTHON=/path/to/python'"
    why=$("$python" requirements/supported.py) || fail "$python will not do: $why"
}

install_uv() {
    if [ -x "$uv" ] && [ "$(cat .bootstrap/.installed 2>/dev/null)" = "$(checksum requirements/bootstrap.lock)" ]; then
        return
    fi
    "$python" -m pip --version >/dev/null 2>&1 ||
        fail "$python has no pip: install it (python3-pip in most distributions, or '$python -m ensurepip'), or name a Python that has it with 'make setup PYTHON=python3.12'"
    rm -rf .bootstrap
    # Variables and empty options: what pip's configuration files may say, too.
    PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 "$python" -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
        --require-hashes --prefix= --root=/ --target .bootstrap -r requirements/bootstrap.lock ||
        fail "pip could not install the installer (requirements/bootstrap.lock): see its message above"
    [ -x "$uv" ] || fail "pip did not put the installer into .bootstrap: run make setup with PIP_CONFIG_FILE=/dev/null"
    checksum requirements/bootstrap.lock >.bootstrap/.installed
}

PATH=$(path_without_venv)
forget_settings
case $torch in
auto | cpu | cuda) ;;
*) fail "TORCH=$torch is unknown: use TORCH=cpu, TORCH=cuda or TORCH=auto" ;;
esac

has=
if [ -x "$venv/bin/python" ] && [ -f "$installed" ]; then
    has=$(cat "$installed")
fi
if [ "$torch" = auto ] && [ -n "$has" ]; then
    torch=${has%% *}
fi

if [ -z "$has" ] || [ "$has" != "$torch $(checksum $(locks "$torch") requirements/start.py)" ]; then
    check_python
    if [ -z "${JSAE_SETUP_ALONE:-}" ]; then # a second set-up waits here, and then mostly finds everything done
        exec 9<requirements/install.sh
        "$python" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)' 2>/dev/null || : # a file system without locks
        JSAE_SETUP_ALONE=1 exec sh requirements/install.sh
    fi
    if [ "${has%% *}" != "$torch" ]; then # nothing there, or another kind of torch
        has=
        rm -rf "$venv"
    fi
    install_uv
    if [ "$torch" = auto ]; then
        torch=$(torch_here)
    fi
    wanted="$torch $(checksum $(locks "$torch") requirements/start.py)"

    export UV_PYTHON_DOWNLOADS=never
    cache=${UV_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/dev/null}/.cache}/uv}
    if ! { mkdir -p "$cache" && [ -w "$cache" ]; } 2>/dev/null; then
        export UV_CACHE_DIR=.bootstrap/cache
    fi
    if [ -z "${UV_FIND_LINKS:-}" ] && [ "$torch" = cpu ]; then # to "torch==2.13.0" of the cuda lock, the local 2.13.0+cpu would do
        UV_FIND_LINKS=$(wheel_folders | tr -s ' ' ',')
        export UV_FIND_LINKS=${UV_FIND_LINKS%,}
    fi
    if [ -z "${UV_DEFAULT_INDEX:-}" ] && [ -n "${PIP_INDEX_URL:-}" ]; then
        export UV_DEFAULT_INDEX=$PIP_INDEX_URL
    fi
    echo "Installing the locked requirements into $venv (torch: $torch) ..."
    if [ -z "$has" ]; then
        "$uv" venv --quiet --relocatable --python "$("$python" -c 'import sys; print(sys.executable)')" "$venv"
    fi
    rm -f "$installed"
    quiet=--quiet
    if [ -t 2 ]; then
        quiet=
    fi
    # Hashes decide which file is right, so it does not matter which index it comes from.
    # Compiled once here: a process that may not write .pyc files compiles torch at every import, for seconds.
    "$uv" pip sync $quiet --python "$venv/bin/python" --compile-bytecode --require-hashes \
        --build-constraints requirements/compute.lock --index-strategy unsafe-best-match \
        ${EXTRA_INDEX:+--index "$EXTRA_INDEX"} $(locks "$torch") ||
        fail "the installation failed, see the message above; run it again when the cause is gone$(
            if [ "$torch" = cpu ]; then echo " (TORCH=cuda needs no local wheel of torch and runs on the CPU too)"; fi
        )"
    for packages in "$venv"/lib/python*/site-packages; do
        cp requirements/start.py "$packages/jsae_start.py"
        echo 'import jsae_start' >"$packages/jsae_start.pth"
    done
    echo "$wanted" >"$installed"
fi

# `import jsae` works from any folder: a line of a .pth file is a path from its own folder, so it holds in a moved project and
# whatever the project's folder is called.
for folder in "$venv"/lib/python*/site-packages; do
    if [ -d "$folder" ] && [ ! -e "$folder/jsae.pth" ]; then
        echo ../../../.. >"$folder/jsae.pth"
    fi
done

# DVC asks for a git repository, unless it is told that there is none (a source tarball).
if [ -e .git ]; then
    if grep -qs no_scm .dvc/config.local; then
        "$venv/bin/dvc" config --local --unset core.no_scm
    fi
elif ! grep -qs no_scm .dvc/config.local; then
    "$venv/bin/dvc" config --quiet --local core.no_scm true
fi

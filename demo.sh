#!/bin/sh
# What trainlint does, on the scripts in fixtures/: `make demo` sets up and calls this.
# Each command must end with the exit code that its fixture deserves.
set -u
cd "$(dirname "$0")" || exit 2

step() {
    expected=$1
    shift
    printf '\n$ %s\n' "$*"
    "$@"
    status=$?
    if [ "$status" -ne "$expected" ]; then
        echo "demo: expected exit code $expected, got $status" >&2
        exit 1
    fi
}

step 1 trainlint check fixtures/broken.py
step 0 trainlint check fixtures/mended.py
step 1 trainlint run fixtures/exploding.py --trial clip-norm=1.0 --trial spectral-norm
step 1 trainlint run fixtures/overfitting.py

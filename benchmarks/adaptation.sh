#!/usr/bin/env bash
# What docs/memory.md says about adaptation with sleep, with the network that is shipped.
#
#     benchmarks/adaptation.sh [FOLDER]
#
# Each part leaves a JSON file (NAME.json.partial while it runs); a part whose file is there is not
# repeated, so that the script can be stopped and started again. What was stopped goes on, but for
# the games against exploiters and the proofs, which begin anew. On one free core: connect ten
# minutes, tron a quarter of an hour, volley an hour and a half (a game has 3000 decisions),
# exploiters and the proofs an hour.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-runs/adaptation}
python=${PYTHON:-.venv/bin/python}
export OMP_NUM_THREADS=1 PYTHONPATH=.
mkdir -p "$out"

part() { # part NAME COMMAND...: unless it was done before
    local json="$out/$1.json"
    shift
    test -e "$json" && return
    "$python" "$@" --json "$json.partial"
    mv "$json.partial" "$json"
}

opponents() { # opponents GAME OPTION...: stubborn ones; their games are in a memory of their own
    local game=$1 life=(--memory "$out/memory-$1")
    shift
    test -e "$out/memory-$game/memory.sqlite" && life+=(--resume)
    part "$game" -m selfplay adapt --game "$game" "$@" "${life[@]}"
}

exploiter() { # exploiter GAME SEED: trained in the folder GAME-SEED
    local folder="$out/$1-$2" where=--out
    test -e "$folder/run.json" && where=--resume
    part "exploit-$1-$2" -m selfplay exploit --games "$1" --target 0.7 --seed "$2" "$where" "$folder"
}

opponents connect --opponents 60 --games 12
opponents tron --opponents 20 --games 24 --strangers 60
for game in connect tron; do
    folders=()
    for seed in 0 1; do
        folders+=("$out/$game-$seed")
        exploiter "$game" "$seed"
    done
    part "against-$game" -m selfplay adapt --game "$game" --against "${folders[@]}" --games 20 \
        --ladder-games 200
done
part proofs benchmarks/memory_proofs.py --opponents 4 --games 4
opponents volley --opponents 20 --games 6 --strangers 20

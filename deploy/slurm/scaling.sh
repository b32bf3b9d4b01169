#!/bin/bash
# The scaling study: for each number of nodes an array of repetitions of the paper's join, one rank a node.
#   deploy/slurm/scaling.sh [options of sbatch ...]
# WORLDS (1 2 4 8 16 32 64), REPETITIONS (10), SCALING (weak or strong), ROWS, ITERATIONS, BOOTSTRAP (rendezvous, file, mpi) and OUT
# (weft-results/scaling) are variables. Each repetition leaves OUT/SCALING-WORLD/NUMBER/results/join.csv.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
join=${JOIN:-$here/../../examples/scaling_join.py}
scaling=${SCALING:-weak}
for world in ${WORLDS:-1 2 4 8 16 32 64}; do
  out=$(realpath -m "${OUT:-weft-results/scaling}/$scaling-$world")
  mkdir -p "$out"
  sbatch --job-name="weft-$scaling-$world" --nodes="$world" --ntasks-per-node=1 --array="0-$((${REPETITIONS:-10} - 1))" \
    --output="$out/%a.log" "$@" "$here/${BOOTSTRAP:-rendezvous}.sbatch" --folder "$out" \
    "$join" --scaling "$scaling" --rows "${ROWS:-1000000}" --iterations "${ITERATIONS:-4}" --csv join.csv --stopwatch stopwatch.csv
done

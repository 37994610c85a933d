#!/bin/bash
# An array of tasks that share a file system; the last line of the output says how to merge.
#   sbatch slurm.sh MODEL OUTPUT
#SBATCH --job-name=quantize
#SBATCH --array=1-4
#SBATCH --cpus-per-task=4
#SBATCH --mem=1G
#SBATCH --requeue
set -euo pipefail
model=$1
output=$2
count=${SLURM_ARRAY_TASK_COUNT:-4}
npx monoquant quantize "$model" --bits 4 --part "$SLURM_ARRAY_TASK_ID/$count" -o "$output" --resume --force
echo "When all tasks are done: npx monoquant merge '$output'.part-*-of-$count -o '$output'"

#!/bin/bash
# peers.sh PEERS SHARED OUT [MODEL...]    ours beside the peers of SHARED/peers (a Python environment PEERS, made by its setup.sh), in one run.
#
# For each model of SHARED/models: 300 samples of its calibration file; `quantd quantize` and ONNX Runtime's quantize_static and nncf.quantize on the same
# ones, wall seconds and peak memory of the whole process (GNU time); then one table by compare.py on the test file: metric, signal to noise, latency in turn.
# REC=rec.onnx REC_CALIB=calib.npz REC_BUNDLE=folder adds the OCR recognizer, timed alone (compare.py knows no metric for text). The bundle is rec.onnx with a
# model.json that names task and alphabet: without them candidates are compared by signal to noise alone, which chose a model that reads 91 % of the lines.
set -eu
peers=$1 shared=$2 out=$3
shift 3
[ $# -gt 0 ] || set -- fashion-resnet fashion-mobile fashion-elu
here=$(cd "$(dirname "$0")/../.." && pwd)
main="$here/dist/src/main.js"
mkdir -p "$out"

# timed NAME COMMAND...   prints seconds and MiB; a failing command is a result
timed() {
  local name=$1
  shift
  /usr/bin/time -f "%e s  %M KiB" -o "$out/time" "$@" >"$out/$name.log" 2>&1 || true
  printf '  %-6s whole process %s%s\n' "$name" "$(tail -n 1 "$out/time" | awk '{printf "%6.2f s  %5.0f MiB", $1, $3 / 1024}')" \
    "$(sed -n 's/.*"seconds": \([0-9.]*\).*/, quantizing alone \1 s/p' "$out/$name.log" | tail -n 1)"
}

# quantize MODEL.onnx CALIB.npz NAME [BUNDLE]   the peers take the file, ours the bundle where there is one
quantize() {
  timed ours node "$main" quantize "${4:-$1}" --samples "$2" --out "$out/$3-ours" --count 300 --max-drop 1
  timed ort "$peers/bin/python" "$shared/peers/quantize.py" ort "$1" "$2" "$out/$3-ort.onnx"
  timed nncf "$peers/bin/python" "$shared/peers/quantize.py" nncf-onnx "$1" "$2" "$out/$3-nncf.onnx"
  node -e '
    const { stages, coverage, chosen } = JSON.parse(require("fs").readFileSync(process.argv[1]))
    const upTo = stages.filter(({ stage }) => stage !== "judge").reduce((sum, { seconds }) => sum + seconds, 0)
    console.log(`  ours   quantizing alone ${upTo.toFixed(2)} s, up to the written model, coverage ${(coverage * 100).toFixed(1)} %, ${chosen.scheme}, ${chosen.estimator}`)
  ' "$out/$3-ours/report.json"
}

for model in "$@"; do
  echo "$model"
  "$peers/bin/python" "$shared/peers/samples.py" "$model" "$out/npz"
  "$peers/bin/python" - "$out/npz/$model-calib.npz" <<'P'
import sys, numpy as np
a = dict(np.load(sys.argv[1]))
np.savez(sys.argv[1], **{k: v[:300] for k, v in a.items()})
P
  quantize "$shared/models/$model.onnx" "$out/npz/$model-calib.npz" "$model"
  metric=top1
  case $model in ratings-*) metric=rmse ;; esac
  "$peers/bin/python" "$shared/peers/compare.py" "$shared/models/$model.onnx" "$out/npz/$model-test.npz" --metric $metric --reps 1000 \
    "ours=$out/$model-ours/model.onnx@ort" "ort=$out/$model-ort.onnx@ort" "nncf=$out/$model-nncf.onnx@ort"
done
if [ -n "${REC:-}" ]; then
  echo 'OCR recognizer, 300 lines'
  quantize "$REC" "$REC_CALIB" rec "${REC_BUNDLE:?}"
fi

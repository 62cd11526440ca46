#!/bin/bash
# accuracy-aware.sh PEERS SHARED OUT    where plain int8 loses more than 0.1 point, accuracy-aware does not; every step printed.
#
# Steps are held to the validation set that they are given, as POT's were: fashion-mobile (symmetric, MSE) to the 2,000 test pictures, its judge has the
# calibration samples beyond the first 300. REC_BUNDLE, REC_CALIB, REC_TEST and REC_OTHER (the OCR recognizer with its alphabet, and three archives of lines)
# add the recognizer with all settings at their defaults: held to REC_TEST, judged on REC_OTHER.
# What is reached on some hundred items is no promise for others: the judge's line, on items that nothing was chosen by, says what it is worth there.
set -eu
peers=$1 shared=$2 out=$3
main="$(cd "$(dirname "$0")/../.." && pwd)/dist/src/main.js"
mkdir -p "$out"

# both NAME MODEL CALIB VALIDATION OTHER ARGUMENT...
both() {
  local name=$1 model=$2 calib=$3 validation=$4 other=$5
  shift 5
  echo "$name, plain"
  node "$main" quantize "$model" --samples "$calib" --held-out "$validation" --max-drop 0.001 --out "$out/$name-plain" "$@" >"$out/$name-plain.log" 2>&1 || true
  told "$out/$name-plain/report.json"
  echo "$name, accuracy-aware"
  node "$main" quantize "$model" --samples "$calib" --validation "$validation" ${other:+--held-out "$other"} --max-drop 0.001 --pipeline accuracy-aware \
    --out "$out/$name-aware" "$@" >"$out/$name-aware.log" 2>&1 || true
  told "$out/$name-aware/report.json"
}

told() {
  node -e '
    const { judgement, accuracy_aware: aware, coverage } = JSON.parse(require("fs").readFileSync(process.argv[1]))
    console.log(`  judge, ${judgement.items} items: ${judgement.sentence}`)
    if (aware === undefined) process.exit()
    console.log(`  ${aware.sentence}`)
    console.log(`  kept ${(100 * aware.kept).toFixed(1)} %, coverage ${(100 * coverage).toFixed(1)} %, ${aware.estimate_s} s expected, ${aware.seconds} s taken`)
    for (const { step, sentence } of aware.steps) console.log(`    ${step.padEnd(7)} ${sentence}`)
  ' "$1"
}

"$peers/bin/python" "$shared/peers/samples.py" fashion-mobile "$out/npz"
both fashion-mobile "$shared/models/fashion-mobile.onnx" "$out/npz/fashion-mobile-calib.npz" "$out/npz/fashion-mobile-test.npz" '' \
  --preset performance --estimator mse --threads 1
if [ -n "${REC_BUNDLE:-}" ]; then
  both recognizer "$REC_BUNDLE" "$REC_CALIB" "$REC_TEST" "$REC_OTHER" --ranking-samples 50
fi

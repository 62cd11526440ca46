#!/bin/bash
# toolkit.sh PEERS SHARED OUT [MODEL...]    the toolkit's table: presets auto and accuracy beside the peers of SHARED/peers, in one run.
#
# PEERS is a Python environment made by SHARED/peers/setup.sh. For each model of SHARED/models: 300 calibration samples, `quantd quantize` with both presets,
# quantize_static and nncf.quantize on the same samples; then metric, signal to noise and latency (in turn, one thread) on the test file, by compare.py.
# Behind the models: what equalization does for fashion-outlier, the schemes on fashion-elu, calibration on the spot for the shifted site.
# BUNDLES=FOLDER DATA=FOLDER adds the real models: FOLDER/NAME is a bundle, DATA/NAME-calib.npz and DATA/NAME-test.npz its samples.
set -eu
peers=$1 shared=$2 out=$3
shift 3
[ $# -gt 0 ] || set -- fashion-resnet fashion-mobile fashion-elu fashion-outlier lang-transformer sensor-gru ratings-mlp
main="$(cd "$(dirname "$0")/../.." && pwd)/dist/src/main.js"
python="$peers/bin/python"
mkdir -p "$out"

# ours MODEL CALIB NAME ARGUMENT...   quantizes into OUT/NAME; prints scheme, coverage, time of the stages up to the written model
ours() {
  local model=$1 calib=$2 name=$3
  shift 3
  node "$main" quantize "$model" --samples "$calib" --out "$out/$name" --count 300 --max-drop 1 "$@" >"$out/$name.log" 2>&1 || true
  node -e '
    const { stages, coverage, chosen, candidates, algorithms } = JSON.parse(require("fs").readFileSync(process.argv[1]))
    const upTo = stages.filter(({ stage }) => stage !== "judge").reduce((sum, { seconds }) => sum + seconds, 0)
    const applied = algorithms.filter(({ state }) => state === "applied").map(({ name, gain_db }) => `${name} ${gain_db === null ? "" : `${gain_db > 0 ? "+" : ""}${gain_db} dB`}`.trim())
    console.log(`  ${process.argv[2]}: ${upTo.toFixed(2)} s, coverage ${(coverage * 100).toFixed(1)} %, ${chosen.scheme}, ${chosen.estimator}${applied.length ? `; ${applied.join(", ")}` : ""}; ${candidates.length} candidates`)
  ' "$out/$name/report.json" "$name" 2>/dev/null || tail -n 3 "$out/$name.log"
}

peer() {
  "$python" "$shared/peers/quantize.py" "$@" >"$out/peer.log" 2>&1 && tail -n 1 "$out/peer.log" | sed 's/^/  /' || echo "  $1 fails"
}

compare() { "$python" "$shared/peers/compare.py" "$@" --reps 400; }

for model in "$@"; do
  echo "$model"
  "$python" "$shared/peers/samples.py" "$model" "$out/npz"
  onnx="$shared/models/$model.onnx" calib="$out/npz/$model-calib.npz" test="$out/npz/$model-test.npz"
  ours "$onnx" "$calib" "$model-auto"
  ours "$onnx" "$calib" "$model-accuracy" --preset accuracy
  for tool in ort nncf-onnx; do peer $tool "$onnx" "$calib" "$out/$model-$tool.onnx"; done
  peer nncf-ov "$onnx" "$calib" "$out/$model-nncf-ov.xml"
  metric=top1
  case $model in ratings-*) metric=rmse ;; esac
  compare "$onnx" "$test" --metric $metric "auto=$out/$model-auto/model.onnx@ort" "accuracy=$out/$model-accuracy/model.onnx@ort" \
    "ort=$out/$model-ort.onnx@ort" "nncf=$out/$model-nncf-onnx.onnx@ort" "nncf=$out/$model-nncf-ov.xml@ov"
done

echo 'fashion-outlier, equalization off and on'
onnx="$shared/models/fashion-outlier.onnx" calib="$out/npz/fashion-outlier-calib.npz"
"$python" "$shared/peers/samples.py" fashion-outlier "$out/npz"
ours "$onnx" "$calib" outlier-off --equalization off --channel-alignment off
ours "$onnx" "$calib" outlier-on --equalization on
compare "$onnx" "$out/npz/fashion-outlier-test.npz" "off=$out/outlier-off/model.onnx@ort" "on=$out/outlier-on/model.onnx@ort"

echo 'fashion-elu, symmetric and asymmetric activations'
onnx="$shared/models/fashion-elu.onnx" calib="$out/npz/fashion-elu-calib.npz"
"$python" "$shared/peers/samples.py" fashion-elu "$out/npz"
for scheme in symmetric asymmetric auto; do ours "$onnx" "$calib" "elu-$scheme" --scheme $scheme; done
compare "$onnx" "$out/npz/fashion-elu-test.npz" "symmetric=$out/elu-symmetric/model.onnx@ort" "asymmetric=$out/elu-asymmetric/model.onnx@ort" \
  "auto=$out/elu-auto/model.onnx@ort"

for model in fashion-resnet fashion-mobile; do
  echo "$model at the bright site: calibrated there, and on foreign pictures"
  onnx="$shared/models/$model.onnx"
  "$python" "$shared/peers/samples.py" "$model" "$out/npz"
  "$python" "$shared/peers/samples.py" "$model" "$out/npz" --shift
  ours "$onnx" "$out/npz/$model-shift-calib.npz" "$model-spot"
  ours "$onnx" "$out/npz/$model-calib.npz" "$model-foreign"
  compare "$onnx" "$out/npz/$model-shift-test.npz" "spot=$out/$model-spot/model.onnx@ort" "foreign=$out/$model-foreign/model.onnx@ort"
done

for qat in qdq fq; do
  echo "fashion-qat-$qat"
  "$python" "$shared/peers/samples.py" fashion-resnet "$out/npz"
  ours "$shared/models/fashion-qat-$qat.onnx" "$out/npz/fashion-resnet-calib.npz" "qat-$qat"
done
compare "$shared/models/fashion-qat-qdq.onnx" "$out/npz/fashion-resnet-test.npz" "qdq=$out/qat-qdq/model.onnx@ort" "fq=$out/qat-fq/model.onnx@ort"
sha256sum "$out/qat-qdq/model.onnx" "$out/qat-fq/model.onnx"

for name in ${BUNDLES:+rec det cls blazeface silero}; do
  echo "$name (bundle with its metric)"
  for preset in auto accuracy; do
    node "$main" quantize "$BUNDLES/$name" --samples "$DATA/$name-calib.npz" --held-out "$DATA/$name-test.npz" --out "$out/$name-$preset" --preset $preset \
      >"$out/$name-$preset.log" 2>&1 || true
    sed -n "s/^\(ACCEPTED\|REFUSED\|UNJUDGED\|output\|coverage\)/  $preset \1/p" "$out/$name-$preset/report.txt"
  done
done

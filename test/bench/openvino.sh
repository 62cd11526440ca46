#!/bin/bash
# openvino.sh PEERS SHARED OUT [MODEL...]    quantization for OpenVINO beside NNCF, in one run on one machine.
#
# PEERS is a Python environment made by SHARED/peers/setup.sh; its OpenVINO is the one that everything runs on. For each model of SHARED/models: 300 calibration
# samples, `quantd quantize` for OpenVINO and for ONNX Runtime on this host, nncf.quantize (default settings) of the OpenVINO model on the same samples; time and
# peak memory of each, and the precisions of OpenVINO's own runtime model (openvino-kernels.py). Then metric, signal to noise of the first output and latency on the test file, all in turn on one thread, by compare.py: float on both
# engines, bf16 on OpenVINO, our int8 on both, NNCF's on OpenVINO.
# BUNDLES=FOLDER DATA=FOLDER adds real models: FOLDER/NAME is a bundle, DATA/NAME.onnx its model, DATA/NAME-calib.npz and DATA/NAME-test.npz its samples;
# REAL names them (default: rec det blazeface). What their own metric says is on the line of the report.
# DIST is the folder of compiled files (default: dist).
set -eu
peers=$1 shared=$2 out=$3
shift 3
root="$(cd "$(dirname "$0")/../.." && pwd)"
main="${DIST:-$root/dist}/src/main.js"
python="$peers/bin/python"
export OPENVINO_DIR=$peers
if [ $# -eq 0 ] && [ -z "${REAL:-}" ]; then
  set -- fashion-resnet fashion-mobile fashion-elu fashion-outlier lang-transformer sensor-gru ratings-mlp
fi
mkdir -p "$out"

# Prints time and peak memory of COMMAND... , whose own output goes to LOG
measured() {
  local title=$1 log=$2
  shift 2
  "$python" - "$title" "$log" "$@" <<'PYTHON'
import resource, subprocess, sys, time
title, log, command = sys.argv[1], sys.argv[2], sys.argv[3:]
start = time.time()
with open(log, 'w') as file:
    code = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT).returncode
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
print(f'  {title:10s} {time.time() - start:7.2f} s for the whole process, {peak} MiB{"" if code in (0, 4) else f", ends with {code}"}')
PYTHON
}

# ours NAME DEVICE ARGUMENT...   quantizes into OUT/NAME-DEVICE without judging, as the peer does; then the stages and what the report says
ours() {
  local name=$1 device=$2
  shift 2
  local folder="$out/$name-$device"
  measured "$device" "$folder.log" node "$main" quantize "$@" --out "$folder" --count 300 ${device:+$( [ "$device" = ort ] || echo --device "$device")}
  node -e '
    const { stages, coverage, chosen, judgement, integer_kernels, peak_mib } = JSON.parse(require("fs").readFileSync(process.argv[1]))
    const upTo = stages.filter(({ stage }) => stage !== "judge").reduce((sum, { seconds }) => sum + seconds, 0)
    const kernels = Object.entries(integer_kernels).map(([name, count]) => `${count} ${name}`).join(", ")
    console.log(`             ${upTo.toFixed(2)} s and ${peak_mib} MiB of it up to the result, coverage ${(coverage * 100).toFixed(1)} % (${kernels}), ${chosen.scheme}, ${chosen.estimator}`)
    console.log(`             ${judgement.verdict}: ${judgement.sentence}`)
  ' "$folder/report.json" 2>/dev/null || tail -n 3 "$folder.log"
  [ "$device" = ort ] || "$python" "$root/test/bench/openvino-kernels.py" "$folder" 2>&1 | sed 's/^/             /'
}

peer() {
  local name=$1 onnx=$2 calib=$3
  measured nncf "$out/$name-nncf.log" "$python" "$shared/peers/quantize.py" nncf-ov "$onnx" "$calib" "$out/$name-nncf.xml"
  tail -n 1 "$out/$name-nncf.log" | sed 's/^/             /'
}

# table NAME ONNX TEST ARGUMENT...
table() {
  local name=$1 onnx=$2 test=$3
  shift 3
  "$python" "$shared/peers/compare.py" "$onnx" "$test" --reps 400 "$@" "float=$onnx@ov" "bf16=$onnx@ov-bf16" \
    "ours=$out/$name-ort/model.onnx@ort" "ours=$out/$name-openvino-cpu/model.xml@ov" "nncf=$out/$name-nncf.xml@ov"
}

for model in "$@"; do
  echo "$model"
  "$python" "$shared/peers/samples.py" "$model" "$out/npz"
  onnx="$shared/models/$model.onnx" calib="$out/npz/$model-calib.npz" test="$out/npz/$model-test.npz"
  for device in openvino-cpu ort; do ours "$model" "$device" "$onnx" --samples "$calib" --max-drop 1; done
  peer "$model" "$onnx" "$calib"
  metric=top1
  case $model in ratings-*) metric=rmse ;; esac
  table "$model" "$onnx" "$test" --metric $metric
done

for name in ${BUNDLES:+${REAL:-rec det blazeface}}; do
  echo "$name (bundle with its metric)"
  for device in openvino-cpu ort; do
    ours "$name" "$device" "$BUNDLES/$name" --samples "$DATA/$name-calib.npz" --held-out "$DATA/$name-test.npz"
  done
  peer "$name" "$DATA/$name.onnx" "$DATA/$name-calib.npz"
  # Labels of these are for the metric of the bundle; compare.py counts classes.
  "$python" -c 'import sys, numpy as np; np.savez(sys.argv[2], **{k: v for k, v in np.load(sys.argv[1]).items() if k != "label"})' \
    "$DATA/$name-test.npz" "$out/$name-test.npz"
  table "$name" "$DATA/$name.onnx" "$out/$name-test.npz" --batch 1 --reps 100
done

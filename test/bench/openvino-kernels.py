"""openvino-kernels.py FOLDER... : what OpenVINO's own runtime model says of the layers that the report in FOLDER calls int8.

FOLDER is what `quantd quantize` wrote: model.xml, model.bin, report.json. The model is compiled for CPU with float32 for what stays float; each convolution and
matrix product of the report is looked up by the name that OpenVINO keeps of it (originalLayersNames), or of what reads it where one kernel is made of both, with the
precision that it runs in. Ends with 1 where a
layer that the report calls int8 runs in another type than i8 or u8.
"""
import json
import re
import sys
from pathlib import Path

import openvino as ov

core = ov.Core()
# What OpenVINO and our IR put behind the name of an ONNX node.
SUFFIX = re.compile(r'(/(linear|product|bias|WithoutBiases|Dequantization(Multiply|Subtract))|_original)+$')


def precisions(xml: Path) -> dict[str, str]:
    """Precision by name of each layer of the model, as it runs."""
    compiled = core.compile_model(str(xml), 'CPU', {'INFERENCE_PRECISION_HINT': 'f32', 'INFERENCE_NUM_THREADS': 1})
    found: dict[str, str] = {}
    for node in compiled.get_runtime_model().get_ordered_ops():
        info = node.get_rt_info()
        names = info['originalLayersNames'].astype(str).split(',') if 'originalLayersNames' in info else []
        kind = info['layerType'].astype(str)
        if kind in ('Reshape', 'Reorder', 'Const', 'Transpose', 'Convert'):
            continue
        for name in [*names, node.get_friendly_name()]:
            found.setdefault(SUFFIX.sub('', name), info['runtimePrecision'].astype(str))
    return found


def precision_of(layer: dict, layers: list[dict], runs: dict[str, str]) -> str | None:
    """Of the layer, or of the kernel that it is a part of: the one of whatever reads what it writes."""
    seen = set()
    while layer['node'] not in runs:
        seen.add(layer['node'])
        readers = [other for other in layers if set(other['reads']) & set(layer['writes']) and other['node'] not in seen]
        if not readers:
            return None
        layer = readers[0]
    return runs[layer['node']]


failed = False
for folder in map(Path, sys.argv[1:]):
    report = json.loads((folder / 'report.json').read_text())
    runs = precisions(folder / 'model.xml')
    layers = [layer for layer in report['layers'] if layer['state'] == 'int8']
    seen = {layer['node']: precision_of(layer, report['layers'], runs) for layer in layers}
    wrong = {name: precision for name, precision in seen.items() if precision not in ('i8', 'u8')}
    failed = failed or bool(wrong)
    print(f'{folder.name}: {len(seen) - len(wrong)} of {len(seen)} layers of the report run in i8 or u8', *(f'{k}: {v}' for k, v in wrong.items()), sep='\n  ')
sys.exit(1 if failed else 0)

"""openvino-latency.py MODEL    OpenVINO's own Python API beside the engine: one thread, latency hint, float32.

Reads lines `N` from stdin, runs N inferences on the same feed, answers with their times in microseconds as a JSON array. The feed is of ones, in the
shape of the inputs with 1 for free sizes; a first line names the shapes instead: {"name": [1, 3, 48, 320]}.
"""
import json
import sys
import time

import numpy as np
import openvino

compiled = openvino.Core().compile_model(sys.argv[1], 'CPU', {
    'PERFORMANCE_HINT': 'LATENCY', 'INFERENCE_NUM_THREADS': 1, 'INFERENCE_PRECISION_HINT': 'f32'})
request = compiled.create_infer_request()
shapes = json.loads(sys.stdin.readline())
feed = [np.ones(shapes[port.any_name], port.element_type.to_dtype()) for port in compiled.inputs]
for line in sys.stdin:
    times = []
    for _ in range(int(line)):
        start = time.perf_counter_ns()
        request.infer(feed, share_inputs=False, share_outputs=False)
        times.append((time.perf_counter_ns() - start) / 1e3)
    print(json.dumps(times), flush=True)

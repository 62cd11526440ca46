/** Domain of operators that OpenVINO has and ONNX does not: FakeQuantize above all. */
export const openvinoDomain = 'org.openvinotoolkit'

/** Rounds to the nearest integer, ties to even: `nearbyint` under the default mode, Round and QuantizeLinear of ONNX, WGSL `round`. `Math.round` is not that. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value)
  const rest = value - floor
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1
  return floor % 2 === 0 ? floor : floor + 1
}

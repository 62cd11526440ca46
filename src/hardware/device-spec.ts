import { z } from 'zod'

/** How one tensor may be quantized: bits, mode, granularity, type of the codes, -127..127 instead of -128..127. */
export const QuantizerConfig = z.strictObject({
  bits: z.literal(8).default(8),
  mode: z.enum(['symmetric', 'asymmetric']),
  granularity: z.enum(['per-tensor', 'per-channel']),
  codes: z.enum(['int8', 'uint8']),
  narrow: z.boolean().default(false).describe('codes -127..127 only'),
})
export type QuantizerConfig = z.infer<typeof QuantizerConfig>

const OpRule = z.strictObject({
  activations: z.array(z.string()).default([]).describe('names of the quantizers allowed for inputs that are computed, fastest first'),
  weights: z.array(z.string()).default([]).describe('names of those allowed for constant weights, fastest first'),
})

/** One file of `devices/`: how a hardware target is recognised and which quantizers each operator class may take there. */
export const DeviceSpec = z
  .strictObject({
    version: z.literal(1),
    name: z.string().regex(/^[a-z0-9-]+$/),
    title: z.string(),
    match: z.strictObject({
      kind: z.enum(['cpu', 'fpga', 'openvino', 'vpu', 'webgpu']),
      device: z.enum(['CPU', 'GPU', 'NPU', 'MYRIAD']).optional().describe('how OpenVINO names it'),
      architecture: z.enum(['x64', 'arm64']).optional().describe('process.arch'),
      features: z.array(z.string()).default([]).describe('all of these instruction sets'),
      anyFeature: z.array(z.string()).default([]).describe('at least one of these, when the list is not empty'),
      without: z.array(z.string()).default([]).describe('none of these'),
      usb: z
        .array(z.string().regex(/^[0-9a-f]{4}:[0-9a-f]{4}$/))
        .default([])
        .describe('vendor:product ids'),
    }),
    engine: z.string().nullable().describe('who serves it; null = found and reported only'),
    precision: z
      .enum(['int8', 'float16'])
      .default('int8')
      .describe('float16: nothing is quantized, activations are observed for the report alone'),
    placement: z
      .enum(['onnxruntime', 'openvino'])
      .default('onnxruntime')
      .describe('onnxruntime: a quantizer behind every linear operator; openvino: FakeQuantize on the inputs of quantizable operators'),
    scales: z.enum(['any', 'power-of-two']).default('any').describe('power-of-two: steps that shifts compute'),
    unify: z
      .array(z.string())
      .default([])
      .describe('operators whose computed inputs all share one range, where a quantizer stands on them (placement openvino)'),
    weightRange: z.enum(['full', 'half']).default('full').describe('half: codes within +-64, for u8s8 products that saturate 16 bits'),
    activationCodes: z.enum(['uint8', 'int8']).default('uint8'),
    quantizers: z.record(z.string(), QuantizerConfig).default({}).describe('what `ops` names'),
    ops: z
      .record(z.string(), OpRule)
      .default({})
      .describe(
        'operator -> allowed quantizers; what is not listed stays float. Two classes have names of their own where a target tells them apart: DepthwiseConv (a Conv with one input channel per group) and DynamicMatMul (both operands computed)',
      ),
  })
  .superRefine(({ ops, quantizers, placement }, context) => {
    for (const [op, { activations, weights }] of Object.entries(ops)) {
      for (const name of [...activations, ...weights]) {
        if (!Object.hasOwn(quantizers, name))
          context.addIssue({ code: 'custom', path: ['ops', op], message: `quantizer '${name}' is not in quantizers` })
      }
    }
    const lists = Object.values(ops)
      .map(({ activations }) => activations)
      .filter(names => names.length > 0)
    const common = (lists[0] ?? []).filter(name => lists.every(names => names.includes(name)))
    if (placement === 'openvino' && !common.some(name => quantizers[name]?.granularity === 'per-tensor'))
      context.addIssue({
        code: 'custom',
        path: ['ops'],
        message: 'operators that read one value must be able to share its quantizer: one per tensor has to be in every list of activations',
      })
  })
export type DeviceSpec = z.infer<typeof DeviceSpec>

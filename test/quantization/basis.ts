import { test } from 'tap'
import { onnxruntimeEngine } from '../../src/engines/onnxruntime/engine.js'
import { int, ints } from '../../src/graph/node.js'
import { loadDeviceSpecs } from '../../src/hardware/match.js'
import { statisticsWanted } from '../../src/quantization/basis.js'
import { QuantizeSettings } from '../../src/quantization/settings.js'
import { measureShapes } from '../../src/quantization/statistics/measure-shapes.js'
import { targetOf } from '../../src/quantization/target.js'
import { buildModel, op, seeded } from '../fixtures/graph-builder.js'
import { memorySamples } from '../fixtures/quantization/memory-samples.js'
import { seededInputs } from '../fixtures/quantization/small-models.js'

/** A block whose skip is a convolution of its own: only one side of the sum has a quantizer, and which one hangs on what is kept float. */
const block = buildModel({
  inputs: { x: ['float32', [1, 4, 8, 8]] },
  outputs: { y: ['float32', [1, 4, 8, 8]] },
  constants: { wa: seeded([4, 4, 3, 3]), wb: seeded([4, 4, 3, 3], 2), ws: seeded([4, 4, 1, 1], 3), wy: seeded([4, 4, 1, 1], 4) },
  nodes: [
    op('Conv', ['x', 'wa'], 'a', { pads: ints([1, 1, 1, 1]) }),
    op('Relu', ['a'], 'ra'),
    op('Conv', ['ra', 'wb'], 'b', { pads: ints([1, 1, 1, 1]) }),
    op('Conv', ['x', 'ws'], 's'),
    op('Add', ['b', 's'], 'sum'),
    op('Relu', ['sum'], 'r'),
    op('Conv', ['r', 'wy'], 'y'),
  ],
})

/** What a depthwise convolution reads per channel is read by a sum as well, per tensor: kept float, the sum leaves it to the convolution. */
const mobile = buildModel({
  inputs: { x: ['float32', [1, 4, 8, 8]] },
  outputs: { y: ['float32', [1, 4, 8, 8]] },
  constants: { wa: seeded([4, 4, 3, 3]), wd: seeded([4, 1, 3, 3], 2), wy: seeded([4, 4, 1, 1], 3) },
  nodes: [
    op('Conv', ['x', 'wa'], 'a', { pads: ints([1, 1, 1, 1]) }),
    op('Relu', ['a'], 'ra'),
    op('Conv', ['ra', 'wd'], 'd', { pads: ints([1, 1, 1, 1]), group: int(4) }),
    op('Add', ['d', 'ra'], 'sum'),
    op('Conv', ['sum', 'wy'], 'y'),
  ],
})

for (const [title, model] of Object.entries({ 'a residual block': block, 'a depthwise block': mobile }))
  test(`${title}: whatever layer is kept float later, the ranges that its placement asks for were observed`, async t => {
    const specs = await loadDeviceSpecs()
    const [feed] = seededInputs(model, 1)
    const [shapes] = await measureShapes({ model, feeds: [feed!], engine: onnxruntimeEngine })
    for (const name of ['openvino-cpu', 'openvino-npu', 'fpga', 'cpu-x64-vnni']) {
      const spec = specs.find(candidate => candidate.name === name)!
      const samples = memorySamples([feed!])
      const settings = QuantizeSettings.parse({})
      const request = {
        model,
        sha256: '',
        name: 'block',
        bytes: 0,
        samples,
        heldOut: samples,
        spec,
        settings,
        engine: onnxruntimeEngine,
      }
      const { ranges, channels = [] } = statisticsWanted(model, shapes!, { request, keepFloat: new Map(), weightRange: 'full' })
      const wanted = new Set(ranges)
      const perChannel = new Set(channels.map(({ value, axis }) => `${axis} ${value}`))
      for (const { name: node } of model.graph.nodes) {
        const { quantizers } = targetOf({ spec, weightRange: 'full' }).place({
          graph: model.graph,
          shapes: shapes!,
          keepFloat: new Map([[node, 'tried']]),
        })
        for (const { value, fixed, axis } of quantizers.values()) {
          t.ok(fixed !== undefined || wanted.has(value), `${name}, ${node} kept float: ${value}`)
          t.ok(
            fixed !== undefined || axis === undefined || perChannel.has(`${axis} ${value}`),
            `${name}, ${node} kept float: channels of ${value}`,
          )
        }
      }
    }
  })

import { test } from 'tap'
import { onnxruntimeEngine } from '../../../src/engines/onnxruntime/engine.js'
import type { Model } from '../../../src/graph/graph.js'
import { CostTable } from '../../../src/quantization/costs/cost-table.js'
import { measureCosts } from '../../../src/quantization/costs/measure-costs.js'
import { modelSignature, signatureOf } from '../../../src/quantization/costs/signature.js'
import { tableCosts } from '../../../src/quantization/costs/table-costs.js'
import { coverageFloorOf } from '../../../src/quantization/coverage.js'
import { scanUnits } from '../../../src/quantization/placement/scan-units.js'
import { monotonicMs } from '../../../src/time.js'
import { allOps, placed } from '../../fixtures/quantization/quantized.js'
import { attentionNet, depthwiseNet, residualNet, seededInputs } from '../../fixtures/quantization/small-models.js'

async function measured(model: Model) {
  const [inputs] = seededInputs(model, 1)
  const { shapes, placement } = await placed(model, [inputs!])
  const table = await measureCosts({
    model,
    shapes,
    inputs: inputs!,
    ops: allOps,
    activationCodes: 'uint8',
    weightRange: 'full',
    engine: onnxruntimeEngine,
    processor: 'this',
    threads: 1,
    runs: 10,
    clock: { now: monotonicMs },
    floorOf: coverageFloorOf,
  })
  return { model, shapes, placement, table }
}

for (const net of [residualNet, depthwiseNet, attentionNet]) {
  test(`${net.name}: every product is found in the profiles of both forms, and the whole model has a verdict`, async t => {
    const { model, shapes, placement, table } = await measured(net())
    const costs = tableCosts(table, { graph: model.graph, shapes, floorOf: coverageFloorOf })
    for (const unit of placement.units.values()) {
      if (unit.form !== 'linear') continue
      const times = costs.timesOf(unit)
      t.ok(times !== undefined && times.float > 0 && times.int8 > 0, `${signatureOf(model.graph, shapes, unit)}: ${JSON.stringify(times)}`)
    }
    t.match(costs.wholeOf(scanUnits(model.graph, shapes).values()), {
      fastest: /^(float|int8|mixed)$/,
      reason: /^measured: the whole model takes /,
    })
    t.same(Object.keys(table.models), [modelSignature(model.graph, shapes, scanUnits(model.graph, shapes).values())])
    t.ok(CostTable.safeParse(table).success)
    for (const kind of ['planes', 'rows'] as const)
      for (const direction of ['enter', 'leave'] as const)
        t.ok(
          table.conversions[kind][direction].every(([, us]) => us > 0),
          `${kind} ${direction}`,
        )
  })
}

test('signatures tell apart what takes other times, and nothing else', async t => {
  const { model, shapes, placement } = await measured(residualNet())
  const lines = [...placement.units.values()].map(unit => signatureOf(model.graph, shapes, unit))
  t.same(lines, [
    'Conv linear 1x4x8x8 w8x4x3x3 b > 1x8x8x8 kernel_shape=3,3 pads=1,1,1,1 + Relu',
    'Conv linear 1x8x8x8 w8x8x3x3 > 1x8x8x8 kernel_shape=3,3 pads=1,1,1,1',
    'Add elementwise 1x8x8x8 1x8x8x8 > 1x8x8x8 + Relu',
    'GlobalAveragePool global-pool 1x8x8x8 > 1x8x1x1',
    'Flatten move 1x8x1x1 > 1x8',
    'Gemm linear 1x8 w3x8 b > float 1x3 transB=1',
  ])
})

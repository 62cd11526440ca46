/**
 * prepare-models.js [--free N] FILE.onnx...   what reading, lifting and preparing does to real models.
 *
 * For each file: whether it is written back byte for byte, nodes before and after, milliseconds, and the largest difference of the outputs of the
 * lifted and the prepared model to those of the file on ONNX Runtime without its optimizer, relative to the largest output. Inputs are seeded noise;
 * free sizes are N (2). The optimizer of ONNX Runtime on the file as it is gives the measure: a network that noise drives into saturation turns the
 * rounding of either into much. Exits with 1 when lifting differs at all, or preparing by more than 1e-4 and three times the optimizer's difference.
 */
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { parseArgs } from 'node:util'
import type { Graph } from '../../src/graph/graph.js'
import { liftOpset } from '../../src/graph/onnx/lift.js'
import { loadModel } from '../../src/graph/onnx/load.js'
import { writeModel } from '../../src/graph/onnx/write.js'
import { prepareModel } from '../../src/graph/passes/prepare.js'
import { elementCount, type Tensor } from '../../src/graph/tensor/tensor.js'
import { difference, runModel, seededFloats } from '../fixtures/graph-builder.js'
import { evaluateHere } from '../fixtures/rewritten.js'

const { values, positionals } = parseArgs({ allowPositionals: true, options: { free: { type: 'string', default: '2' } } })

function noise({ inputs }: Graph): Record<string, Tensor> {
  return Object.fromEntries(
    inputs.map(({ name, dtype, shape = [] }, index): [string, Tensor] => {
      const sizes = shape.map(size => (typeof size === 'number' ? size : Number(values.free)))
      const floats = seededFloats(elementCount(sizes), index + 1)
      const small = Array.from(floats, value => Math.trunc(value * 4 + 5))
      if (dtype === 'int64') return [name, { dtype, shape: sizes, data: BigInt64Array.from(small, BigInt) }]
      if (dtype === 'int32') return [name, { dtype, shape: sizes, data: Int32Array.from(small) }]
      return [name, { dtype: 'float32', shape: sizes, data: floats }]
    }),
  )
}

for (const path of positionals) {
  const bytes = readFileSync(path)
  const start = performance.now()
  const model = loadModel(path)
  const read = performance.now()
  const written = writeModel(model)
  const wrote = performance.now()
  const prepared = await prepareModel(model, { evaluate: evaluateHere, verify: true })
  const done = performance.now()
  const feeds = noise(model.graph)
  const expected = await runModel(bytes, feeds)
  const apart = [liftOpset(model), prepared].map(async each => difference(expected, await runModel(each, feeds)))
  const [lifted, whole] = await Promise.all(apart)
  const optimizer = difference(expected, await runModel(bytes, feeds, 'all'))
  const figures = {
    model: basename(path),
    opset: model.opsets.get(''),
    sameBytes: Buffer.compare(bytes, written) === 0,
    nodes: model.graph.nodes.length,
    preparedNodes: prepared.graph.nodes.length,
    readMs: Math.round(read - start),
    writeMs: Math.round(wrote - read),
    prepareMs: Math.round(done - wrote),
    liftedDifference: lifted,
    preparedDifference: whole,
    optimizerDifference: optimizer,
  }
  process.stdout.write(`${JSON.stringify(figures)}\n`)
  if (!(lifted === 0 && whole! < Math.max(1e-4, 3 * optimizer))) process.exitCode = 1
}

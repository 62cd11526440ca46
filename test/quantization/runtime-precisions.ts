import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { onnxruntimeEngine } from '../../src/engines/onnxruntime/engine.js'
import { openvinoEngine } from '../../src/engines/openvino/engine.js'
import type { Model } from '../../src/graph/graph.js'
import { loadModel } from '../../src/graph/onnx/load.js'
import { dtypes, type NumericDType } from '../../src/graph/tensor/dtype.js'
import { elementCount, type Tensor } from '../../src/graph/tensor/tensor.js'
import { loadDeviceSpecs } from '../../src/hardware/match.js'
import { packageRoot } from '../../src/paths.js'
import { quantize } from '../../src/quantization/pipeline.js'
import { QuantizeSettings } from '../../src/quantization/settings.js'
import { withoutOpenvino } from '../fixtures/openvino.js'
import { sharedModels } from '../fixtures/quantization/golden-placements.js'
import { memorySamples } from '../fixtures/quantization/memory-samples.js'

const python = join(process.env.OPENVINO_DIR ?? '', 'bin/python')
/** The API that knows the runtime model is that of Python: C has none. */
const withoutPython = existsSync(python) || 'skip' in withoutOpenvino ? withoutOpenvino : { skip: 'OPENVINO_DIR is no Python environment' }

const models = ['fashion-elu', 'fashion-mobile', 'fashion-outlier', 'fashion-resnet', 'lang-transformer', 'ratings-mlp', 'sensor-gru']

/** Seeded values in 0..1, small integers for what is looked up. */
function samplesOf({ graph }: Model, count: number): Record<string, Tensor>[] {
  let state = 1
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
  return Array.from({ length: count }, () =>
    Object.fromEntries(
      graph.inputs.map(({ name, dtype, shape }) => {
        const sizes = shape!.map(size => (typeof size === 'number' ? size : 1))
        const data = new dtypes[dtype as NumericDType].array(elementCount(sizes))
        for (let index = 0; index < data.length; index += 1) data[index] = dtype === 'int64' ? BigInt(1 + Math.floor(8 * next())) : next()
        return [name, { dtype: dtype as NumericDType, shape: sizes, data }]
      }),
    ),
  )
}

test("OpenVINO's own runtime model runs in i8 or u8 what the report calls int8, in every trained model", withoutPython, async t => {
  const spec = (await loadDeviceSpecs()).find(({ name }) => name === 'openvino-cpu')!
  const root = t.testdir()
  const folders: string[] = []
  for (const name of models) {
    const model = loadModel(join(sharedModels, `${name}.onnx`))
    const { ir, report } = await quantize({
      model,
      sha256: 'f'.repeat(64),
      name,
      bytes: 1,
      samples: memorySamples(samplesOf(model, 12)),
      heldOut: memorySamples([]),
      spec,
      settings: QuantizeSettings.parse({}),
      engine: onnxruntimeEngine,
      target: { engine: openvinoEngine, options: { device: 'CPU' } },
    })
    t.ok(
      report.layers.some(({ state }) => state === 'int8'),
      `${name} has int8 layers`,
    )
    const folder = join(root, name)
    mkdirSync(folder)
    writeFileSync(join(folder, 'model.xml'), ir!.xml)
    writeFileSync(join(folder, 'model.bin'), ir!.bin)
    writeFileSync(join(folder, 'report.json'), JSON.stringify(report))
    folders.push(folder)
  }
  const { status, stdout, stderr } = spawnSync(python, [join(packageRoot, 'test/bench/openvino-kernels.py'), ...folders], {
    encoding: 'utf8',
  })
  t.equal(status, 0, stdout + stderr)
  t.equal(stdout.match(/layers of the report run/g)?.length, models.length)
})

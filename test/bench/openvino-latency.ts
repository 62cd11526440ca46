import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { openvinoEngine } from '../../src/engines/openvino/engine.js'
import { dtypes } from '../../src/graph/tensor/dtype.js'
import { elementCount, type Tensor } from '../../src/graph/tensor/tensor.js'
import { packageRoot } from '../../src/paths.js'

/**
 * openvino-latency PYTHON MODEL... : one inference through the engine against OpenVINO's own Python API on the same file, in turns of a few inferences in one
 * run, one thread each; the median ratio of the turns and its 95 % interval. PYTHON has the wheel whose libraries OPENVINO_DIR names.
 */
const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { turns: { type: 'string', default: '60' }, shape: { type: 'string', default: '{}' } },
})
const [python, ...models] = positionals
if (python === undefined || models.length === 0)
  throw new Error('usage: openvino-latency PYTHON MODEL... [--turns N] [--shape {"input":[1,3,48,320]}]')
const turns = Number(values.turns)
/** Time that one turn of one side takes, about. */
const turnUs = 8000

class PythonSide {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>

  constructor(model: string, shapes: Readonly<Record<string, readonly number[]>>) {
    this.#child = spawn(python!, [join(packageRoot, 'test/bench/openvino-latency.py'), model], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]()
    this.#child.stdin!.write(`${JSON.stringify(shapes)}\n`)
  }

  async run(count: number): Promise<readonly number[]> {
    this.#child.stdin!.write(`${count}\n`)
    const { value } = await this.#lines.next()
    return JSON.parse(value) as number[]
  }

  async close(): Promise<void> {
    this.#child.stdin!.end()
    await once(this.#child, 'exit')
  }
}

const median = (list: readonly number[]) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)]!

async function compare(model: string): Promise<void> {
  const session = await openvinoEngine.open(model, { threads: 1 })
  const given = JSON.parse(values.shape) as Readonly<Record<string, readonly number[]>>
  const shapes = Object.fromEntries(
    session.inputs.map(({ name, shape }) => [name, given[name] ?? shape.map(size => Number(size ?? 1))] as const),
  )
  const feeds = Object.fromEntries(
    session.inputs.map(({ name, dtype }): [string, Tensor] => {
      const data = new dtypes[dtype].array!(elementCount(shapes[name]!))
      data.fill((typeof data[0] === 'bigint' ? 1n : 1) as never)
      return [name, { dtype, shape: shapes[name]!, data }]
    }),
  )
  const ours = async (count: number): Promise<readonly number[]> => {
    const times: number[] = []
    for (let index = 0; index < count; index += 1) {
      const start = process.hrtime.bigint()
      const answer = await session.infer(feeds)
      times.push(Number(process.hrtime.bigint() - start) / 1e3)
      // As the worker does with an answer that is encoded, and Python with one that nobody refers to.
      session.recycle?.(answer)
    }
    return times
  }
  const theirs = new PythonSide(model, shapes)
  const first = median([...(await ours(30)), ...(await theirs.run(30))])
  const count = Math.max(3, Math.round(turnUs / first))
  const pairs: { readonly ours: number; readonly theirs: number }[] = []
  for (let turn = 0; turn < turns; turn += 1) {
    // Both orders make one pair: whoever follows the other finds its data out of the caches and the clock as that one left it.
    const ours1 = median(await ours(count))
    const theirs1 = median(await theirs.run(count))
    const theirs2 = median(await theirs.run(count))
    const ours2 = median(await ours(count))
    pairs.push({ ours: Math.sqrt(ours1 * ours2), theirs: Math.sqrt(theirs1 * theirs2) })
  }
  await Promise.all([session.close(), theirs.close()])
  const ratios = pairs.map(pair => pair.ours / pair.theirs).sort((a, b) => a - b)
  const half = 0.98 * Math.sqrt(ratios.length)
  const at = (index: number) => ratios[Math.max(0, Math.min(ratios.length - 1, Math.round(index)))]!.toFixed(3)
  const centre = (ratios.length - 1) / 2
  const ms = (list: readonly number[]) => (median(list) / 1000).toFixed(4)
  process.stdout.write(
    `${model}: engine ${ms(pairs.map(pair => pair.ours))} ms, Python ${ms(pairs.map(pair => pair.theirs))} ms, ratio ${at(centre)} (${at(centre - half)} to ${at(centre + half)})\n`,
  )
}

for (const model of models) await compare(model)

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Session } from '../engines/engine.js'
import { isOp, type Node } from '../graph/node.js'
import type { Tensor } from '../graph/tensor/tensor.js'
import type { Candidate } from './candidate.js'
import type { TargetEngine } from './contract.js'
import type { Kernels } from './lowering/count-kernels.js'
import { executedKernels, type ProductClass } from './lowering/executed-kernels.js'
import { quantizerName } from './lowering/fake-quantize/fake-quantize-node.js'

export interface OpenOnTargetOptions {
  readonly candidate: Candidate
  readonly target: TargetEngine
  readonly threads: number
  /** Keep what each node takes: `seenKernels` looks at it. */
  readonly profile: boolean
}

/** Opens a candidate on the engine that will serve it: its IR where it has one, else its ONNX form. The caller closes the session. @throws ERR_ENGINE_OPEN */
export async function openOnTarget({ candidate, target: { engine, options }, threads, profile }: OpenOnTargetOptions): Promise<Session> {
  const opening = { ...options, threads, profile }
  const ir = candidate.ir()
  if (ir === undefined) return engine.open(candidate.written(), opening)
  const folder = await mkdtemp(join(tmpdir(), 'quantd-target-'))
  try {
    const path = join(folder, 'model.xml')
    await Promise.all([writeFile(path, ir.xml), writeFile(join(folder, 'model.bin'), ir.bin)])
    return await engine.open(path, opening)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** What became integer, seen by one inference of a session that was opened with `profile`. @throws ERR_ENGINE_INFER */
export async function seenKernels(session: Session, { placement }: Candidate, feeds: Readonly<Record<string, Tensor>>): Promise<Kernels> {
  await session.infer(feeds)
  const computing = [...placement.units.values()].filter(({ form }) => form !== 'move' && form !== 'concat')
  const products = placement.layers.filter(({ macs }) => macs > 0).map(({ node }) => node)
  const names = new Map(products.map(node => [node.name, productClass(node)]))
  for (const { form, main } of computing) names.set(main.name, form === 'dynamic-matmul' ? 'dynamic' : productClass(main))
  return executedKernels(session.profile?.() ?? [], names, quantizersBehind(placement, names))
}

/** By the name of a quantizer the elementwise unit whose values it takes, as they are or after operators that read nothing else. */
function quantizersBehind(
  { units, layers }: Candidate['placement'],
  names: ReadonlyMap<string, ProductClass>,
): ReadonlyMap<string, string> {
  const readers = new Map<string, Node[]>()
  for (const { node } of layers) for (const value of node.inputs) readers.set(value, [...(readers.get(value) ?? []), node])
  const found = new Map<string, string>()
  for (const { main, outputs } of units.values()) {
    if (names.get(main.name) !== 'other') continue
    for (const output of outputs) {
      for (let value: string | undefined = output; value !== undefined; value = onlyResult(readers.get(value), units)) {
        found.set(quantizerName(value), main.name)
      }
    }
  }
  return found
}

/** What the only reader of a value makes of it, where that one stays float and reads one computed value. */
function onlyResult(readers: readonly Node[] | undefined, units: Candidate['placement']['units']): string | undefined {
  const [reader, ...others] = readers ?? []
  return reader === undefined || others.length > 0 || units.has(reader) || reader.inputs.length !== 1 ? undefined : reader.outputs[0]
}

/** Of a product in float it is not known whether its weights are constant: those have names of their own everywhere but in old releases. */
const productClass = (node: Node): ProductClass =>
  isOp(node, 'Conv', 'ConvTranspose') ? 'convolution' : isOp(node, 'Gemm', 'MatMul') ? 'matrix' : 'other'

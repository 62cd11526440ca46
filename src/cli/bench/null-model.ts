import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Graph } from '../../graph/graph.js'
import { makeNode } from '../../graph/node.js'
import { writeModel } from '../../graph/onnx/write.js'
import type { Manifest } from '../../samples/manifest.js'

/** An ONNX file that computes nothing: uint8 [1, bytes] in, its shape out. What is measured with it is everything but inference. */
export function nullModel(bytes: number): Uint8Array {
  const graph = new Graph({
    name: 'null',
    nodes: [makeNode({ name: 'shape', opType: 'Shape', inputs: ['input'], outputs: ['size'] })],
    inputs: [{ name: 'input', dtype: 'uint8', shape: [1, bytes] }],
    outputs: [{ name: 'size', dtype: 'int64', shape: [2] }],
  })
  return writeModel({ irVersion: 8, opsets: new Map([['', 17]]), graph })
}

/** A bundle of it in `folder`, with a durability of its own. */
export async function writeNullBundle(
  folder: string,
  { name, bytes, durability }: { name: string; bytes: number; durability: Manifest['durability'] },
): Promise<void> {
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'model.onnx'), nullModel(bytes))
  await writeFile(join(folder, 'model.json'), JSON.stringify({ name, durability }))
}

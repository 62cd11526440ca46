/**
 * ocr.js REC.onnx ppocr_keys_v1.txt [--lines 200] [--captured 500]   the OCR recognizer served over mosquitto, float and then int8.
 *
 * 500 drawn lines (seed 2) are answered by float, captured and labelled by feedback; `requantize` calibrates on them; 200 other lines (seed 1) are read
 * before and after. Prints one JSON line: exact lines (trimmed) of float and int8 as served, p50 of inference as the daemon reports it, the job.
 */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ctcText, drawLines, type Line, lineShape } from './ocr-lines.js'
import { quantile, Stand } from './stand.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { lines: { type: 'string', default: '200' }, captured: { type: 'string', default: '500' } },
})
const [modelFile, keysFile] = positionals
if (modelFile === undefined || keysFile === undefined) throw new Error('ocr.js REC.onnx ppocr_keys_v1.txt')
const alphabet = ['', ...readFileSync(keysFile, 'utf8').replace(/\n$/, '').split('\n'), ' ']
const stand = await Stand.open()
const bundle = join(stand.folder, 'ocr')
mkdirSync(bundle)
copyFileSync(modelFile, join(bundle, 'rec.onnx'))
copyFileSync(keysFile, join(bundle, 'keys.txt'))
writeFileSync(
  join(bundle, 'model.json'),
  JSON.stringify({ name: 'ocr', task: 'text', alphabet_file: 'keys.txt', max_drop: 0.03, capture: { mode: 'on', max_mb: 1024 } }),
)
await stand.quantd('load', bundle)

/** OIP binary request: JSON header, then the tensor; the answer comes as binary too. */
function encode({ input }: Line): { body: Buffer; length: number } {
  const bytes = Buffer.from(input.buffer, input.byteOffset, input.byteLength)
  const header = Buffer.from(
    JSON.stringify({
      inputs: [{ name: 'x', shape: lineShape, datatype: 'FP32', parameters: { binary_data_size: bytes.length } }],
      parameters: { binary_data_output: true },
    }),
  )
  return { body: Buffer.concat([header, bytes]), length: header.length }
}

async function read(line: Line, id: string): Promise<{ text: string; version: string; inferMs: number }> {
  const { body, length } = encode(line)
  const answer = await stand.infer('ocr', body, {
    contentType: 'application/vnd.oip.v2+octet-stream',
    properties: { 'json-len': String(length), id },
  })
  if (answer.status !== 200) throw new Error(`status ${answer.status}: ${answer.body.toString()}`)
  const head = Number(answer.properties['json-len'])
  const { outputs } = JSON.parse(answer.body.subarray(0, head).toString()) as { outputs: readonly { readonly shape: readonly number[] }[] }
  const classes = outputs[0]?.shape.at(-1) ?? 0
  const logits = new Float32Array(Uint8Array.from(answer.body.subarray(head)).buffer)
  return { text: ctcText(logits, classes, alphabet), version: answer.version, inferMs: Number(answer.properties['infer-us']) / 1000 }
}

const test: Line[] = []
for await (const line of drawLines(Number(values.lines), 1)) test.push(line)

async function exact(): Promise<{ version: string; exact: number; p50InferMs: number }> {
  let right = 0
  let version = ''
  const times: number[] = []
  for (const [index, line] of test.entries()) {
    const found = await read(line, `test-${index}`)
    if (found.text.trim() === line.text.trim()) right += 1
    version = found.version
    times.push(found.inferMs)
  }
  return { version, exact: right / test.length, p50InferMs: quantile(times, 0.5) }
}

await stand.quantd('capture', 'ocr', '--mode', 'off')
const float = await exact()
await stand.quantd('capture', 'ocr', '--mode', 'on', '--max-mb', '1024')
let index = 0
for await (const line of drawLines(Number(values.captured), 2)) {
  await read(line, `line-${index}`)
  stand.client.publish(`quantd/${stand.gateway}/feedback/ocr/bench`, JSON.stringify({ id: `line-${index}`, label: line.text }), { qos: 1 })
  index += 1
}
await stand.quantd('capture', 'ocr', '--mode', 'off')
const started = Date.now()
const job = (await stand.quantd('requantize', 'ocr', '--max-drop', '0.03')) as Record<string, unknown>
const seconds = (Date.now() - started) / 1000
const int8 = await exact()
process.stdout.write(`${JSON.stringify({ float, int8, seconds, job })}\n`)
await stand.close()

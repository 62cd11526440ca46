import { fuzzOnnx } from '../fixtures/fuzz-onnx.js'

/** Mutated ONNX files through reader, passes and writer: `node dist/test/bench/fuzz-onnx.js [count] [seed]`; the seed is printed. */
const count = Number(process.argv[2] ?? 10_000)
const seed = Number(process.argv[3] ?? Date.now() % 2 ** 31)
process.stdout.write(`seed ${seed}, ${count} files\n`)
const start = performance.now()
const { read, prepared, codes, slowest } = await fuzzOnnx({ seed, count })
const seconds = (performance.now() - start) / 1000
process.stdout.write(
  `${read} read, ${prepared} prepared, refused ${JSON.stringify(codes)}, ${seconds.toFixed(1)} s (slowest file ${slowest.toFixed(0)} ms), no crash\n`,
)

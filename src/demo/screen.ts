import type { Judgement } from '../quantization/report/report.js'

/** One row of the table that the tour is about. */
export interface Row {
  readonly name: string
  readonly judgement?: Judgement
  readonly side: 'float' | 'int8'
}

export interface Step {
  readonly title: string
  state: 'waiting' | 'running' | 'done'
  /** 0..1, drawn as a bar while running. */
  progress: number
  text: string
}

/** What the tour shows: filled in as it happens, drawn as a whole. */
export interface Tour {
  readonly broker: string
  devices: readonly string[]
  readonly steps: readonly Step[]
  rows: readonly Row[]
  next: readonly string[]
}

const bar = (progress: number, width = 24): string => {
  const full = Math.round(Math.min(1, Math.max(0, progress)) * width)
  return `[${'#'.repeat(full)}${'.'.repeat(width - full)}]`
}

const percent = (share: number | null): string => (share === null ? '-' : `${(share * 100).toFixed(2)} %`)

function rowText({ name, judgement, side }: Row): string {
  if (judgement === undefined) return `  ${name.padEnd(30)} …`
  const timing = judgement.timing
  const us = side === 'float' ? timing?.float_us : timing?.int8_us
  const latency = us === undefined ? '-' : `${(us / 1000).toFixed(3)} ms`
  const verdict = side === 'float' ? '' : `${judgement.verdict}: ${judgement.sentence}`
  return `  ${name.padEnd(30)} ${percent(judgement[side]).padStart(9)}  ${latency.padStart(9)}  ${verdict}`
}

/** The screen as lines of text, for `tour` as it stands. */
export function drawTour(tour: Tour): readonly string[] {
  const mark = { waiting: ' ', running: '>', done: '+' } as const
  return [
    `quantd, the tour   broker ${tour.broker} (embedded, MQTT 3.1.1)`,
    '',
    'Devices found',
    ...(tour.devices.length === 0 ? ['  …'] : tour.devices.map(device => `  ${device}`)),
    '',
    ...tour.steps.map(
      step => ` ${mark[step.state]} ${step.title.padEnd(44)} ${step.state === 'running' ? `${bar(step.progress)} ` : ''}${step.text}`,
    ),
    '',
    `  ${'judged on held-out pictures'.padEnd(30)} ${'right'.padStart(9)}  ${'inference'.padStart(9)}`,
    ...tour.rows.map(rowText),
    ...(tour.next.length === 0
      ? []
      : ['', 'It stays up. Try next, in another terminal:', ...tour.next.map(line => `  ${line}`), '', 'Ctrl-C ends it.']),
  ]
}

/** Shows a tour: redrawn in place on a terminal, else each line once when it is settled. */
export class Screen {
  readonly #out: NodeJS.WriteStream
  #drawn = 0
  readonly #said = new Set<string>()

  constructor(out: NodeJS.WriteStream) {
    this.#out = out
  }

  show(tour: Tour): void {
    const lines = drawTour(tour)
    if (!this.#out.isTTY) {
      const settled = lines.filter(line => line !== '' && !line.includes('…') && !/^ [ >] /.test(line))
      for (const line of settled)
        if (!this.#said.has(line)) {
          this.#said.add(line)
          this.#out.write(`${line}\n`)
        }
      return
    }
    const width = this.#out.columns
    const text = lines.map(line => `${line.length > width ? `${line.slice(0, width - 1)}…` : line}\u001b[K\n`).join('')
    this.#out.write(`${this.#drawn > 0 ? `\u001b[${this.#drawn}A` : ''}${text}\u001b[J`)
    this.#drawn = lines.length
  }
}

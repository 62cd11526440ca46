import type { CliContext } from '../context.js'

export interface Progress {
  /** What is going on: a stage of the job. */
  readonly label: string
  /** 0 to 1; undefined when only the stage is known. */
  readonly share?: number | undefined
  readonly etaS?: number | undefined
}

const cells = 24

/** `[########----------------]  33 %  calibrate  12 s left` */
export function drawProgress({ label, share, etaS }: Progress): string {
  const bounded = Math.min(1, Math.max(0, share ?? 0))
  const full = Math.round(bounded * cells)
  const percent = share === undefined ? '     ' : `${String(Math.round(bounded * 100)).padStart(3)} %`
  return `[${'#'.repeat(full)}${'-'.repeat(cells - full)}] ${percent}  ${label}${left(etaS)}`
}

const left = (etaS: number | undefined) => (etaS === undefined || etaS <= 0 ? '' : `  ${Math.ceil(etaS)} s left`)

/** Progress on stderr: one line redrawn in place on a terminal, else one line per stage, so that a log stays short. */
export class ProgressBar {
  readonly #context: Pick<CliContext, 'err' | 'interactive' | 'columns'>
  #drawn = false
  #label = ''

  constructor(context: Pick<CliContext, 'err' | 'interactive' | 'columns'>) {
    this.#context = context
  }

  show(progress: Progress): void {
    if (this.#context.interactive) {
      this.#context.err(`\r\u001b[K${drawProgress(progress).slice(0, (this.#context.columns ?? 80) - 1)}`)
      this.#drawn = true
    } else if (progress.label !== this.#label) {
      this.#context.err(`${progress.label}${left(progress.etaS)}\n`)
    }
    this.#label = progress.label
  }

  /** Clears the line, so that what follows starts at its left. */
  end(): void {
    if (this.#drawn) this.#context.err('\r\u001b[K')
    this.#drawn = false
  }
}

/** What opening a version took. */
export interface OpenFigures {
  readonly ms: number
  /** Resident memory that it added to its worker. */
  readonly memoryMiB: number
}

export interface LiveSessionFields {
  readonly version: string
  readonly key: string
  /** Id of the device whose worker has it open. */
  readonly device: string
  /** Inferences that its worker runs side by side. */
  readonly parallel: number
  readonly figures: OpenFigures
  readonly isOpen: () => boolean
  readonly close: () => Promise<void>
}

/** A version that is open in the worker of its device, and the requests that hold it. Closed when it is retired and the last holder has let go. */
export class LiveSession {
  readonly version: string
  readonly key: string
  readonly device: string
  readonly parallel: number
  readonly figures: OpenFigures
  readonly #isOpen: () => boolean
  readonly #close: () => Promise<void>
  #holders = 0
  #retired: Promise<void> | undefined
  #free: (() => void) | undefined

  constructor({ version, key, device, parallel, figures, isOpen, close }: LiveSessionFields) {
    this.version = version
    this.key = key
    this.device = device
    this.parallel = parallel
    this.figures = figures
    this.#isOpen = isOpen
    this.#close = close
  }

  /** False while its worker is starting again, and for good where the new process could not open it. */
  get isOpen(): boolean {
    return this.#isOpen()
  }

  /** @returns how to let go; safe to call twice */
  hold(): () => void {
    this.#holders += 1
    let held = true
    return () => {
      if (!held) return
      held = false
      this.#holders -= 1
      if (this.#holders === 0) this.#free?.()
    }
  }

  /** Resolves when it is closed. No one may hold it anew: whoever retires it has taken it out of reach first. */
  retire(): Promise<void> {
    this.#retired ??= this.#whenFree().then(this.#close)
    return this.#retired
  }

  #whenFree(): Promise<void> {
    if (this.#holders === 0) return Promise.resolve()
    return new Promise(resolve => {
      this.#free = resolve
    })
  }
}

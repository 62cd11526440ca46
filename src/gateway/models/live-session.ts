/** A version that is open in the device worker, and the requests that hold it. Closed when it is retired and the last holder has let go. */
export class LiveSession {
  readonly version: string
  readonly key: string
  readonly #close: () => Promise<void>
  #holders = 0
  #retired: Promise<void> | undefined
  #free: (() => void) | undefined

  constructor(fields: { readonly version: string; readonly key: string; readonly close: () => Promise<void> }) {
    this.version = fields.version
    this.key = fields.key
    this.#close = fields.close
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

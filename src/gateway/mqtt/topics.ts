/** What a topic that a caller publishes to asks for. `caller` is the publisher's user name, which the broker's ACL enforces; '-' without ACL. */
export type RequestTopic =
  | { readonly kind: 'infer'; readonly model: string; readonly caller: string; readonly pool: boolean }
  | { readonly kind: 'feedback'; readonly model: string; readonly caller: string }
  | { readonly kind: 'command'; readonly verb: string; readonly caller: string }
  | { readonly kind: 'status' }

/** Every topic of the contract (mqtt-contract.md 4a), built and parsed here and nowhere else. */
export class Topics {
  readonly #base: string
  readonly #gateway: string

  constructor({ base, gateway }: { readonly base: string; readonly gateway: string }) {
    this.#base = base
    this.#gateway = gateway
  }

  get status(): string {
    return this.#own('status')
  }

  get info(): string {
    return this.#own('info')
  }

  get health(): string {
    return this.#own('health')
  }

  /** CloudEvents `source` of what this gateway tells. */
  get source(): string {
    return `${this.#base}/${this.#gateway}`
  }

  device(id: string): string {
    return this.#own(`devices/${level(id)}`)
  }

  model(name: string): string {
    return this.#own(`models/${name}`)
  }

  job(id: string): string {
    return this.#own(`jobs/${level(id)}`)
  }

  event(kind: string): string {
    return this.#own(`event/${kind}`)
  }

  result(model: string): string {
    return this.#own(`result/${model}`)
  }

  /** Filters of the two connections (mqtt-contract.md 4c.6). */
  get control(): readonly string[] {
    return [this.#own('cmd/+/+'), this.#own('feedback/+/+'), this.status]
  }

  get data(): readonly string[] {
    return [this.#own('infer/+/+')]
  }

  /** The pool of gateways that serve `model`: the broker hands each request to one of them. */
  pool(model: string): string {
    return `$share/quantd/${this.#base}/any/infer/${model}/+`
  }

  /** Undefined: not of the contract. A model name that cannot exist is passed on, so that its caller is answered. */
  parse(topic: string): RequestTopic | undefined {
    if (!topic.startsWith(`${this.#base}/`)) return undefined
    const [gateway, kind, name, caller, ...more] = topic.slice(this.#base.length + 1).split('/')
    if (more.length > 0) return undefined
    const own = gateway === this.#gateway
    if (own && kind === 'status' && name === undefined) return { kind: 'status' }
    if (name === undefined || name === '' || caller === undefined || caller === '') return undefined
    if (kind === 'infer' && (own || gateway === 'any')) return { kind, model: name, caller, pool: !own }
    if (kind === 'feedback' && own) return { kind, model: name, caller }
    if (kind === 'cmd' && own) return { kind: 'command', verb: name, caller }
    return undefined
  }

  #own(rest: string): string {
    return `${this.#base}/${this.#gateway}/${rest}`
  }
}

/** An id as one topic level. */
function level(id: string): string {
  return id.replace(/[/+#\0]/g, '-')
}

import type { Device } from '../../hardware/device.js'
import type { Services } from '../commands/command.js'
import { isTerminal, type Job } from '../jobs/job.js'
import type { ModelEvent, ModelRecord } from '../models/model.js'
import { deviceDocument, modelDocument } from './documents.js'
import type { Events } from './events.js'
import type { RetainedTopics } from './retained-topics.js'
import type { Topics } from './topics.js'

/** Seconds that a job stays retained. */
const jobExpiryS = 86_400

/** The devices of this host, and word of their coming and going. */
export interface DeviceList {
  devices(): readonly Device[]
  on(event: 'changed', listener: (devices: readonly Device[]) => void): () => void
}

export interface StateTopicsOptions {
  readonly services: Pick<Services, 'models' | 'jobs' | 'capture' | 'serving'>
  readonly hardware: DeviceList
  readonly topics: Topics
  readonly retained: RetainedTopics
  readonly events: Events
  /** Called after each change that may bear on whether this gateway serves. */
  readonly onChange: () => void
}

/** The retained topics of models, jobs and devices: functions of the services' state, each change of which is published, and told as an event where it is one. */
export class StateTopics {
  readonly #options: StateTopicsOptions
  readonly #lost = new Set<string>()

  constructor(options: StateTopicsOptions) {
    this.#options = options
  }

  /** Devices whose worker died and is not back yet. */
  get lost(): ReadonlySet<string> {
    return this.#lost
  }

  /** Shows what is there now and every change from now on. @returns how to end it */
  follow(): () => void {
    const { services, hardware, events } = this.#options
    const { models, jobs, capture, serving } = services
    for (const model of models.list()) this.#setModel(model)
    for (const job of jobs.list()) this.#setJob(job)
    this.#setDevices(hardware.devices())
    const undo = [
      models.on(event => this.#onModel(event)),
      jobs.on(job => this.#onJob(job)),
      hardware.on('changed', devices => this.#setDevices(devices)),
      serving.onDevice((event, device) => this.#onDevice(event, device)),
      capture.on(event => {
        if (event.kind === 'stopped') events.tell('capture.full', { model: event.model, reason: event.reason }, event.model)
      }),
    ]
    return () => {
      for (const end of undo.splice(0)) end()
    }
  }

  #onModel(event: ModelEvent): void {
    const { retained, topics, events, onChange } = this.#options
    if (event.kind === 'removed') {
      retained.clear(topics.model(event.name))
    } else {
      this.#setModel(event.model)
      if (event.kind !== 'changed') {
        const { name } = event.model
        events.tell(`model.${event.kind}`, { model: name, version: event.version, from: event.from ?? null }, name)
      }
    }
    onChange()
  }

  #onJob(job: Job): void {
    const { services, topics, events } = this.#options
    this.#setJob(job)
    if (isTerminal(job.state)) events.tell('job.finished', job, job.job_id)
    this.#keepOnly(topics.job(''), new Set(services.jobs.list().map(({ job_id }) => topics.job(job_id))))
  }

  #onDevice(event: 'lost' | 'back', device: string): void {
    if (event === 'lost') this.#lost.add(device)
    else this.#lost.delete(device)
    this.#options.events.tell(`device.${event}`, { device }, device)
    this.#setDevices(this.#options.hardware.devices())
    this.#options.onChange()
  }

  #setModel(model: ModelRecord): void {
    const { retained, topics } = this.#options
    retained.set(topics.model(model.name), modelDocument(model))
  }

  #setJob(job: Job): void {
    const { retained, topics } = this.#options
    retained.set(topics.job(job.job_id), job, { expiryS: jobExpiryS })
  }

  #setDevices(devices: readonly Device[]): void {
    const { retained, topics } = this.#options
    for (const device of devices) {
      const document = deviceDocument(device)
      const shown = this.#lost.has(device.id) ? { ...document, state: 'faulty', why: 'its worker died and is started again' } : document
      retained.set(topics.device(device.id), shown)
    }
    this.#keepOnly(topics.device(''), new Set(devices.map(({ id }) => topics.device(id))))
  }

  /** Clears what is retained below `prefix` and not among `known`. */
  #keepOnly(prefix: string, known: ReadonlySet<string>): void {
    const { retained } = this.#options
    for (const topic of retained.below(prefix)) if (!known.has(topic)) retained.clear(topic)
  }
}

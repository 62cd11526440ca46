import { logger } from '../../log.js'
import type { ChoiceEntry, Judgement } from '../../quantization/report/report.js'
import type { Clock } from '../../time.js'
import { Refusal } from '../wire-errors.js'
import { judgedOn } from './judged-on.js'
import type { LoadedModels } from './loaded-models.js'
import type { FloatForm, VersionRecord, VersionSource } from './model.js'
import { publicVersion } from './model-entry.js'
import { otherModel, requireVersion } from './model-refusals.js'
import type { ServingDevice } from './serving-devices.js'
import { standInOf } from './stand-in.js'
import type { StoredVersion } from './stored-model.js'
import type { Arriving } from './version-files.js'
import { readReport } from './version-files.js'
import { judgedState, withFields, withoutOtherForms, withVersion } from './version-rules.js'

const log = logger('gateway/models')

export interface VersionsOptions {
  readonly loaded: LoadedModels
  readonly clock: Pick<Clock, 'wall'>
}

/** The versions of models as jobs make and judge them: the part of `Models` that adds to what may answer and never switches who does. */
export class Versions {
  readonly #loaded: LoadedModels
  readonly #clock: Pick<Clock, 'wall'>

  constructor({ loaded, clock }: VersionsOptions) {
    this.#loaded = loaded
    this.#clock = clock
  }

  /** @throws Refusal CONFLICT when the bundle was replaced meanwhile, NOT_READY when the device left */
  async add(name: string, source: VersionSource): Promise<VersionRecord> {
    const { files } = this.#loaded
    const serving = this.#serving(source.device ?? this.#reference)
    const report = await readReport(source.report)
    const arriving = [await files.putModel(source.model), await files.putReport(report)] as const
    try {
      return await this.#loaded.change(name, async entry => {
        const { judgement } = report
        if (report.model.sha256 !== requireVersion(entry.stored, '1').artifact) throw otherModel(name, report.model.sha256)
        const fields = {
          kind: 'int8' as const,
          state: judgement?.verdict === 'refused' ? ('refused' as const) : ('candidate' as const),
          device: serving.device.id,
          engine: serving.engine.name,
          ...(source.precision === undefined ? {} : { precision: source.precision }),
          artifact: arriving[0].hash,
          report: arriving[1].hash,
          scheme: report.chosen.scheme,
          calibratedAt: this.#now(),
          samples: report.samples.calibration,
          ...(judgement === undefined ? {} : { judgement, judgedOn: judgedOn(serving) }),
          createdAt: this.#now(),
        }
        const { model, added } = withVersion(entry.stored, fields, { spared: standInOf(entry.stored, this.#reference) })
        this.#loaded.save(entry, model)
        await this.#loaded.collect('unreferenced')
        log.info({ model: name, version: added.version, device: added.device, state: added.state }, 'version added')
        return publicVersion(added)
      })
    } finally {
      for (const { settled } of arriving) settled()
    }
  }

  /** @throws Refusal CONFLICT when the bundle was replaced meanwhile, NOT_READY when the device left */
  async addFloat(name: string, { model, ...form }: FloatForm): Promise<VersionRecord> {
    const arriving = model === undefined ? undefined : await this.#loaded.files.putModel(model)
    try {
      return await this.#putFloat(name, form, arriving)
    } finally {
      arriving?.settled()
    }
  }

  #putFloat(
    name: string,
    { device, precision, judgement, of }: Omit<FloatForm, 'model'>,
    own: Arriving | undefined,
  ): Promise<VersionRecord> {
    return this.#loaded.change(name, async entry => {
      const serving = this.#serving(device)
      const { artifact: bundled } = requireVersion(entry.stored, '1')
      if (of !== bundled) throw otherModel(name, of)
      const artifact = own?.hash ?? bundled
      const isSame = (version: StoredVersion) =>
        version.device === device && version.precision === precision && version.artifact === artifact
      const known = entry.stored.versions.find(isSame)
      const judged = { judgement, judgedOn: judgedOn(serving) }
      if (known !== undefined) {
        this.#loaded.save(entry, withFields(entry.stored, known.version, { ...judged, state: judgedState(known, judgement) }))
        return publicVersion(requireVersion(entry.stored, known.version))
      }
      const fields = {
        kind: 'float' as const,
        state: judgement.verdict === 'refused' ? ('refused' as const) : ('candidate' as const),
        device,
        engine: serving.engine.name,
        precision,
        artifact,
        ...judged,
        createdAt: this.#now(),
      }
      const { model, added } = withVersion(entry.stored, fields)
      this.#loaded.save(entry, withoutOtherForms(model, added))
      await this.#loaded.collect('unreferenced')
      log.info({ model: name, version: added.version, device, precision, state: added.state }, 'version added')
      return publicVersion(added)
    })
  }

  /** @throws Refusal VERSION_NOT_FOUND; NOT_READY when the device left */
  async judge(name: string, version: string, judgement: Judgement, choice?: readonly ChoiceEntry[]): Promise<VersionRecord> {
    return this.#loaded.change(name, async entry => {
      const { report, device } = requireVersion(entry.stored, version)
      const arriving =
        report === undefined
          ? undefined
          : await this.#loaded.files.putJudgedReport(report, { judgement, ...(choice === undefined ? {} : { choice: [...choice] }) })
      const fields = { judgement, judgedOn: judgedOn(this.#serving(device)), ...(arriving === undefined ? {} : { report: arriving.hash }) }
      const judged = withFields(entry.stored, version, { ...fields, state: judgedState(requireVersion(entry.stored, version), judgement) })
      this.#loaded.save(entry, version === judged.active ? { ...judged, note: '' } : judged)
      arriving?.settled()
      return publicVersion(requireVersion(entry.stored, version))
    })
  }

  get #reference(): string {
    return this.#loaded.devices.reference.device.id
  }

  /** @throws Refusal NOT_READY */
  #serving(device: string): ServingDevice {
    const found = this.#loaded.devices.get(device)
    if (found !== undefined) return found
    throw new Refusal('NOT_READY', 'ERR_MODEL_DEVICE', `no worker runs for '${device}'`, { details: { device } })
  }

  #now(): string {
    return new Date(this.#clock.wall()).toISOString()
  }
}

import { choiceSentence } from './choice-sentence.js'
import { formatChoice } from './choice-table.js'
import { describeQuantizer, outputsOf } from './explain-layer.js'
import type { Judgement, LayerEntry, Report } from './report.js'

/** Layers named one by one in the text; `report.json` has all. */
const listedLayers = 12
/** Candidates named in the text. */
const listedCandidates = 6
/** Accuracy-aware steps in the text. */
const listedSteps = 30

/** `report.txt`: one page of plain text for whoever decides whether to trust the model. */
export function formatReport(report: Report): string {
  const { model, result, chosen, samples, judgement, settings } = report
  const lifted = model.lifted_to === undefined ? '' : `, lifted to ${model.lifted_to}`
  const lines = [
    `${model.name}: float ${kib(model.bytes)} (opset ${model.opset}${lifted}) -> int8 ${kib(result.ir?.bytes ?? result.bytes)} for ${report.device}`,
    '',
    ...verdictLines(judgement),
    `coverage     ${percent(report.coverage)} of the multiply-adds in integer kernels (${kernelText(report)})`,
    `activations  ${chosen.scheme}, ${chosen.estimator}: ${chosen.why}`,
    `weights      symmetric per channel, ${chosen.weight_range} range${settings.bias_correction !== 'off' ? ', biases corrected' : ''}`,
    `samples      ${samples.calibration} for calibration, ${samples.held_out} held out`,
    ...report.notes.map(note => `note         ${note}`),
    ...sizeLines(report),
    ...algorithmLines(report.algorithms),
    ...candidateLines(report.candidates),
    ...awareLines(report.accuracy_aware),
    '',
    ...layerLines(report),
    ...choiceLines(report.choice),
    '',
    `stages       ${report.stages.map(({ stage, seconds }) => `${stage} ${seconds.toFixed(2)} s`).join(', ')}`,
    ...(report.peak_mib === undefined ? [] : [`memory       at most ${report.peak_mib} MiB up to the result`]),
    `engine       ${engineText(report)}`,
    `sha256       float ${model.sha256.slice(0, 16)}, int8 ${result.sha256.slice(0, 16)}, samples ${samples.sha256.slice(0, 16)}`,
  ]
  return `${lines.join('\n')}\n`
}

function verdictLines(judgement: Judgement | undefined): string[] {
  if (judgement === undefined) return []
  const { verdict, sentence, snr_db, cosine, agreement, items } = judgement
  const figures = [
    ...(snr_db === null ? [] : [`signal to noise ${snr_db.toFixed(1)} dB`]),
    ...(cosine === null ? [] : [`cosine ${cosine.toFixed(5)}`]),
    ...(agreement === null ? [] : [`same largest output as float in ${percent(agreement)}`]),
  ]
  return [
    `${verdict.toUpperCase().padEnd(12)} ${sentence}`,
    ...(figures.length === 0 ? [] : [`output       ${figures.join(', ')} (${items} items)`]),
  ]
}

/** What the file and one run came down to. */
function sizeLines({ model, result, judgement }: Report): string[] {
  const timing = judgement?.timing
  const bytes = result.ir?.bytes ?? result.bytes
  const size = `${kib(model.bytes)} -> ${kib(bytes)} (${percent(bytes / model.bytes)})`
  if (timing === undefined) return [`size         ${size}`]
  const { float_us, int8_us, ratio, low, high } = timing
  const interval = `ratio ${ratio.toFixed(2)}, ${low.toFixed(2)} to ${high.toFixed(2)} in 95 %`
  return [`size         ${size}; one run ${ms(float_us)} -> ${ms(int8_us)} (${interval})`]
}

/** What was applied and what it gained, one algorithm a line; the others in one line. */
function algorithmLines(algorithms: Report['algorithms']): string[] {
  const tried = (algorithms ?? []).filter(({ state }) => state === 'applied' || state === 'withdrawn')
  const rest = (algorithms ?? []).filter(entry => !tried.includes(entry))
  const gain = (db: number | null) => (db === null ? '' : `, ${db >= 0 ? '+' : ''}${db.toFixed(1)} dB`)
  return [
    ...tried.map(({ name, state, gain_db, changes, sentence }) => {
      const places = changes.length === 0 ? '' : ` in ${changes.length} ${changes.length === 1 ? 'place' : 'places'}`
      return `algorithm    ${name} ${state}${places}${gain(gain_db)}: ${sentence}`
    }),
    ...(rest.length === 0 ? [] : [`other steps  ${rest.map(({ name, state }) => `${name} ${state}`).join(', ')}`]),
  ]
}

function candidateLines(candidates: Report['candidates']): string[] {
  if (candidates === undefined || candidates.length < 2) return []
  const named = candidates
    .slice(0, listedCandidates)
    .map(({ name, snr_db, chosen }) => `${name}${snr_db === null ? '' : ` ${snr_db.toFixed(1)} dB`}${chosen ? ' (chosen)' : ''}`)
  const more = candidates.length - listedCandidates
  return [`candidates   ${candidates.length} measured: ${named.join('; ')}${more > 0 ? `; and ${more} more` : ''}`]
}

/** What every form of the model reached, and why this one answers. */
function choiceLines(choice: Report['choice']): string[] {
  if (choice === undefined) return []
  const sentence = choiceSentence(choice)
  return ['', `forms        ${sentence ?? 'nothing to choose from'}`, formatChoice(choice).trimEnd()]
}

/** What the accuracy-aware pipeline came to, and every step on the way. */
function awareLines(aware: Report['accuracy_aware']): string[] {
  if (aware === undefined) return []
  const times = `${aware.estimate_s.toFixed(0)} s were expected, ${aware.seconds.toFixed(0)} s taken, ${aware.items} items`
  const more = aware.steps.length - listedSteps
  return [
    `aware        ${aware.sentence} (${times})`,
    ...aware.steps.slice(0, listedSteps).map(({ step, sentence }) => `  ${step.padEnd(10)} ${sentence}`),
    ...(more > 0 ? [`  and ${more} more steps`] : []),
  ]
}

/** Who ran float, and int8 where that is another. */
function engineText({ engine, evaluated_on: on }: Report): string {
  const float = `${engine.name} ${engine.version}`
  if (on === undefined || (on.name === engine.name && !on.emulated)) return float
  const device = on.device === undefined ? '' : ` on ${on.device}`
  return `${float}; int8 measured ${on.emulated ? 'by an emulation there' : `by ${on.name} ${on.version}${device}`}`
}

const kernelText = ({ integer_kernels }: Report) =>
  Object.entries(integer_kernels)
    .map(([name, count]) => `${count} ${name}`)
    .join(', ') || 'none'

/** Float layers that have multiply-adds, then the integer layers with the most noise. */
function layerLines(report: Report): string[] {
  const { layers } = report
  const float = layers.filter(({ state, macs }) => state === 'float' && macs > 0)
  const noisy = layers.filter(({ snr_db }) => typeof snr_db === 'number').sort((a, b) => a.snr_db! - b.snr_db!)
  const counts = (['int8', 'codes', 'float', 'removed'] as const).map(
    state => `${layers.filter(layer => layer.state === state).length} ${state}`,
  )
  const rest = (count: number) => (count > listedLayers ? [`  and ${count - listedLayers} more`] : [])
  return [
    `layers       ${counts.join(', ')}`,
    ...(float.length === 0 ? [] : ['float with multiply-adds:']),
    ...float.slice(0, listedLayers).map(({ node, op, reason }) => `  ${op} ${node}: ${reason}`),
    ...rest(float.length),
    ...(noisy.length === 0 ? [] : ['least signal to noise at the outputs of:']),
    ...noisy
      .slice(0, listedLayers)
      .map(layer => `  ${layer.snr_db!.toFixed(1).padStart(6)} dB  ${layer.op} ${layer.node}${outputText(layer, report)}`),
    ...(layers.some(({ writes }) => writes !== undefined) ? ['(quantd explain FOLDER LAYER tells all of one layer)'] : []),
  ]
}

/** The quantizer behind a layer: its own, or that of what is folded into it. */
function outputText(layer: LayerEntry, { layers, quantizers }: Report): string {
  const written = outputsOf(layers, layer)
  const quantizer = quantizers.find(({ of, tensor }) => of === 'activation' && written.includes(tensor))
  return quantizer === undefined ? '' : `  ${describeQuantizer(quantizer)}`
}

const ms = (microseconds: number) => `${(microseconds / 1000).toFixed(3)} ms`
const percent = (share: number) => `${(100 * share).toFixed(1)} %`
const kib = (bytes: number) => `${Math.round(bytes / 1024)} KiB`

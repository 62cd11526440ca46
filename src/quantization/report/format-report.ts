import type { Judgement, LayerEntry, Report } from './report.js'

/** Layers named one by one in the text; `report.json` has all. */
const listedLayers = 12
/** Accuracy-aware steps in the text. */
const listedSteps = 30

/** `report.txt`: one page of plain text for whoever decides whether to trust the model. */
export function formatReport(report: Report): string {
  const { model, result, chosen, samples, judgement, settings } = report
  const lifted = model.lifted_to === undefined ? '' : `, lifted to ${model.lifted_to}`
  const lines = [
    `${model.name}: float ${kib(model.bytes)} (opset ${model.opset}${lifted}) -> int8 ${kib(result.bytes)} for ${report.device}`,
    '',
    ...verdictLines(judgement),
    `coverage     ${percent(report.coverage)} of the multiply-adds in integer kernels (${kernelText(report)})`,
    `activations  ${chosen.scheme}, ${chosen.estimator}: ${chosen.why}`,
    `weights      symmetric per channel, ${chosen.weight_range} range${settings.bias_correction !== 'off' ? ', biases corrected' : ''}`,
    `samples      ${samples.calibration} for calibration, ${samples.held_out} held out`,
    ...report.notes.map(note => `note         ${note}`),
    ...awareLines(report.accuracy_aware),
    '',
    ...layerLines(report.layers),
    '',
    `stages       ${report.stages.map(({ stage, seconds }) => `${stage} ${seconds.toFixed(2)} s`).join(', ')}`,
    `engine       ${report.engine.name} ${report.engine.version}`,
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

const kernelText = ({ integer_kernels }: Report) =>
  Object.entries(integer_kernels)
    .map(([name, count]) => `${count} ${name}`)
    .join(', ') || 'none'

/** Float layers that have multiply-adds, then the integer layers with the most noise. */
function layerLines(layers: readonly LayerEntry[]): string[] {
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
    ...noisy.slice(0, listedLayers).map(({ node, op, snr_db }) => `  ${snr_db!.toFixed(1).padStart(6)} dB  ${op} ${node}`),
  ]
}

const percent = (share: number) => `${(100 * share).toFixed(1)} %`
const kib = (bytes: number) => `${Math.round(bytes / 1024)} KiB`

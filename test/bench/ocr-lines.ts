import sharp, { type Sharp } from 'sharp'
import { seeded } from './stand.js'

/** A drawn line of text: what it says and the recognizer's input, float32 [1, 3, 48, 320], BGR, (x / 255 - 0.5) / 0.5, zeros to the right. */
export interface Line {
  readonly text: string
  readonly input: Float32Array
}

export const lineShape = [1, 3, 48, 320] as const
const [, , height, width] = lineShape

const words = (
  'the quick brown fox jumps over lazy dog pressure valve open closed warning battery meter reading temperature humidity sensor gateway offline reset ' +
  'device firmware update channel north south east west line station motor speed current voltage phase oil level filter replace inspect before serial number model made ' +
  'total amount paid invoice date order customer street city road please keep door shut danger high voltage exit only entrance room floor lift'
).split(' ')
const fonts = ['DejaVu Sans', 'DejaVu Serif', 'DejaVu Sans Mono', 'DejaVu Sans Condensed']

type Random = () => number
const pick = <T>(random: Random, from: readonly T[]): T => from[Math.floor(random() * from.length)]!

function makeText(random: Random): string {
  const kind = random()
  if (kind < 0.5) {
    const count = 1 + Math.floor(random() * 4)
    const text = Array.from({ length: count }, () => pick(random, words)).join(' ')
    if (random() < 0.4) return text.charAt(0).toUpperCase() + text.slice(1)
    return random() < 0.3 ? text.toUpperCase() : text
  }
  const digits = (count: number) => Array.from({ length: count }, () => Math.floor(random() * 10)).join('')
  if (kind < 0.65) return `20${digits(2)}-0${1 + Math.floor(random() * 9)}-1${digits(1)}`
  if (kind < 0.8) return `${digits(1 + Math.floor(random() * 4))}.${digits(2)} ${pick(random, ['kWh', 'bar', 'mA', 'km', 'EUR', '%'])}`
  return `${pick(random, ['SN', 'ID', 'No', 'REF'])}: ${digits(3)}-${pick(random, ['A', 'B', 'K', 'X', 'Z'])}${digits(4)}`
}

/** The line as a camera might see it: font, weight, slant, contrast, tilt, blur and noise drawn from `random`. Needs the DejaVu fonts. */
async function render(text: string, random: Random): Promise<Sharp> {
  const font = pick(random, fonts)
  const weight = random() < 0.3 ? 'bold' : 'normal'
  const style = random() < 0.15 ? 'italic' : 'normal'
  const dark = random() < 0.75
  const ink = Math.floor(random() * 70)
  const foreground = dark ? ink : 255 - ink
  const background = dark ? 255 - Math.floor(random() * 70) : Math.floor(random() * 70)
  const size = 26 + Math.floor(random() * 12)
  const turn = (random() - 0.5) * 3
  const [w, h] = [Math.ceil(text.length * size * 0.75) + 40, 64]
  const escaped = text.replace(/[&<>]/g, c => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[c] ?? c)
  const paper = { r: background, g: background, b: background }
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${w}" height="${h}"><rect width="100%" height="100%" fill="rgb(${background},${background},${background})"/><text x="14" y="${h / 2 + size * 0.35}" transform="rotate(${turn} ${w / 2} ${h / 2})" font-family="${font}" font-weight="${weight}" font-style="${style}" font-size="${size}" fill="rgb(${foreground},${foreground},${foreground})" xml:space="preserve">${escaped}</text></svg>`
  const trimmed = sharp(Buffer.from(svg))
    .removeAlpha()
    .trim({ threshold: 30 })
    .extend({ top: 5, bottom: 5, left: 6, right: 6, background: paper })
  const seen = random() < 0.4 ? sharp(await trimmed.png().toBuffer()).blur(0.4 + random() * 0.9) : trimmed
  const { data, info } = await sharp(await seen.png().toBuffer())
    .removeAlpha()
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true })
  const noise = random() * 24
  for (let i = 0; i < data.length; i += 1) data[i] = Math.max(0, Math.min(255, data[i]! + (random() - 0.5) * noise))
  return sharp(data, { raw: { width: info.width, height: info.height, channels: info.channels } })
}

async function toInput(picture: Sharp): Promise<Float32Array> {
  const { width: from = 1, height: tall = 1 } = await picture.metadata()
  const w = Math.max(16, Math.min(width, Math.round((from * height) / tall)))
  const rgb = await picture.resize(w, height, { fit: 'fill' }).raw().toBuffer()
  const input = new Float32Array(3 * height * width)
  for (let y = 0; y < height; y += 1)
    for (let x = 0; x < w; x += 1)
      for (let channel = 0; channel < 3; channel += 1)
        input[(channel * height + y) * width + x] = rgb[(y * w + x) * 3 + (2 - channel)]! / 127.5 - 1
  return input
}

/** `count` lines of a seed: the same lines as ../shared/models/open/ocr.mjs draws for it. */
export async function* drawLines(count: number, seed: number): AsyncGenerator<Line> {
  const random = seeded(seed)
  for (let index = 0; index < count; index += 1) {
    const text = makeText(random)
    yield { text, input: await toInput(await render(text, random)) }
  }
}

/** Greedy CTC text of `logits` [steps, classes]: best class per step, repeats merged, class 0 (blank) dropped. */
export function ctcText(logits: Float32Array, classes: number, alphabet: readonly string[]): string {
  let text = ''
  let last = -1
  for (let at = 0; at < logits.length; at += classes) {
    let best = 0
    for (let k = 1; k < classes; k += 1) if (logits[at + k]! > logits[at + best]!) best = k
    if (best !== last && best !== 0) text += alphabet[best]
    last = best
  }
  return text
}

import type { Sharp, SharpOptions } from 'sharp'
import type { z } from 'zod'
import { errorMessage, QuantdError } from '../errors.js'
import type { TensorSpec } from '../graph/tensor/spec.js'
import type { Tensor } from '../graph/tensor/tensor.js'
import type { ImagePreprocessing } from './manifest.js'
import { type Preprocessing as Declared, isFloat, normalise } from './normalise.js'
import { type InputContext, onlyInput } from './request-context.js'

type Images = (input: Uint8Array, options?: SharpOptions) => Sharp
type Preprocessing = z.infer<typeof ImagePreprocessing>

/** Pixels beyond which an image is refused before it is unpacked: 8192 x 8192, 192 MiB as RGB. */
const pixelLimit = 8192 * 8192

let loading: Promise<Images> | undefined

/** The native library, loaded with the first image. One thread for one image: several requests fill the cores, and small images gain nothing from more. */
export function loadImages(): Promise<Images> {
  loading ??= import('sharp').then(({ default: sharp }) => {
    sharp.concurrency(1)
    sharp.cache(false)
    return sharp
  })
  return loading
}

/**
 * One JPEG or PNG as the only input: turned upright (EXIF), to the channels, size and layout of model.json, then (value * scale - mean) / std.
 * Resized by sharp's default kernel (Lanczos 3, averaging when it shrinks). `contain` is centred on black; `pad-right` keeps the aspect at full height,
 * shrinks what is wider, and fills the right with zeros after normalisation, as PaddleOCR's recognizers are trained.
 * @throws ERR_REQUEST_MEDIA when the model takes no image, ERR_REQUEST_IMAGE when the bytes are none that can be decoded
 */
export async function decodeImage(body: Uint8Array, context: InputContext): Promise<Map<string, Tensor>> {
  const spec = onlyInput(context, 'an image')
  const declared = context.manifest.inputs[spec.name]
  const target = imageTarget(spec, declared)
  const { channels, width, height, preprocessing } = target
  if (!isImage(body)) throw new QuantdError('ERR_REQUEST_IMAGE', 'the body is neither JPEG nor PNG')
  const { pixels, pixelWidth } = await readPixels(body, target)
  const isHwc = preprocessing.layout === 'nhwc'
  const pixelShape = isHwc ? [1, height, pixelWidth, channels] : [1, channels, height, pixelWidth]
  const arranged = arrange(pixels, { channels, reversed: preprocessing.channels === 'bgr', layout: preprocessing.layout })
  const shape = isHwc ? [1, height, width, channels] : [1, channels, height, width]
  if (!isFloat(spec.dtype)) {
    const data =
      pixelWidth === width
        ? arranged
        : padRight(arranged, { from: pixelWidth * inner(isHwc, channels), to: width * inner(isHwc, channels) })
    return new Map([[spec.name, { dtype: spec.dtype, shape, data }]])
  }
  const values = normalise(arranged, { shape: pixelShape, preprocessing, dtype: spec.dtype })
  const rows = { from: pixelWidth * inner(isHwc, channels), to: width * inner(isHwc, channels) }
  return new Map([[spec.name, { dtype: spec.dtype, shape, data: pixelWidth === width ? values : padRight(values as Float32Array, rows) }]])
}

/** Elements of one row per pixel: rows of nhwc hold all channels, rows of nchw one. */
const inner = (isHwc: boolean, channels: number) => (isHwc ? channels : 1)

interface Target {
  readonly channels: 1 | 3
  readonly width: number
  readonly height: number
  readonly preprocessing: Preprocessing
}

type Refuse = (why: string) => never

/** Size and channels as model.json says, else as the input says. */
function imageTarget(spec: TensorSpec, declared: Declared | undefined): Target {
  const refuse: Refuse = why => {
    throw new QuantdError(
      'ERR_REQUEST_MEDIA',
      `input '${spec.name}': ${why}; declare {"from": "image", ...} for it in model.json, or send OIP JSON or binary`,
      {
        details: { input: spec.name },
      },
    )
  }
  if (declared === undefined) return refuse('no preprocessing of images is declared')
  if (spec.shape.length !== 4) refuse(`rank ${spec.shape.length}, an image has 4: batch, channels, height, width`)
  if (!isFloat(spec.dtype) && spec.dtype !== 'uint8') refuse(`images become floats or bytes, not ${spec.dtype}`)
  const preprocessing = declared.from === 'image' ? declared : imageOfBytes(spec, declared, refuse)
  const [c, h, w] = preprocessing.layout === 'nchw' ? ([1, 2, 3] as const) : ([3, 1, 2] as const)
  const size = (axis: number, own: number | undefined, name: string): number => {
    const fixed = spec.shape[axis]
    if (typeof fixed === 'number' && own !== undefined && own !== fixed) refuse(`${name} ${own} in model.json, ${fixed} in the model`)
    return typeof fixed === 'number' ? fixed : (own ?? refuse(`its ${name} is free`))
  }
  const channels = preprocessing.channels === 'gray' ? 1 : 3
  const fixed = spec.shape[c]
  if (typeof fixed === 'number' && fixed !== channels)
    refuse(`${preprocessing.channels} has ${channels} channels, the model takes ${fixed}`)
  return { channels, width: size(w, preprocessing.width, 'width'), height: size(h, preprocessing.height, 'height'), preprocessing }
}

/** Raw bytes of an input with one or three channels are pixels: an image is normalised as they are. */
function imageOfBytes(spec: TensorSpec, { scale, mean, std }: Exclude<Declared, Preprocessing>, refuse: Refuse): Preprocessing {
  const isChannels = (size: unknown): size is 1 | 3 => size === 1 || size === 3
  const [, first, , last] = spec.shape
  const [layout, count] = isChannels(first)
    ? (['nchw', first] as const)
    : isChannels(last)
      ? (['nhwc', last] as const)
      : refuse('neither axis 1 nor the last has 1 or 3 channels')
  return { from: 'image', channels: count === 1 ? 'gray' : 'rgb', layout, fit: 'fill', scale, mean, std }
}

const isImage = (bytes: Uint8Array): boolean => isJpeg(bytes) || isPng(bytes)
export const isJpeg = (bytes: Uint8Array): boolean => bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff
export const isPng = (bytes: Uint8Array): boolean => [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a].every((byte, i) => bytes[i] === byte)

/** Interleaved bytes of the resized image. @throws ERR_REQUEST_IMAGE */
async function readPixels(body: Uint8Array, { channels, width, height, preprocessing: { fit } }: Target) {
  const images = await loadImages()
  try {
    let image = images(body, { limitInputPixels: pixelLimit, failOn: 'error', sequentialRead: true }).autoOrient().removeAlpha()
    image = channels === 1 ? image.greyscale() : image.toColourspace('srgb')
    let pixelWidth = width
    if (fit === 'pad-right') {
      const { autoOrient } = await images(body, { limitInputPixels: pixelLimit }).metadata()
      pixelWidth = Math.max(1, Math.min(width, Math.round((autoOrient.width * height) / autoOrient.height)))
    }
    const sharpFit = fit === 'pad-right' ? 'fill' : fit
    const { data, info } = await image
      .resize(pixelWidth, height, { fit: sharpFit, background: { r: 0, g: 0, b: 0 } })
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true })
    if (info.channels !== channels) throw new Error(`${info.channels} channels came out, ${channels} were expected`)
    return { pixels: new Uint8Array(data.buffer, data.byteOffset, data.length), pixelWidth }
  } catch (error) {
    throw new QuantdError('ERR_REQUEST_IMAGE', `the image cannot be decoded: ${errorMessage(error).split('\n')[0]}`, { cause: error })
  }
}

/** Interleaved to planar where the layout is nchw, red and blue swapped for bgr. */
function arrange(
  pixels: Uint8Array,
  { channels, reversed, layout }: { readonly channels: number; readonly reversed: boolean; readonly layout: 'nchw' | 'nhwc' },
): Uint8Array {
  if (channels === 1 || (layout === 'nhwc' && !reversed)) return pixels
  const count = pixels.length / channels
  const result = new Uint8Array(pixels.length)
  for (let channel = 0; channel < channels; channel += 1) {
    const source = reversed ? channels - 1 - channel : channel
    const [start, step] = layout === 'nchw' ? [channel * count, 1] : [channel, channels]
    for (let i = 0; i < count; i += 1) result[start + i * step] = pixels[i * channels + source]!
  }
  return result
}

/** Rows of `from` elements in rows of `to`, zeros behind. */
function padRight<T extends Uint8Array | Float32Array | Float64Array | Uint16Array>(
  values: T,
  { from, to }: { from: number; to: number },
): T {
  const rows = values.length / from
  const result = new (values.constructor as new (length: number) => T)(rows * to)
  for (let row = 0; row < rows; row += 1) result.set(values.subarray(row * from, (row + 1) * from), row * to)
  return result
}

import { join } from 'node:path'
import { packageRoot } from '../paths.js'
import { openNpz } from '../samples/npz.js'

export const demoData: string = join(packageRoot, 'src/demo/data')

/** A picture of the bright site: uint8 [1, 28, 28], a count worth four (see bundle/model.json), and what it shows. */
export interface SitePicture {
  readonly pixels: Uint8Array
  readonly label: number
}

/** The 1,600 pictures of the demo's site, in the order of the file. Fashion-MNIST, (c) 2017 Zalando SE, MIT. */
export async function readSite(): Promise<readonly SitePicture[]> {
  const source = await openNpz(join(demoData, 'site.npz'), { inputs: [{ name: 'image', dtype: 'uint8', shape: ['count', 1, 28, 28] }] })
  try {
    const pictures: SitePicture[] = []
    for (let index = 0; index < source.count; index += 1) {
      const { inputs, label } = await source.read(index)
      pictures.push({ pixels: Uint8Array.from(inputs.image!.data as Uint8Array), label: Number(label) })
    }
    return pictures
  } finally {
    await source.close()
  }
}

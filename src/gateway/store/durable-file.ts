import { randomUUID } from 'node:crypto'
import { chmod, copyFile, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Flushes a file or a folder to the disk. */
export async function syncPath(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/**
 * Puts `bytes` at `path` so that after a crash there is either the old file or the whole new one: write beside it, fsync, rename, fsync the folder.
 * The file is readable by its owner alone.
 */
export async function writeDurably(path: string, bytes: Uint8Array | string): Promise<void> {
  await placeDurably(path, async temporary => {
    const handle = await open(temporary, 'wx', 0o600)
    try {
      await handle.writeFile(bytes)
      await handle.sync()
    } finally {
      await handle.close()
    }
  })
}

/** `writeDurably` with the content of another file, which may lie on another file system. */
export async function copyDurably(source: string, path: string): Promise<void> {
  await placeDurably(path, async temporary => {
    await copyFile(source, temporary)
    await chmod(temporary, 0o600)
    await syncPath(temporary)
  })
}

async function placeDurably(path: string, fill: (temporary: string) => Promise<void>): Promise<void> {
  const folder = dirname(path)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const temporary = `${path}.${randomUUID()}.tmp`
  try {
    await fill(temporary)
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  await syncPath(folder)
}

/** What a listing tells of a device without opening it. */
export interface UsbDeviceInfo {
  readonly vendorId: number
  readonly productId: number
  /** Three digits on Linux: '001'. */
  readonly bus: string
  /** Port chain from the root hub. */
  readonly ports: readonly number[]
  readonly address: number
  readonly speed?: string | undefined
  readonly productName?: string | null
  readonly serialNumber?: string | null
}

/** The part of the `usb` package that discovery uses; tests hand in a recorded one. */
export interface UsbBus {
  /** @throws Error with the operating system's text where there is no USB host */
  list(): Promise<readonly UsbDeviceInfo[]>
  /** Calls `changed` on every attach and detach until the returned function is called. @throws where events cannot be had (no udev) */
  watch(changed: () => void): Promise<() => Promise<void>>
}

/**
 * The `usb` package (v3, nusb), loaded only here. Events are taken from its emitter: `usb.addEventListener` throws a failed subscription
 * into the event loop, where nobody can catch it.
 * @throws Error when the native module is absent for this platform
 */
export async function openUsbBus(): Promise<UsbBus> {
  const { usb } = await import('usb')
  const { Emitter } = await import('usb/index.js')
  return {
    list: () => usb.getDevices(),
    async watch(changed) {
      const emitter = new Emitter()
      await emitter.addAttach(changed)
      try {
        await emitter.addDetach(changed)
      } catch (error) {
        await emitter.removeAttach()
        throw error
      }
      return async () => {
        await emitter.removeAttach()
        await emitter.removeDetach()
      }
    },
  }
}

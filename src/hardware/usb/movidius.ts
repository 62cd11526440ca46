import type { Device } from '../device.js'
import type { UsbDeviceInfo } from './usb-bus.js'

/** Vendor of every Movidius id, booted or not (vpu-protocol.md 1.1). */
export const movidiusVendor = 0x03e7

interface Identity {
  readonly state: 'unbooted' | 'booted' | 'foreign'
  readonly name: string
}

/** product id -> what it is. f63c and f63d are listed, never booted: other firmware owns them. */
const identities: Readonly<Record<number, Identity>> = {
  8528: { state: 'unbooted', name: 'Movidius MA2450 (Neural Compute Stick)' },
  9349: { state: 'unbooted', name: 'Movidius MA2480 (Neural Compute Stick 2)' },
  63035: { state: 'booted', name: 'Movidius stick with firmware' },
  63036: { state: 'foreign', name: 'Movidius device in a bootloader' },
  63037: { state: 'foreign', name: 'Movidius device booted from its flash' },
}

const hex = (id: number): string => id.toString(16).padStart(4, '0')

/** `vpu-1-2.3`: bus and port path. The serial of an unbooted stick is a constant, the port is not. */
export const vpuId = ({ bus, ports }: UsbDeviceInfo): string => `vpu-${Number.parseInt(bus, 10) || bus}-${ports.join('.')}`

/** A stick as a device; undefined for anything that is not Movidius. `access` is why it cannot be opened, '' when it can. */
export function vpuDevice(info: UsbDeviceInfo, access: string): Device | undefined {
  if (info.vendorId !== movidiusVendor) return undefined
  const { state, name } = identities[info.productId] ?? { state: 'foreign', name: `Movidius device ${hex(info.productId)}` }
  return {
    id: vpuId(info),
    kind: 'vpu',
    name,
    vendor: 'movidius',
    state: 'ready',
    target: undefined,
    why: access,
    features: [],
    facts: {
      usb: `${hex(info.vendorId)}:${hex(info.productId)}`,
      boot: state,
      bus: info.bus,
      port: info.ports.join('.'),
      address: info.address,
      ...(info.speed === undefined ? {} : { speed: info.speed }),
      ...(info.productName == null ? {} : { product: info.productName }),
      ...(info.serialNumber == null || state === 'unbooted' ? {} : { serial: info.serialNumber }),
    },
  }
}

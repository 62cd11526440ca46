import type { Route } from './model.js'

/** What serving sees of the devices, told to whoever decides which of them answers. Only of devices that another stands in for. */
export interface DeviceHealth {
  /** A request was not answered in the time that its model takes: others go to the stand-in from now on. */
  silent(device: string): void
  /** It answers after all. */
  answers(device: string): void
  /** Its engine failed on requests that the stand-in answered, several in a row. */
  dismiss(route: Route, why: string): void
}

import { parentChannel } from '../../process/parent.js'
import { relaxHeap } from '../../process/relax-heap.js'
import { DeviceHost } from './device-host.js'

/** The device worker process: one per device. Drivers live and die in here, not in the daemon. */
relaxHeap()
const host = new DeviceHost()
parentChannel(request => host.handle(request), { onClose: () => host.close() })

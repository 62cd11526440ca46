import { defineErrors } from '../../errors.js'

export const storeErrors = defineErrors({
  ERR_STORE_ARTIFACT: 'A file of the artifact store is missing or does not have the content of its name: load the bundle again.',
  ERR_STORE_FULL: 'The disk is full or below the reserve that is kept free: free space, or lower capture.reserve_mb.',
  ERR_STORE_LOCKED: 'Another daemon works on this state directory: stop it, or give this one a state_dir of its own.',
  ERR_STORE_NEWER:
    'The state directory was written by a newer release: install that release again, or put back the copy it made before its upgrade.',
  ERR_STORE_OPEN: 'A database of the state directory cannot be opened or is damaged: check permissions and the disk, or restore a copy.',
  ERR_STORE_UPLOAD: 'An uploaded bundle is larger than this daemon takes: remove what the model does not need.',
  ERR_STORE_WRITE: 'A change could not be written to state.db, and did not happen: check the disk and its permissions.',
})

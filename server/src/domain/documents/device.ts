import type { Guarded } from './metadata.ts';

/** A Meshblu device document (MS-3.1). `_id` is the uuid for new ones. */
export interface DeviceDocument extends Guarded {
  uuid: string;
}

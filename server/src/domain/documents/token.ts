import type { ObjectId } from 'mongodb';
import type { Guarded } from './metadata.ts';

/** A token in Meshblu's shape (MS-5.3). The root token is the row `root:<uuid>`. */
export interface TokenDocument extends Guarded {
  _id: string | ObjectId;
  uuid: string;
  hashedToken: string;
  metadata: Record<string, unknown>;
  root?: true;
  expiresOn?: Date;
}

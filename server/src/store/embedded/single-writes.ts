import type { Document } from 'mongodb';
import type { UpdateResult } from '../port.ts';
import { encode, promote } from './bson.ts';
import { copyArgument } from './copy-arguments.ts';
import { replacementChange, updateChange } from './changes.ts';
import type { Engine } from './engine.ts';
import { checkOptions } from './options.ts';
import { selectionOf } from './reader.ts';
import { changeOne, remove, type Written } from './writer.ts';

/** `updateOne` (limit 1) and `updateMany` (no limit). */
export async function updating(
  engine: Engine,
  name: string,
  filter: Document,
  update: Document,
  options: Document,
  limit: number,
): Promise<UpdateResult> {
  checkOptions(limit === 1 ? 'updateOne' : 'updateMany', options, ['upsert', 'arrayFilters']);
  const how = updateChange(update, options['arrayFilters'] as Document[] | undefined, engine.now);
  const selection = selectionOf(copyArgument(filter), [], 0, limit);
  return resultOf(engine, await engine.turns.write(changeOne(engine, name, selection, how(), options['upsert'] === true)));
}

export async function replacing(
  engine: Engine,
  name: string,
  filter: Document,
  next: Document,
  options: Document,
): Promise<UpdateResult> {
  checkOptions('replaceOne', options, ['upsert']);
  const how = replacementChange(next);
  const selection = selectionOf(copyArgument(filter), [], 0, 1);
  return resultOf(engine, await engine.turns.write(changeOne(engine, name, selection, how(), options['upsert'] === true)));
}

/** `deleteOne` (limit 1) and `deleteMany` (no limit). */
export async function deleting(engine: Engine, name: string, filter: Document, options: Document, limit: number) {
  checkOptions(limit === 1 ? 'deleteOne' : 'deleteMany', options, []);
  const { count } = await engine.turns.write(remove(engine, name, selectionOf(copyArgument(filter), [], 0, limit)));
  return { acknowledged: true, deletedCount: count };
}

function resultOf(engine: Engine, { matched, modified, upserted, upsertedId }: Written): UpdateResult {
  return {
    acknowledged: true,
    modifiedCount: modified,
    upsertedId: upserted ? promotedId(engine, upsertedId) : null,
    upsertedCount: upserted ? 1 : 0,
    matchedCount: matched,
  };
}

/** An `_id` as the caller gets it. */
export function promotedId(engine: Engine, id: unknown): unknown {
  return promote(encode({ _id: id }), engine.promotion)['_id'];
}

import type { Document, WithId } from 'mongodb';
import { compileStoredProjection } from './evaluate.ts';
import type { Collection } from '../port.ts';
import { promote } from './bson.ts';
import { copyArgument } from './copy-arguments.ts';
import { replacementChange, updateChange, type DocumentChange } from './changes.ts';
import type { Engine } from './engine.ts';
import { orderOf } from './find.ts';
import { checkOptions, promotionOf } from './options.ts';
import { selectionOf } from './reader.ts';
import { changeOne, remove } from './writer.ts';

type FindOneAnd<T extends Document> = Pick<Collection<T>, 'findOneAndUpdate' | 'findOneAndReplace' | 'findOneAndDelete'>;

const changing = ['upsert', 'arrayFilters', 'returnDocument', 'projection', 'sort', 'maxTimeMS'];

/** The three operations that change a document and answer with it, as it was before unless asked otherwise. */
export function findOneAnd<T extends Document>(engine: Engine, name: string): FindOneAnd<T> {
  async function changed(filter: Document, how: () => DocumentChange, options: Document): Promise<WithId<T> | null> {
    const selection = selectionOf(copyArgument(filter), orderOf(options['sort'] as Document | undefined), 0, 1);
    const answer = answering(options);
    const { before, after } = await engine.turns.write(changeOne(engine, name, selection, how(), options['upsert'] === true));
    return answer(options['returnDocument'] === 'after' ? after : before);
  }

  /** What makes the answer of stored bytes. A bad projection is refused before anything is written. */
  function answering(options: Document): (bytes: Uint8Array | undefined) => WithId<T> | null {
    const promotion = promotionOf(options, engine.promotion);
    const { projection } = options as { projection?: Document };
    const project = projection === undefined ? undefined : compileStoredProjection(copyArgument(projection));
    return (bytes) => {
      if (bytes === undefined) return null;
      const document = promote(bytes, promotion);
      return (project === undefined ? document : project(document)) as WithId<T>;
    };
  }

  return {
    async findOneAndUpdate(filter: Document, update: Document, options: Document = {}) {
      checkOptions('findOneAndUpdate', options, changing);
      return changed(filter, updateChange(update, options['arrayFilters'] as Document[] | undefined, engine.now), options);
    },
    async findOneAndReplace(filter: Document, next: Document, options: Document = {}) {
      checkOptions('findOneAndReplace', options, changing);
      return changed(filter, replacementChange(next), options);
    },
    async findOneAndDelete(filter: Document, options: Document = {}) {
      checkOptions('findOneAndDelete', options, ['projection', 'sort', 'maxTimeMS']);
      const selection = selectionOf(copyArgument(filter), orderOf(options['sort'] as Document | undefined), 0, 1);
      const answer = answering(options);
      const { before } = await engine.turns.write(remove(engine, name, selection));
      return answer(before);
    },
  };
}

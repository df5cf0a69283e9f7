import { expect } from 'chai';
import { Timestamp, type Document } from 'mongodb';
import type { EmbeddedDb } from '@rollcall/server/store';
import { thing } from './thing.ts';

/** Fails unless every document is whole, every index tells what the documents tell, and so does the journal. Answers revs by id. */
export async function consistent(db: EmbeddedDb): Promise<Map<string, number>> {
  const things = db.collection('things');
  const documents = await things.find({}).toArray();
  const byId = new Map(documents.map((document) => [document['_id'] as string, document]));
  for (const [id, document] of byId) expect(document).to.deep.equal(thing(id, document['rev'] as number));
  for (const [_id, { key }] of byId) {
    expect(await things.find({ key: key as string }, { projection: { _id: 1 } }).toArray()).to.deep.equal([{ _id }]);
  }
  const tagged = (await things.find({ tags: 'all', rev: { $gte: 0 } }).toArray()).map(({ _id }) => _id as unknown);
  expect(tagged).to.have.members([...byId.keys()]);
  for (const tag of ['a1', 'a2', 'a3', '5']) {
    const scanned = documents.filter(({ tags }) => (tags as string[]).includes(tag));
    expect(await things.countDocuments({ tags: tag })).to.equal(scanned.length);
  }
  expect(await replayed(db)).to.deep.equal(new Map([...byId].map(([id, { rev }]) => [id, rev as number])));
  return new Map([...byId].map(([id, { rev }]) => [id, rev as number]));
}

/** The state that all events together make. */
async function replayed(db: EmbeddedDb): Promise<Map<string, number>> {
  const state = new Map<string, number>();
  const stream = db.watch([], { startAtOperationTime: new Timestamp({ t: 1, i: 0 }) });
  for (;;) {
    const event = (await stream.tryNext()) as Document | null;
    if (event === null) break;
    const { _id: id } = event['documentKey'] as { _id: string };
    if (event['operationType'] === 'delete') state.delete(id);
    else state.set(id, revOf(event));
  }
  await stream.close();
  return state;
}

function revOf({ fullDocument, updateDescription }: Document): number {
  return ((fullDocument ?? (updateDescription as Document)['updatedFields']) as { rev: number }).rev;
}

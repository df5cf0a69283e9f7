import { MongoClient, type Collection } from 'mongodb';
import { mongodUriOrSkip } from '../support/mongod.ts';

/** An empty collection of a real mongod for the suite that calls this. Its tests are skipped, with the reason, if there is no server. */
export function realCollection(name: string): () => Collection {
  let client: MongoClient | undefined;
  let collection: Collection | undefined;

  before(async function () {
    this.timeout(150_000);
    client = await MongoClient.connect(await mongodUriOrSkip(this), { writeConcern: { w: 1, journal: false } });
    collection = client.db(`documents_${process.pid}`).collection(name);
  });

  beforeEach(async () => {
    await collection?.deleteMany({});
  });

  after(async () => {
    await collection?.drop();
    await client?.close();
  });

  return () => {
    if (collection === undefined) throw new Error('there is no server');
    return collection;
  };
}

/** The one document that a test expects of an id and a rev: every field follows from them, so a half-written one is seen. */
export function thing(_id: string, rev: number) {
  return { _id, key: `key of ${_id}`, rev, tags: [`a${rev}`, _id.slice(-1), 'all'], body: `${_id} ${rev} `.repeat(20 * rev) };
}

import type { Document } from 'mongodb';

/** An upsert that meets no document, and what it inserts (without an `_id` that the store makes). */
export interface UpsertCase {
  rule: string;
  filter: Document;
  update: Document;
  inserted: Document;
}

export const upsertCases: readonly UpsertCase[] = [
  {
    rule: 'begins with what the filter equals, by name, _id first',
    filter: { z: 1, b: 2, _id: 7 },
    update: { $set: { a: 1 } },
    inserted: { _id: 7, b: 2, z: 1, a: 1 },
  },
  {
    rule: 'makes documents of dotted paths',
    filter: { 'a.c': 1, 'a.b': 2 },
    update: { $set: { x: 1 } },
    inserted: { a: { b: 2, c: 1 }, x: 1 },
  },
  { rule: 'a place in a path is a name', filter: { 'a.0': 1 }, update: { $set: { x: 1 } }, inserted: { a: { '0': 1 }, x: 1 } },
  {
    rule: 'takes $eq, a single $in, a single $all',
    filter: { a: { $eq: 1 }, b: { $in: [2] }, c: { $all: [3] } },
    update: { $set: { x: 1 } },
    inserted: { a: 1, b: 2, c: 3, x: 1 },
  },
  {
    rule: 'leaves ranges, lists and negations out',
    filter: { a: { $gte: 5, $lte: 5 }, b: { $in: [1, 2] }, c: { $not: { $ne: 1 } }, d: { $ne: 1 } },
    update: { $set: { x: 1 } },
    inserted: { x: 1 },
  },
  {
    rule: 'looks into $and and into a single $or',
    filter: { $and: [{ a: 1 }, { $or: [{ b: 2 }] }] },
    update: { $set: { x: 1 } },
    inserted: { a: 1, b: 2, x: 1 },
  },
  { rule: 'leaves out alternatives', filter: { $or: [{ a: 1 }, { a: 2 }] }, update: { $set: { x: 1 } }, inserted: { x: 1 } },
  {
    rule: 'forgets everything with an empty $all',
    filter: { a: 1, b: { $all: [] } },
    update: { $set: { x: 1 } },
    inserted: { x: 1 },
  },
  { rule: 'null is a value', filter: { a: null }, update: { $set: { x: 1 } }, inserted: { a: null, x: 1 } },
  {
    rule: 'the update works on what the filter gave',
    filter: { a: 1, b: 1 },
    update: { $inc: { a: 1 }, $unset: { b: '' } },
    inserted: { a: 2 },
  },
  {
    rule: '$setOnInsert applies',
    filter: { _id: 1 },
    update: { $setOnInsert: { a: 1 }, $set: { b: 2 } },
    inserted: { _id: 1, a: 1, b: 2 },
  },
  { rule: 'the update may name the _id', filter: { a: 1 }, update: { $set: { _id: 5 } }, inserted: { _id: 5, a: 1 } },
];

export const upsertErrors: readonly Omit<UpsertCase, 'inserted'>[] = [
  { rule: 'one field twice', filter: { $and: [{ a: 1 }, { a: 1 }] }, update: { $set: { x: 1 } } },
  { rule: 'a field and one inside it', filter: { a: { b: 1 }, 'a.b': 1 }, update: { $set: { x: 1 } } },
  { rule: 'several values of $all', filter: { a: { $all: [1, 2] } }, update: { $set: { x: 1 } } },
  { rule: 'another _id than the filter', filter: { _id: 1 }, update: { $set: { _id: 2 } } },
  { rule: 'an array as _id', filter: { a: 1 }, update: { $set: { _id: [1] } } },
  { rule: 'a field inside a value of the filter', filter: { a: 1 }, update: { $set: { 'a.b': 1 } } },
  { rule: 'the positional $', filter: { 'a.b': 1 }, update: { $set: { 'a.$.c': 1 } } },
];

import { isDocument } from './types.ts';

/** Whether a filter matches nothing because of an empty `$all`. MongoDB then forgets all of it, the names in it too. */
export function isNever(filter: unknown): boolean {
  if (!isDocument(filter)) return false;
  return Object.entries(filter).some(([name, value]) => {
    if (Array.isArray(value) && name === '$and') return value.some(isNever);
    if (Array.isArray(value) && name === '$or') return value.length > 0 && value.every(isNever);
    return !name.startsWith('$') && hasEmptyAll(value);
  });
}

function hasEmptyAll(condition: unknown): boolean {
  if (!isDocument(condition)) return false;
  const { $all: list } = condition;
  return Array.isArray(list) && list.length === 0;
}

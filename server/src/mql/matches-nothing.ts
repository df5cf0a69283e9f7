import { isDocument } from './types.ts';

/**
 * Whether a filter matches nothing because of an empty `$all`. MongoDB then forgets all of it, the
 * names in it too.
 */
export function isNever(filter: unknown): boolean {
  if (!isDocument(filter)) return false;
  return Object.entries(filter).some(([name, value]) => {
    if (Array.isArray(value) && name === '$and') return value.some(isNever);
    if (Array.isArray(value) && name === '$or') return value.length > 0 && value.every(isNever);
    return (
      !name.startsWith('$') && isDocument(value) && Object.entries(value).some(([operator, list]) => isEmptyAll(operator, list))
    );
  });
}

export function isEmptyAll(operator: string, argument: unknown): boolean {
  return operator === '$all' && Array.isArray(argument) && argument.length === 0;
}

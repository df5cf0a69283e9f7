/**
 * Names of MongoDB's query and sort operators. At the top of a query they are never names of
 * properties.
 */
const operatorNames: ReadonlySet<string> = new Set(
  (
    '$eq $ne $gt $gte $lt $lte $in $nin $and $or $nor $not $exists $type $expr $jsonSchema $mod $regex $options $text $where $all ' +
    '$elemMatch $size $comment $rand $sampleRate $near $nearSphere $geoWithin $geoIntersects $within $maxDistance $minDistance ' +
    '$bitsAllSet $bitsAllClear $bitsAnySet $bitsAnyClear $alwaysTrue $alwaysFalse $ref $id $db $natural $meta'
  ).split(' '),
);

/** Whether this is the name of an operator in a query or a sort order. */
export const isQueryOperator = (name: string): boolean => operatorNames.has(name);

/** `$`, `$[]` and `$[name]`: places in a list, in the path of an update. */
const place = /^\$(\[[a-z][A-Za-z0-9]*\]|\[\])?$/;

/**
 * The path under which a property is stored: a `$` at the beginning of a name is stored as U+FF04
 * (MS-2.5).
 *
 * In updates a name such as `$` or `$[]` that is not the first one means a place in a list and
 * stays.
 */
export const storedPath = (path: string, places = false): string =>
  path.includes('$')
    ? path
        .split('.')
        .map((name, index) =>
          name.startsWith('$') && !(places && index > 0 && place.test(name)) ? `\uFF04${name.slice(1)}` : name,
        )
        .join('.')
    : path;

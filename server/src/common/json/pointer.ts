import * as json from './text.ts';

interface Frame {
  readonly array: boolean;
  index: number;
  key: string;
}

/**
 * One step of a JSON Pointer (RFC 6901, section 3), fit to be sent back: long keys are cut out,
 * lone surrogates replaced.
 */
const step = ({ array, index, key }: Frame): string => {
  if (array) return `/${index}`;
  const name = key.length > 64 ? '…' : key.replace(/\p{Surrogate}/gu, '\ufffd');
  return `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
};

/**
 * JSON Pointer of the value or key that begins at `offset`, for error messages: the steps from the
 * root of the text.
 *
 * Walks the text from its beginning, so it is only asked once a text is refused.
 */
export const pointer = (text: string, offset: number): readonly string[] => {
  const frames: Frame[] = [];
  for (let at = 0; at < offset; at += 1) {
    const code = text.charCodeAt(at);
    const top = frames.at(-1);
    if (code === json.openArray || code === json.openObject) frames.push({ array: code === json.openArray, index: 0, key: '' });
    else if (code === json.closeArray || code === json.closeObject) frames.pop();
    else if (code === json.comma && top) top.index += 1;
    else if (code === json.quote) {
      const end = json.endOfString(text, at);
      if (top && json.isKey(text, end)) top.key = json.meaning(text, at, end);
      at = end;
    }
  }
  const top = frames.at(-1);
  const end = text.charCodeAt(offset) === json.quote ? json.endOfString(text, offset) : offset;
  if (top && end > offset && json.isKey(text, end)) top.key = json.meaning(text, offset, end);
  return frames.map(step);
};

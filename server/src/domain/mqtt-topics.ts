/** Whether a message with this topic passes. */
export type TopicFilter = (topic: string | undefined) => boolean;

const matchesPattern = (pattern: string, topic: string): boolean => {
  const parts = pattern.split('*');
  const [first = ''] = parts;
  const last = parts.at(-1) ?? '';
  if (parts.length === 1) return topic === pattern;
  if (!topic.startsWith(first) || topic.length < first.length + last.length || !topic.endsWith(last)) return false;
  let at = first.length;
  const end = topic.length - last.length;
  for (const part of parts.slice(1, -1)) {
    const found = topic.indexOf(part, at);
    if (found < 0 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
};

/**
 * The filter of a subscription's topics (MS-2.17): `*` matches any run of characters, a leading `-`
 * excludes and wins, with only excludes everything else passes, a message without a topic is
 * matched as `undefined`. No patterns: everything passes.
 */
export const topicFilter = (topics: string | readonly string[] | undefined): TopicFilter => {
  if (topics === undefined) return () => true;
  const patterns = typeof topics === 'string' ? [topics] : topics;
  const excludes = patterns.filter((pattern) => pattern.startsWith('-')).map((pattern) => pattern.slice(1));
  const includes = patterns.filter((pattern) => !pattern.startsWith('-'));
  return (topic) => {
    const text = topic ?? 'undefined';
    if (excludes.some((pattern) => matchesPattern(pattern, text))) return false;
    return includes.length === 0 || includes.some((pattern) => matchesPattern(pattern, text));
  };
};

// Java properties files, the subset that Kafka's own files and people's server.properties use:
// `key=value`, comments, backslash escapes, lines continued by a backslash at their end.

/** `malformed` makes the error for a line that is neither; lines count from 1. */
export function parseProperties(
  text: string,
  malformed: (line: string, number: number) => Error,
): Map<string, string> {
  const properties = new Map<string, string>();
  logicalLines(text).forEach(({ line, number }) => {
    if (line === '' || line.startsWith('#') || line.startsWith('!')) return;
    const [, key, value] = /^((?:[^\s=:\\]|\\.)+)\s*[=:]?\s*(.*)$/.exec(line) ?? [];
    if (key === undefined || value === undefined) throw malformed(line, number);
    properties.set(unescape(key), unescape(value));
  });
  return properties;
}

function logicalLines(text: string): { line: string; number: number }[] {
  const joined: { line: string; number: number }[] = [];
  let begun = '';
  text.split('\n').forEach((raw, index) => {
    const line = begun + raw.trim();
    const goesOn = /(?:^|[^\\])(?:\\\\)*\\$/.test(line);
    begun = goesOn ? line.slice(0, -1) : '';
    if (!goesOn) joined.push({ line, number: index + 1 });
  });
  if (begun !== '') joined.push({ line: begun, number: text.split('\n').length });
  return joined;
}

function unescape(text: string): string {
  return text.replaceAll(/\\(u[0-9a-fA-F]{4}|.)/g, (_, escaped: string) =>
    escaped.length === 5
      ? String.fromCharCode(Number.parseInt(escaped.slice(1), 16))
      : ({ t: '\t', n: '\n', r: '\r', f: '\f' }[escaped] ?? escaped),
  );
}

// The data-driven format of etcd-io/raft's scripts:
//
//   # comment
//   command key key=value key=(value, value)
//   input, any number of lines
//   ----
//   expected output up to a blank line, or between two doubled separators when it holds blank lines

export interface Argument {
  readonly key: string;
  /** Empty for a bare key. */
  readonly values: readonly string[];
}

export interface Directive {
  /** Of the command, from 1. */
  readonly line: number;
  readonly command: string;
  readonly args: readonly Argument[];
  readonly input: string;
  readonly expected: string;
}

const SEPARATOR = '----';

export function parseScript(text: string): readonly Directive[] {
  const lines = new Lines(text.split('\n'));
  const directives: Directive[] = [];
  for (let head = lines.next(); head !== undefined; head = lines.next()) {
    const line = lines.at;
    const command = head.trim();
    if (command === '' || command.startsWith('#')) continue;
    directives.push({ line, ...parseCommand(continued(command, lines)), ...readBody(lines) });
  }
  return directives;
}

class Lines {
  readonly #lines: readonly string[];
  at = 0;

  constructor(lines: readonly string[]) {
    this.#lines = lines;
  }

  next(): string | undefined {
    return this.#lines[this.at++];
  }
}

/** A command that ends in a backslash goes on in the next line. */
function continued(command: string, lines: Lines): string {
  let whole = command;
  while (whole.endsWith('\\')) {
    whole = `${whole.slice(0, -1)} ${(lines.next() ?? '').trim()}`;
  }
  return whole;
}

function parseCommand(text: string): Pick<Directive, 'command' | 'args'> {
  const [command = '', ...rest] = text.split(' ');
  const args: Argument[] = [];
  for (const match of rest.join(' ').matchAll(/([^\s=]+)(?:=(?:\(([^)]*)\)|(\S*)))?/g)) {
    const [, key = '', inParentheses, single] = match;
    if (inParentheses !== undefined) {
      args.push({ key, values: inParentheses.split(',').map((value) => value.trim()) });
    } else args.push({ key, values: single === undefined ? [] : [single] });
  }
  return { command, args };
}

function readBody(lines: Lines): Pick<Directive, 'input' | 'expected'> {
  const input: string[] = [];
  for (let line = lines.next(); line !== undefined; line = lines.next()) {
    if (line === SEPARATOR)
      return { input: input.join('\n').trim(), expected: readExpected(lines) };
    input.push(line);
  }
  return { input: input.join('\n').trim(), expected: '' };
}

function readExpected(lines: Lines): string {
  let line = lines.next();
  if (line === SEPARATOR) return readFenced(lines);
  let expected = '';
  for (; line !== undefined && line.trim() !== ''; line = lines.next()) expected += `${line}\n`;
  return expected;
}

function readFenced(lines: Lines): string {
  let expected = '';
  let wasSeparator = false;
  for (let line = lines.next(); line !== undefined; line = lines.next()) {
    if (wasSeparator && line === SEPARATOR) return expected;
    if (wasSeparator) expected += `${SEPARATOR}\n`;
    wasSeparator = line === SEPARATOR;
    if (!wasSeparator) expected += `${line}\n`;
  }
  return expected;
}

// docs/cli.md: every command with its arguments and options, out of the very program that parses them.
import type { Argument, Command, Option } from 'commander';
import { exitCodes } from '../../src/cli/exit-code.ts';
import { buildProgram, type CliHost } from '../../src/cli/program.ts';
import { code, markdownTable, pageHead } from './markdown.ts';

const INTRODUCTION = `
One executable: the roles of the process and the operator's commands. Standard output carries data, standard error talk.
With \`-o json\` a list is one document with \`items\`, a stream one JSON object a line; offsets and ids are strings.
The operator's commands ask a running sidecar at \`--endpoint\`.
`;

export function printCli(): string {
  const program = documentedProgram();
  const sections = leaves(program).map((command) => printCommand(program, command));
  return [
    pageHead('Command line', '`src/cli/program.ts`'),
    INTRODUCTION,
    '\n## Options of every command\n\n',
    optionTable(program.options),
    ...sections,
    '\n## Exit codes\n\n',
    markdownTable(
      [
        { header: 'code', cell: ({ code: number }) => String(number) },
        { header: 'meaning', cell: ({ meaning }) => meaning },
      ],
      Object.values(exitCodes),
    ),
  ].join('');
}

/** The names of all commands: `inventory ls`. */
export function commandNames(): readonly string[] {
  const program = documentedProgram();
  return leaves(program).map((command) => nameUnder(program, command));
}

function unused(): never {
  throw new Error('the documented program runs nothing');
}

/** A program that is only looked at: nothing it would call can be reached without parsing. */
function documentedProgram(): Command {
  const io = { out: unused, err: unused, isTerminal: false, wallMs: unused, pause: unused };
  const host: CliHost = {
    io: { ...io, createFile: unused },
    version: '0.0.0',
    signal: new AbortController().signal,
    connect: unused,
    runSidecar: unused,
    runMetastore: unused,
    runDev: unused,
    validateConfig: unused,
    showConfig: unused,
    connectCluster: unused,
    saveSnapshot: unused,
    restoreSnapshot: unused,
    freshMetastoreId: unused,
  };
  return buildProgram(host, { code: 0 });
}

function leaves(command: Command): Command[] {
  return command.commands.flatMap((child) =>
    child.commands.length === 0 ? [child] : leaves(child),
  );
}

function nameUnder(program: Command, command: Command): string {
  const names: string[] = [];
  for (let at: Command | null = command; at !== null && at !== program; at = at.parent)
    names.unshift(at.name());
  return names.join(' ');
}

function printCommand(program: Command, command: Command): string {
  const words = [
    'logtier',
    nameUnder(program, command),
    ...command.registeredArguments.map(argumentWord),
  ];
  const options = command.options.length === 0 ? '' : `\n${optionTable(command.options)}`;
  return `\n## ${code(words.join(' '))}\n\n${sentence(command.description())}\n${options}`;
}

function argumentWord(argument: Argument): string {
  return argument.required ? `<${argument.name()}>` : `[${argument.name()}]`;
}

function sentence(words: string): string {
  const first = words.charAt(0).toUpperCase() + words.slice(1);
  return first.endsWith('.') ? first : `${first}.`;
}

function optionTable(options: readonly Option[]): string {
  return markdownTable<Option>(
    [
      { header: 'option', cell: ({ flags }) => code(flags) },
      { header: 'meaning', cell: optionWords },
    ],
    options,
  );
}

function optionWords(option: Option): string {
  const facts = [
    option.mandatory ? 'required' : undefined,
    option.argChoices === undefined ? undefined : `one of ${option.argChoices.join(', ')}`,
    option.defaultValue === undefined ? undefined : `default ${String(option.defaultValue)}`,
    option.envVar === undefined ? undefined : `variable ${code(option.envVar)}`,
  ].filter((fact) => fact !== undefined);
  const told = facts.length === 0 ? '' : ` (${facts.join('; ')})`;
  return `${option.description}${told}`;
}

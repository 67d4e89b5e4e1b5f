// docs/errors.md: each code with what the flow does about it, and how scripts and gRPC clients see it.
import { status as Status } from '@grpc/grpc-js';
import { errorCodes, isErrorCode, LogtierError, type ErrorCode } from '../../src/base/errors.ts';
import { exitCodeOf } from '../../src/cli/exit-code.ts';
import { statusOf } from '../../src/rpc/status.ts';
import { code, markdownTable, pageHead } from './markdown.ts';

const INTRODUCTION = `
When the world is wrong, Logtier says so with one of these codes; logs, findings and the command line name it. When
Logtier itself is wrong (an assertion), the process stops.

The reaction is what the flow that meets the error does:

- \`retry\`: tries again by itself, with growing waits.
- \`stop\`: gives this piece of work up; another try would be refused for the same reason.
- \`report\`: leaves it as it is and tells an operator.
- \`quarantine\`: sets the data aside and goes on with the rest.

`;

export function printErrors(): string {
  const rows = markdownTable<ErrorCode>(
    [
      { header: 'code', cell: code },
      { header: 'reaction', cell: (name) => code(errorCodes[name].reaction) },
      { header: 'meaning', cell: (name) => errorCodes[name].meaning },
      { header: 'exit code', cell: (name) => String(exitCodeOf(new LogtierError(name, ''))) },
      { header: 'gRPC status', cell: (name) => code(statusName(name)) },
    ],
    Object.keys(errorCodes).filter(isErrorCode),
  );
  const after =
    '\nOver gRPC the code itself travels in the trailer `logtier-code`, a hint in `logtier-hint-bin`.\n';
  return pageHead('Errors', '`src/base/errors.ts`') + INTRODUCTION + rows + after;
}

function statusName(name: ErrorCode): string {
  return Status[statusOf(new LogtierError(name, '')).code];
}

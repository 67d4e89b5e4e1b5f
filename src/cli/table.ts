// Tables as kubectl and rpk print them: upper-case headers, no borders, two spaces between columns.

export interface Column<T> {
  readonly header: string;
  readonly cell: (row: T) => string;
  /** Numbers stand right. */
  readonly right?: boolean;
}

const GAP = '  ';

/** Lines without trailing spaces; only the headers when there are no rows. */
export function printTable<T>(columns: readonly Column<T>[], rows: readonly T[]): string {
  const cells = [
    columns.map((column) => column.header),
    ...rows.map((row) => columns.map((column) => column.cell(row))),
  ];
  const widths = columns.map((_, index) =>
    Math.max(...cells.map((line) => (line[index] ?? '').length)),
  );
  const lines = cells.map((line) =>
    line
      .map((cell, index) => {
        const width = widths[index] ?? 0;
        return columns[index]?.right === true ? cell.padStart(width) : cell.padEnd(width);
      })
      .join(GAP)
      .trimEnd(),
  );
  return `${lines.join('\n')}\n`;
}

/** `NAME  value` lines under a title, for one thing in detail. */
export function printSection(
  title: string,
  facts: readonly (readonly [name: string, value: string])[],
): string {
  const width = Math.max(0, ...facts.map(([name]) => name.length));
  const lines = facts.map(([name, value]) => `${name.padEnd(width)}${GAP}${value}`.trimEnd());
  return `${[title, ...lines].join('\n')}\n`;
}

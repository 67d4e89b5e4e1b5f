// What the printed pages are made of.

/** Told at the top of each page, so that nobody mends the page instead of its source. */
export function pageHead(title: string, source: string): string {
  return `# ${title}\n\n*Printed from ${source} by \`npm run docs\`; to change this page, change its source.*\n`;
}

export interface TableColumn<Row> {
  readonly header: string;
  readonly cell: (row: Row) => string;
}

export function markdownTable<Row>(
  columns: readonly TableColumn<Row>[],
  rows: readonly Row[],
): string {
  return [
    tableLine(columns.map(({ header }) => header)),
    tableLine(columns.map(() => '---')),
    ...rows.map((row) => tableLine(columns.map(({ cell }) => escapeCell(cell(row))))),
  ].join('');
}

function tableLine(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |\n`;
}

function escapeCell(text: string): string {
  return text.replaceAll('|', String.raw`\|`).replaceAll('\n', ' ');
}

export function code(text: string): string {
  return `\`${text}\``;
}

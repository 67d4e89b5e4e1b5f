// `logtier cluster`: the members of a metastore group, how far each is, and whether they agree.
import { LogtierError } from '../base/errors.ts';
import type { GetMemberResponse, GroupMember } from '../gen/logtier/v1/cluster.ts';
import type { ClusterCalls } from './cluster-calls.ts';
import type { CliIo, OutputFormat } from './command-context.ts';
import { exitCodes } from './exit-code.ts';
import { durationCell, jsonDocument, printJson } from './printed.ts';
import { type Column, printTable } from './table.ts';

export interface ClusterContext {
  readonly io: CliIo;
  readonly format: OutputFormat;
  readonly calls: ClusterCalls;
  readonly signal: AbortSignal;
}

interface MemberRow {
  readonly address: string;
  /** Undefined where nobody answers. */
  readonly member: GetMemberResponse | undefined;
  readonly error: string;
  /** As the leader knows it. */
  readonly known: GroupMember | undefined;
}

/** The exit code: 3 when a member does not answer or has failed, or when nobody leads. */
export async function clusterStatus(context: ClusterContext): Promise<number> {
  const rows = await askAll(context);
  const newest = rows.reduce((most, { member }) => max(most, member?.committedIndex ?? 0n), 0n);
  print(context, 'ClusterStatus', rows, statusColumns(newest));
  const isSound = rows.every(({ error }) => error === '');
  const isLed = rows.some(({ member }) => member?.role === 'leader');
  return isSound && isLed ? exitCodes.ok.code : exitCodes.findings.code;
}

export async function clusterMembers(context: ClusterContext): Promise<void> {
  printMembers(context, membersKnown(await askAll(context)));
}

export function printMembers(context: ClusterContext, members: readonly GroupMember[]): void {
  print(context, 'ClusterMembers', members, [
    { header: 'NODE', cell: ({ nodeId }) => String(nodeId), right: true },
    { header: 'ADDRESS', cell: ({ address }) => address },
    { header: 'KIND', cell: ({ votes }) => (votes ? 'voter' : 'learner') },
    { header: 'MATCH', cell: ({ matchIndex }) => numberCell(matchIndex), right: true },
    { header: 'LAST-CONTACT', cell: ({ silentMs }) => durationCell(silentMs), right: true },
    { header: 'DIRECTORY', cell: ({ directory }) => directory },
  ]);
}

interface HashRow {
  readonly nodeId: bigint;
  readonly address: string;
  readonly appliedIndex: bigint;
  readonly hash: number;
  readonly comparedIndex: bigint | undefined;
  readonly comparedHash: number | undefined;
}

/** The exit code: 3 when members differ at the newest point that all have. */
export async function clusterHash(context: ClusterContext): Promise<number> {
  const rows = await askAll(context);
  const silent = rows.find(({ member }) => member === undefined);
  if (silent !== undefined) throw new LogtierError('METASTORE_UNAVAILABLE', silent.error);
  const members = rows.flatMap(({ address, member }) =>
    member === undefined ? [] : [{ address, member }],
  );
  const at = newestCommon(members.map(({ member }) => pointsOf(member)));
  const hashRows = members.map(({ address, member }) => ({
    ...member,
    address,
    comparedIndex: at,
    comparedHash: at === undefined ? undefined : pointsOf(member).get(at),
  }));
  print<HashRow>(context, 'ClusterHash', hashRows, [
    { header: 'NODE', cell: ({ nodeId }) => String(nodeId), right: true },
    { header: 'ADDRESS', cell: ({ address }) => address },
    { header: 'APPLIED', cell: ({ appliedIndex }) => String(appliedIndex), right: true },
    { header: 'HASH', cell: ({ hash }) => hashCell(hash) },
    { header: 'COMPARED-AT', cell: ({ comparedIndex }) => numberCell(comparedIndex), right: true },
    { header: 'HASH-THERE', cell: ({ comparedHash }) => hashCell(comparedHash) },
  ]);
  const isSame = new Set(hashRows.map(({ comparedHash }) => comparedHash)).size <= 1;
  return isSame ? exitCodes.ok.code : exitCodes.findings.code;
}

async function askAll({ calls, signal }: ClusterContext): Promise<MemberRow[]> {
  const first = await calls.anyMember(signal);
  const told = first.member.members.map(({ address }) => address).filter((text) => text !== '');
  const addresses = told.length === 0 ? calls.addresses : told;
  const rows = await Promise.all(
    addresses.map(async (address): Promise<Omit<MemberRow, 'known'>> => {
      try {
        const member = await calls.memberAt(address, signal);
        return { address, member, error: member.failure };
      } catch (error) {
        const said = error instanceof Error ? error.message : String(error);
        return { address, member: undefined, error: said };
      }
    }),
  );
  const leader = rows.find(({ member }) => member?.role === 'leader')?.member;
  const known = (leader ?? first.member).members;
  return rows.map((row) => ({
    ...row,
    known: known.find(({ address }) => address === row.address),
  }));
}

function membersKnown(rows: readonly MemberRow[]): GroupMember[] {
  return rows.flatMap(({ known }) => (known === undefined ? [] : [known]));
}

function statusColumns(newest: bigint): Column<MemberRow>[] {
  const of = (read: (member: GetMemberResponse) => string) => {
    return ({ member }: MemberRow): string => (member === undefined ? '-' : read(member));
  };
  return [
    {
      header: 'NODE',
      cell: (row) => numberCell(row.member?.nodeId ?? row.known?.nodeId),
      right: true,
    },
    { header: 'ADDRESS', cell: ({ address }) => address },
    { header: 'ROLE', cell: of(({ role }) => role) },
    { header: 'VERSION', cell: of(({ version }) => version) },
    { header: 'TERM', cell: of(({ term }) => String(term)), right: true },
    {
      header: 'LEADER',
      cell: of(({ leaderId }) => (leaderId === 0n ? '-' : String(leaderId))),
      right: true,
    },
    { header: 'COMMITTED', cell: of(({ committedIndex }) => String(committedIndex)), right: true },
    { header: 'APPLIED', cell: of(({ appliedIndex }) => String(appliedIndex)), right: true },
    { header: 'LAG', cell: of(({ appliedIndex }) => String(newest - appliedIndex)), right: true },
    { header: 'LAST-CONTACT', cell: ({ known }) => durationCell(known?.silentMs), right: true },
    { header: 'ERROR', cell: ({ error }) => error },
  ];
}

/** Chain hashes by index. */
function pointsOf({ appliedIndex, hash, hashes }: GetMemberResponse): Map<bigint, number> {
  return new Map([...hashes.map((mark) => [mark.index, mark.hash] as const), [appliedIndex, hash]]);
}

function newestCommon(all: readonly ReadonlyMap<bigint, number>[]): bigint | undefined {
  const [first] = all;
  const common = [...(first?.keys() ?? [])].filter((at) => all.every((points) => points.has(at)));
  return common.length === 0 ? undefined : common.reduce(max);
}

function print<T>(
  { io, format }: ClusterContext,
  kind: string,
  rows: readonly T[],
  columns: readonly Column<T>[],
): void {
  io.out(format === 'json' ? printJson(jsonDocument(kind, rows)) : printTable(columns, rows));
}

function numberCell(value: bigint | undefined): string {
  return value === undefined || value === 0n ? '-' : String(value);
}

function hashCell(hash: number | undefined): string {
  return hash === undefined ? '-' : hash.toString(16).padStart(8, '0');
}

function max(left: bigint, right: bigint): bigint {
  return left > right ? left : right;
}

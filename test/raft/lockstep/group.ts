import type { Message } from '../../../src/metastore/raft/messages.ts';
import type { TraceEvent } from '../../../src/metastore/raft/trace.ts';
import { describeTrace } from '../describe-trace.ts';
import type { Command } from './command.ts';
import { statusText } from './describe.ts';
import type { GroupSettings } from './group-settings.ts';
import { LockstepNode, type Surroundings, type Told } from './lockstep-node.ts';

/** Nodes and the network between them; test/raft/oracle/world.go's twin. */
export class Group implements Surroundings {
  readonly settings: GroupSettings;
  readonly nodes: readonly LockstepNode[];
  readonly network: Message[] = [];
  /** Of the command that ran last. */
  readonly logs: string[] = [];
  /** How often each kind of event was traced. */
  readonly traced: Map<string, number>;
  offset = 0;
  #payloads = 0;

  constructor(settings: GroupSettings, traced: Map<string, number>) {
    this.settings = settings;
    this.traced = traced;
    const ids = Array.from({ length: settings.nodes }, (_, at) => at + 1);
    this.nodes = ids.map((id) => new LockstepNode(this, id));
    this.logs.length = 0;
  }

  node(id: number): LockstepNode {
    const node = this.nodes[id - 1];
    if (node === undefined) throw new Error(`there is no node ${id}`);
    return node;
  }

  send(messages: readonly Message[]): void {
    this.network.push(...messages);
  }

  trace(event: TraceEvent, nodeId: number): void {
    const { level, text } = describeTrace(event, nodeId);
    this.logs.push(`${level} ${text}`);
    this.traced.set(event.kind, (this.traced.get(event.kind) ?? 0) + 1);
  }

  /** The run's next content, letters only. */
  payload(size: number): Uint8Array {
    this.#payloads++;
    const data = new Uint8Array(size);
    for (let at = 0; at < size; at++) data[at] = 97 + ((this.#payloads * 31 + at * 7) % 26);
    return data;
  }

  /** `result|hasReady|status|extra|logs`, or `panic: why` when our core refuses to go on. */
  run(command: Command): string {
    this.logs.length = 0;
    this.offset = command.offset;
    try {
      return this.#run(command);
    } catch (error) {
      return `panic: ${error instanceof Error ? error.message : String(error)}`;
    }
  }

  #run(command: Command): string {
    if (command.operation === 'drop') {
      this.network.splice(command.a, 1);
      return 'dropped';
    }
    if (command.operation === 'step') return this.#step(command);
    const node = this.node(command.node);
    return this.#answer(node, node.do(command));
  }

  #step({ a, b }: Command): string {
    const message = this.network[a];
    if (message === undefined) throw new Error(`there is no message ${a}`);
    if (b === 0) this.network.splice(a, 1);
    const node = this.node(message.to);
    return this.#answer(node, { refusal: node.raw.step(message), extra: '' });
  }

  #answer(node: LockstepNode, { refusal, extra }: Told): string {
    node.status = node.raw.status();
    const status = statusText(node.status);
    const logs = this.logs.join(' ~ ');
    return `${refusal ?? '-'}|${node.raw.hasReady()}|${status}|${extra}|${logs}`;
  }
}

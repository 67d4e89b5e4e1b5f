// What was started, to be stopped in reverse; one that fails to stop keeps no other from it.
import type { Logger } from '../platform/log.ts';

export class StopStack {
  private readonly logger: Logger;
  private readonly started: { readonly name: string; readonly stop: () => Promise<void> }[] = [];
  private stopping: Promise<void> | undefined;

  constructor(logger: Logger) {
    this.logger = logger;
  }

  push(name: string, stop: () => Promise<void>): void {
    this.started.push({ name, stop });
  }

  /** Idempotent. */
  stop(): Promise<void> {
    this.stopping ??= this.stopAll();
    return this.stopping;
  }

  private async stopAll(): Promise<void> {
    for (let last = this.started.pop(); last !== undefined; last = this.started.pop()) {
      const { name } = last;
      await last.stop().catch((error: unknown) => {
        this.logger.warn({ part: name, error: String(error) }, 'a part did not stop well');
      });
    }
  }
}

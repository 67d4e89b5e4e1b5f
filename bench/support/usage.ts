// What a piece of work costs this process: wall-clock and CPU of all its threads.

export interface Usage {
  readonly seconds: number;
  readonly cpuSeconds: number;
}

export async function usageOf(work: () => Promise<void>): Promise<Usage> {
  const cpu = process.cpuUsage();
  const beganMs = performance.now();
  await work();
  const seconds = (performance.now() - beganMs) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return { seconds, cpuSeconds: (user + system) / 1_000_000 };
}

export function mibPerSecond(bytes: number, { seconds }: Usage): number {
  return bytes / 2 ** 20 / seconds;
}

export function cpuSecondsPerGib(bytes: number, { cpuSeconds }: Usage): number {
  return cpuSeconds / (bytes / 2 ** 30);
}

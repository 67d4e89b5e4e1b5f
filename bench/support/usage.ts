// What a piece of work costs this process: wall-clock and CPU of all its threads.

export interface Usage {
  readonly seconds: number;
  readonly cpuSeconds: number;
}

export const NO_USAGE: Usage = { seconds: 0, cpuSeconds: 0 };

export function sumOf(left: Usage, right: Usage): Usage {
  return {
    seconds: left.seconds + right.seconds,
    cpuSeconds: left.cpuSeconds + right.cpuSeconds,
  };
}

export async function usageOf(work: () => Promise<unknown>): Promise<Usage> {
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

import { expect, test } from 'vitest';
import { watchLoopDelay } from '../../../src/platform/loop-delay.ts';

test('a loop that was held up shows it once; taking the delays forgets them', async () => {
  const delays = watchLoopDelay();
  try {
    await new Promise((resolve) => setTimeout(resolve, 30));
    const until = performance.now() + 200;
    while (performance.now() < until);
    let longestMs = 0;
    for (let look = 0; look < 200 && longestMs < 100; look += 1) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      longestMs = Math.max(longestMs, delays.take().longestMs);
    }
    expect(longestMs).toBeGreaterThan(100);
    expect(delays.take()).toEqual({ medianMs: 0, longestMs: 0 });
  } finally {
    delays.stop();
    delays.stop();
  }
});

import { readFileSync } from 'node:fs';

/** How long this process's event loop has not turned: by the clock, and in CPU time of its own thread (Linux). */
export type Stalls = { readonly worstMs: number; readonly worstCpuMs: number; readonly turns: number };

/**
 * Watches the event loop every millisecond until it is told to stop. A busy machine takes the whole process off for
 * a while, which is nobody's fault here: CPU time tells what the loop itself was kept busy with.
 */
export function watchStalls(): () => Stalls {
  const onCpuMs = threadCpu();
  let last = performance.now();
  let lastCpu = onCpuMs();
  let worstMs = 0;
  let worstCpuMs = 0;
  let turns = 0;
  const look = (): void => {
    const [now, cpu] = [performance.now(), onCpuMs()];
    worstMs = Math.max(worstMs, now - last);
    worstCpuMs = Math.max(worstCpuMs, cpu - lastCpu);
    turns += 1;
    [last, lastCpu] = [now, onCpuMs()];
  };
  const timer = setInterval(look, 1);
  return () => {
    look();
    clearInterval(timer);
    return { worstMs, worstCpuMs, turns };
  };
}

/** CPU of the main thread so far, from the kernel's own count; the clock where there is no such file. */
function threadCpu(): () => number {
  const file = `/proc/self/task/${process.pid}/schedstat`;
  try {
    readFileSync(file);
  } catch {
    return () => performance.now();
  }
  return () => Number(readFileSync(file, 'latin1').split(' ')[0]) / 1e6;
}

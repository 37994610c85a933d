/**
 * Workers in which something is done before anything of the package runs.
 * It exists because only there can a test change what the browser offers to the engine.
 * Engines that wait for the next call were started before: they are waited for, so that none of them is used.
 */
import { onTestFinished, vi } from 'vitest';
import { until } from './poll.js';

const alive = new Set<Worker>();

globalThis.Worker = class extends globalThis.Worker {
  constructor(url: string | URL, options?: WorkerOptions) {
    super(url, options);
    alive.add(this);
  }

  override terminate(): void {
    alive.delete(this);
    super.terminate();
  }
};

/** Done when no engine is left. */
function enginesHaveEnded(): Promise<void> {
  return until('all engines have ended', () => alive.size === 0);
}

/** Engines start in such workers until the test is over; none of them is left then. */
export async function enginesStartIn(
  workers: (Original: typeof Worker) => typeof Worker,
): Promise<void> {
  await enginesHaveEnded();
  vi.stubGlobal('Worker', workers(globalThis.Worker));
  onTestFinished(async () => {
    vi.unstubAllGlobals();
    await enginesHaveEnded();
  });
}

/** `prelude` runs there as text: it can use nothing of its own file. */
export function withPrelude(prelude: () => void): (Original: typeof Worker) => typeof Worker {
  return (Original) =>
    class extends Original {
      constructor(url: string | URL, options?: WorkerOptions) {
        const before = `data:text/javascript,${encodeURIComponent(`(${prelude})()`)}`;
        const address = new URL(url, location.href).href;
        const script = `import '${before}';\nimport '${address}';`;
        super(URL.createObjectURL(new Blob([script], { type: 'text/javascript' })), options);
      }
    };
}

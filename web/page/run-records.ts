/**
 * What is kept of the runs of this visit: a line of each for a log, also of those that are gone.
 * It exists so that somebody who has tried ten settings can look at them later, beside those of the command.
 * Lines are made when they are asked for, or when a run goes: most visitors want none.
 */
import { signal } from '@preact/signals';
import type { Outcome } from './outcome.js';
import type { RunLine } from './run-lines.js';
import { download } from './save.js';
import { Work } from './work.js';

interface Kept {
  readonly ended: Date;
  /** As long as its files can be read. */
  readonly run: Outcome | undefined;
  /** Afterwards. */
  readonly line?: Promise<RunLine>;
}

export class RunRecords {
  readonly saving = new Work();
  readonly #kept = signal<readonly Kept[]>([]);

  add(run: Outcome): void {
    this.#kept.value = [...this.#kept.peek(), { ended: new Date(), run }];
  }

  /** Its line stays. */
  letGo(gone: Outcome): void {
    this.#kept.value = this.#kept.peek().map((kept) => {
      if (kept.run !== gone) return kept;
      const { ended } = kept;
      const line = import('./run-lines.js').then(({ lineOf }) => lineOf(gone, ended));
      return { ended, run: undefined, line };
    });
  }

  async save(): Promise<void> {
    try {
      await this.saving.run(async () => {
        const { digestedLineOf, textOf } = await import('./run-lines.js');
        const lines: RunLine[] = [];
        for (const { run, ended, line } of this.#kept.peek()) {
          const own = run === undefined ? await line : await digestedLineOf(run, ended);
          if (own !== undefined) lines.push(own);
        }
        download(new Blob([textOf(lines)], { type: 'application/jsonl' }), 'runs.jsonl');
      });
    } catch {
      // The work has kept what went wrong.
    }
  }
}

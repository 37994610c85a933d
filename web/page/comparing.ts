/**
 * A comparison of the open model with another file: how far it is, and what it has found.
 * It exists apart because it writes nothing and belongs to no run.
 */
import { signal } from '@preact/signals';
import type { Comparison, ModelSource } from 'monoquant';
import type { OpenModel } from './open-model.js';
import { Work } from './work.js';

export interface Compared {
  readonly name: string;
  readonly comparison: Comparison;
}

export class Comparing {
  readonly work = new Work();
  readonly found = signal<Compared | undefined>(undefined);

  async run({ handle }: OpenModel, other: ModelSource, name: string): Promise<void> {
    this.found.value = undefined;
    try {
      const comparison = await this.work.run((run) => handle.compare(other, run));
      this.found.value = { name, comparison };
    } catch {
      // The work has kept what went wrong.
    }
  }

  /** It was about another model. */
  forget(): void {
    this.work.forget();
    this.found.value = undefined;
  }
}

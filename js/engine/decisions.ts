/**
 * What the engine chooses from where bits are given out, and what it has chosen.
 */
import type { Objective } from '../api/front.js';

/** How much the error of a tensor counts where it stands. */
export interface Prior {
  readonly role: string;
  readonly factor: number;
  /** Fewer bits are never worth it. */
  readonly leastBits: number;
}

/** What the engine chooses from: for each set, what each of its options costs and loses. */
export interface DecisionTable {
  readonly sets: readonly {
    readonly options: readonly {
      /** Of the table's settings. */
      readonly setting: number;
      readonly bytes: number;
      /** Relative errors of the members, each times its prior. */
      readonly error: number;
      /** The largest of them, without the prior. */
      readonly worst: number;
    }[];
  }[];
  readonly fixedBytes: number;
}

/** What the engine has chosen: for each set one of its options. */
export interface Allocation {
  readonly choice: readonly number[];
  readonly bytes: number;
  readonly error: number;
  /** No choice within the budget has a smaller error. */
  readonly bound: number;
}

/** A table whose every option may have a time, and choices to begin a search with. */
export interface SearchTable extends DecisionTable {
  readonly presets: readonly { readonly label: string; readonly choice: readonly number[] }[];
}

/** How a search is done; the seed is text, because it has 64 bits. */
export interface SearchSettings {
  readonly objectives: readonly Objective[];
  readonly population: number;
  readonly seed: string;
}

export interface FoundPoint extends Omit<Allocation, 'bound'> {
  readonly worst: number;
  readonly time: number;
}

export interface Found {
  /** From the smallest; `hull`: the least error that is found for its bytes without a search. */
  readonly front: readonly (FoundPoint & { readonly hull: number })[];
  readonly dominated: readonly FoundPoint[];
}

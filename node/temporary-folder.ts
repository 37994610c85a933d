/**
 * A folder for what has no name: outputs that wait to be saved, models that were given as bytes.
 * It is gone when it is removed, and at the latest when the process ends; what a killed process left, the next removes.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeAtExit, removeOfDead } from './leftovers.js';
import { ownMark } from './process-mark.js';
import { writeFailed } from './write-failed.js';

export class TemporaryFolder {
  readonly path: string;
  readonly #forget: () => void;

  constructor() {
    removeOfDead(tmpdir());
    try {
      this.path = mkdtempSync(join(tmpdir(), `monoquant-${ownMark()}-`));
    } catch (error) {
      throw writeFailed(join(tmpdir(), 'monoquant'), error);
    }
    this.#forget = removeAtExit(this.path);
  }

  remove(): void {
    this.#forget();
    rmSync(this.path, { recursive: true, force: true });
  }
}

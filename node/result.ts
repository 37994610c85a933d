/**
 * What `quantize` hands out in Node: the report, and the output until it is saved.
 * It exists because an output that was given no name lives in a temporary folder.
 * That folder is gone after close(), and at the latest when the process ends.
 */
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkBoolean, checkObject, checkText, unexpected } from '../js/api/check.js';
import { MonoquantError } from '../js/api/errors.js';
import type { DequantizeOptions, ValidateOptions } from '../js/api/options.js';
import type { Report, Validation, Warning } from '../js/api/types.js';
import type { QuantizeResult, SaveOptions } from './file-types.js';
import { removeAtExit, removeOfDead } from './leftovers.js';
import type { FileIdentity } from './open-file.js';
import { OutputFile } from './output-file.js';
import { ownMark } from './process-mark.js';
import { publish } from './publication.js';
import { writeFailed } from './write-failed.js';

/** What a result can have done with its file. */
export interface ResultTools {
  validate(path: string, options: ValidateOptions<string | URL>): Promise<Validation>;
  dequantize(path: string, options: DequantizeOptions): Promise<QuantizeResult>;
}

/** A folder for an output without a name. */
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

  async remove(): Promise<void> {
    this.#forget();
    await rm(this.path, { recursive: true, force: true });
  }
}

export class FileResult implements QuantizeResult {
  readonly report: Report;
  readonly output: string | undefined;
  readonly #path: string;
  readonly #inputs: readonly FileIdentity[];
  /** Only where there is no `output`. */
  readonly #folder: TemporaryFolder | undefined;
  readonly #tools: ResultTools;
  #isShared = false;
  #isClosed = false;

  constructor(
    report: Report,
    path: string,
    inputs: readonly FileIdentity[],
    folder: TemporaryFolder | undefined,
    tools: ResultTools,
  ) {
    this.report = report;
    this.output = folder === undefined ? path : undefined;
    this.#path = path;
    this.#inputs = inputs;
    this.#folder = folder;
    this.#tools = tools;
  }

  get warnings(): readonly Warning[] {
    return this.report.warnings;
  }

  async save(path: string, options: SaveOptions = {}): Promise<void> {
    if (checkText(path, 'path') === undefined) throw unexpected('a path', 'path', path);
    const force = checkBoolean(checkObject(options, 'options', ['force']).force, 'force') ?? false;
    this.#checkOpen('Save it before close().');
    const target = OutputFile.create(path, { force, inputs: this.#inputs });
    try {
      // Two names for one file would surprise whoever changes it: only the first copy shares its bytes.
      const mayShare = this.#folder !== undefined && !this.#isShared;
      await target.fillFrom(this.#path, mayShare);
      await publish([target]);
      this.#isShared ||= mayShare;
    } finally {
      target.discard();
    }
  }

  async validate(options: ValidateOptions<string | URL> = {}): Promise<Validation> {
    this.#checkOpen('Validate it before close().');
    return this.#tools.validate(this.#path, options);
  }

  async dequantize(options: DequantizeOptions = {}): Promise<QuantizeResult> {
    this.#checkOpen('Dequantize it before close().');
    return this.#tools.dequantize(this.#path, options);
  }

  #checkOpen(suggestion: string): void {
    if (!this.#isClosed || this.#folder === undefined) return;
    const message = 'The result was closed, and its file removed.';
    throw new MonoquantError('file-not-found', message, { suggestion });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#folder?.remove();
  }
}

/**
 * What `quantize` hands out in Node: the report, and the output until it is saved.
 * It exists because an output that was given no name lives in a temporary folder.
 * That folder is gone after close(), and at the latest when the process ends.
 */
import { createReadStream, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Readable } from 'node:stream';
import { checkBoolean, checkObject } from '../js/api/check.js';
import { ASYNC_DISPOSE } from '../js/api/disposal.js';
import { MonoquantError } from '../js/api/errors.js';
import type { AnyBlob, AnyStream } from '../js/api/host-types.js';
import { isIndexName, isPackedName } from '../js/api/model-files.js';
import {
  type ConvertOptions,
  containerOf,
  type DequantizeOptions,
  type ValidateOptions,
} from '../js/api/options.js';
import type { Report, Validation, Warning } from '../js/api/types.js';
import type { ModelSource, QuantizeResult, SaveOptions } from './file-types.js';
import { pathOf } from './input-file.js';
import { ModelInput } from './model-input.js';
import { Output, type OutputTerms } from './output.js';
import { weightsOf } from './output-name.js';
import { readFailed } from './read-failed.js';
import { TemporaryFolder } from './temporary-folder.js';

/** What a result knows of its file, and can have done with it. */
export interface ResultFacts {
  readonly path: string;
  /** What it was made from. */
  readonly model: Pick<ModelInput, 'named' | 'identities'>;
  readonly terms: OutputTerms;
  /** Only if no output was named. */
  readonly folder: TemporaryFolder | undefined;
  /** What it is compared with. */
  readonly reference: ValidateOptions<ModelSource>;
  readonly functions: {
    validate(path: string, options: ValidateOptions<ModelSource>): Promise<Validation>;
    convert(path: string, options: ConvertOptions): Promise<QuantizeResult>;
    dequantize(path: string, options: DequantizeOptions): Promise<QuantizeResult>;
  };
}

export class FileResult implements QuantizeResult {
  readonly report: Report;
  readonly output: string | undefined;
  readonly #facts: ResultFacts;
  #isShared = false;
  #isClosed = false;

  constructor(report: Report, facts: ResultFacts) {
    this.report = report;
    this.output = facts.folder === undefined ? facts.path : undefined;
    this.#facts = facts;
  }

  /** Where it lies, whether it was given a name or not. */
  get path(): string {
    return this.#facts.path;
  }

  get warnings(): readonly Warning[] {
    return this.report.warnings;
  }

  async save(place: string | URL, options: SaveOptions = {}): Promise<void> {
    const path = pathOf(place, 'path');
    const force = checkBoolean(checkObject(options, 'options', ['force']).force, 'force') ?? false;
    this.#checkOpen('Save it before close().');
    const { model, terms } = this.#facts;
    if (this.#isSeveral) return this.#copyAllTo(path, force);
    const isFolder = weightsOf(path, model.named, terms) !== path && terms.container !== 'gguf';
    const input = isFolder ? await ModelInput.open(model.named) : undefined;
    let target: Output | undefined;
    try {
      target = await Output.claim(path, input ?? model, { ...terms, force });
      const isSame =
        containerOf(target.path) === terms.container &&
        isPackedName(target.path) === isPackedName(this.#facts.path);
      if (isSame) await this.#copyTo(target);
      else await this.#convertTo(target);
      await target.publish({ config: this.report.outputConfig });
    } finally {
      target?.discard();
      input?.close();
    }
  }

  /** Of several files a copy is made as of any other model: into one, or into as many. */
  async #copyAllTo(output: string, force: boolean): Promise<void> {
    const { functions, path } = this.#facts;
    await (await functions.convert(path, { output, force, key: '' })).close();
  }

  get #isSeveral(): boolean {
    return isIndexName(this.#facts.path);
  }

  async #copyTo(target: Output): Promise<void> {
    // Two names for one file would surprise whoever changes it: only the first copy shares its bytes.
    const mayShare = this.#facts.folder !== undefined && !this.#isShared;
    await target.fillFrom(this.#facts.path, mayShare);
    this.#isShared ||= mayShare;
  }

  /** As the name of the target has it. */
  async #convertTo(target: Output): Promise<void> {
    const folder = new TemporaryFolder();
    try {
      const output = join(folder.path, basename(target.path));
      const { functions, path } = this.#facts;
      await (await functions.convert(path, { output, key: '' })).close();
      await target.fillFrom(output, true);
    } finally {
      folder.remove();
    }
  }

  async validate(options: ValidateOptions<ModelSource> = {}): Promise<Validation> {
    this.#checkOpen('Validate it before close().');
    const { functions, path, reference } = this.#facts;
    return functions.validate(path, { ...reference, ...options });
  }

  async dequantize(options: DequantizeOptions = {}): Promise<QuantizeResult> {
    this.#checkOpen('Dequantize it before close().');
    return this.#facts.functions.dequantize(this.#facts.path, options);
  }

  async bytes(): Promise<Uint8Array<ArrayBuffer>> {
    this.#checkReadable();
    return readFile(this.#facts.path).catch((error: unknown) => {
      throw readFailed(this.#facts.path, error);
    });
  }

  async blob(): Promise<AnyBlob> {
    return new Blob([await this.bytes()]);
  }

  stream(): AnyStream {
    this.#checkReadable();
    // Opened at once: a failure is that of this call, and close() may come while it is being read.
    const { path } = this.#facts;
    let descriptor: number;
    try {
      descriptor = openSync(path, 'r');
    } catch (error) {
      throw readFailed(path, error);
    }
    return Readable.toWeb(createReadStream('', { fd: descriptor })) as AnyStream;
  }

  #checkReadable(): void {
    this.#checkOpen('Read it before close().');
    if (!this.#isSeveral) return;
    throw new MonoquantError(
      'invalid-options',
      `Expected an output of one file, found one of several: "${this.#facts.path}".`,
      { suggestion: 'Read them where they are, or write one file: maxShardSize "none".' },
    );
  }

  #checkOpen(suggestion: string): void {
    if (!this.#isClosed || this.#facts.folder === undefined) return;
    const message = 'The result was closed, and its file removed.';
    throw new MonoquantError('file-not-found', message, { suggestion });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#facts.folder?.remove();
  }

  [ASYNC_DISPOSE](): Promise<void> {
    return this.close();
  }
}

/**
 * An open model in browsers: one worker for all of its calls, and outputs that are Blobs.
 */
import { contradiction } from '../../js/api/check.js';
import { checkOneFile } from '../../js/api/configuration.js';
import { ASYNC_DISPOSE } from '../../js/api/disposal.js';
import type { Functions } from '../../js/api/functions.js';
import type { QuantizeRequest } from '../../js/api/options.js';
import { option, say } from '../../js/api/sentence.js';
import type { Report } from '../../js/api/types.js';
import { isShards, type OneOrShards } from '../../js/engine/shards.js';
import { functionsOf } from '../../js/session/functions.js';
import { Handle, type Scratch } from '../../js/session/handle.js';
import type { HandleOptions, Host } from '../../js/session/host.js';
import type { OpenedModel } from '../../js/session/workplace.js';
import type { BlobTypes, ModelSource, QuantizeResult } from './blob-types.js';
import { openCalibration } from './calibration-blobs.js';
import { besideOf, folderOf, sourceOf } from './model-source.js';
import { PrivateFileName } from './private-file.js';
import type { WebSource } from './readable-file.js';
import { startSession } from './worker-host.js';

/** With how files are named for workers. */
type WebTypes = BlobTypes & {
  source: WebSource;
  sink: string;
  output: Blob;
};

/** The browser itself closes what nobody uses any more. */
async function openModel(named: ModelSource): Promise<OpenedModel<WebSource>> {
  const source = await sourceOf(named);
  const beside = await besideOf(named);
  const readFolder = () => folderOf(named);
  return {
    source,
    beside,
    readFolder,
    checkUnchanged: () => checkUnchanged(source),
    close: () => {},
  };
}

/** Of Files and Blobs the browser itself notices a change. */
async function checkUnchanged(source: OneOrShards<WebSource>): Promise<void> {
  for (const file of isShards(source) ? source.shards.map((shard) => shard.source) : [source]) {
    if (!(file instanceof Blob)) await file.checkUnchanged?.();
  }
}

const HOST: Host<WebTypes> = {
  hasPaths: false,
  startSession,
  openModel,
  openCalibration,
  handle: (named, input, options) => new WebModel(named, input, options),
};

class WebModel extends Handle<WebTypes> {
  readonly #named: ModelSource;

  constructor(named: ModelSource, input: OpenedModel<WebSource>, options: HandleOptions) {
    super(HOST, input, options);
    this.#named = named;
  }

  protected async write(request: QuantizeRequest): Promise<QuantizeResult> {
    checkOneFile(request.configuration, 'one Blob');
    if (request.configuration.zstdLevel !== null) {
      throw contradiction(
        say`${option('zstdLevel')} compresses what is written to a path, and a browser has none.`,
        say`Leave out ${option('zstdLevel')}, and compress the blob of the result with compress().`,
      );
    }
    return this.place.inTurn(request.run, async () => {
      const { parts } = await openCalibration(request.calibration);
      const file = await PrivateFileName.claim();
      try {
        const { report, output } = await this.encode(request, {
          place: () => file.name,
          divides: false,
          calibration: parts,
        });
        return this.#resultOf(report, output, file);
      } catch (error) {
        await file.release();
        throw error;
      }
    });
  }

  protected async scratch(): Promise<Scratch<string>> {
    const file = await PrivateFileName.claim();
    return { place: () => file.name, release: () => file.release() };
  }

  #resultOf(report: Report, output: Blob, file: PrivateFileName): QuantizeResult {
    const { key, stripPrefix } = report.configuration;
    const reference = { reference: this.#named, key, stripPrefix };
    return {
      report,
      warnings: report.warnings,
      validate: (options) => functions.validate(output, { ...reference, ...options }),
      dequantize: (options) => functions.dequantize(output, options),
      blob: () => output,
      bytes: async () => new Uint8Array(await output.arrayBuffer()),
      stream: () => output.stream(),
      close: () => file.release(),
      [ASYNC_DISPOSE]: () => file.release(),
    };
  }
}

/** Those of the package. The compiler cannot know that the rest of WebTypes is in no signature. */
export const functions = functionsOf(HOST) as unknown as Functions<BlobTypes>;

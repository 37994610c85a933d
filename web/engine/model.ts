/**
 * An open model in browsers: one worker for all of its calls, and outputs that are Blobs.
 */
import type {
  ConvertOptions as AnyConvertOptions,
  DequantizeOptions as AnyDequantizeOptions,
  QuantizeOptions as AnyQuantizeOptions,
  ValidateOptions as AnyValidateOptions,
  QuantizeRequest,
} from '../../js/api/options.js';
import type { Report, Validation, Warning } from '../../js/api/types.js';
import { type FunctionsOf, functionsOf } from '../../js/session/functions.js';
import { Handle } from '../../js/session/handle.js';
import type { HandleOptions, Host, HostTypes } from '../../js/session/host.js';
import type { OpenedModel } from '../../js/session/workplace.js';
import { openCalibration } from './calibration-blobs.js';
import { besideOf, type ModelSource, sourceOf } from './model-source.js';
import { PrivateFileName } from './private-file.js';
import { startSession } from './worker-host.js';

/** Those of Node without the ones that speak of paths. */
export type QuantizeOptions = Omit<AnyQuantizeOptions, 'output' | 'force'>;
export type ConvertOptions = Omit<AnyConvertOptions, 'output' | 'force'>;
export type DequantizeOptions = Omit<AnyDequantizeOptions, 'output' | 'force'>;
export type ValidateOptions = AnyValidateOptions<ModelSource>;

export interface QuantizeResult {
  readonly report: Report;
  /** Those of the report. */
  readonly warnings: readonly Warning[];
  /** Checks the output, by default with the model that it was made from as reference. */
  validate(options?: ValidateOptions): Promise<Validation>;
  /** Writes the output's quantized tensors as floats again. */
  dequantize(options?: DequantizeOptions): Promise<QuantizeResult>;
  /** The output file. Large ones are on disk, and readable until close(). */
  blob(): Blob;
  /** Removes the output from where it was kept; what was saved from it stays. */
  close(): Promise<void>;
}

export interface WebTypes extends HostTypes {
  named: ModelSource;
  quantize: QuantizeOptions;
  convert: ConvertOptions;
  dequantize: DequantizeOptions;
  result: QuantizeResult;
  source: Blob;
  sink: string;
  output: Blob;
}

/** The browser itself notices a file that was changed, and closes what nobody uses any more. */
async function openModel(named: ModelSource): Promise<OpenedModel<Blob>> {
  const source = await sourceOf(named);
  const beside = await besideOf(named);
  return { source, beside, checkUnchanged: () => {}, close: () => {} };
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

  constructor(named: ModelSource, input: OpenedModel<Blob>, options: HandleOptions) {
    super(HOST, input, options);
    this.#named = named;
  }

  protected write(request: QuantizeRequest): Promise<QuantizeResult> {
    return this.place.inTurn(request.run, async () => {
      const { parts } = await openCalibration(request.calibration);
      const file = await PrivateFileName.claim();
      try {
        const { report, output } = await this.encode(request, file.name, parts);
        return this.#resultOf(report, output, file);
      } catch (error) {
        await file.release();
        throw error;
      }
    });
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
      close: () => file.release(),
    };
  }
}

/** Those of the package. */
export const functions: FunctionsOf<WebTypes> = functionsOf(HOST);

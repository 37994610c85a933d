/**
 * An open model in Node: its files are open from before its first call until after its last one, and what its calls
 * write are files.
 */
import type {
  ConvertOptions,
  DequantizeOptions,
  QuantizeOptions,
  QuantizeRequest,
} from '../js/api/options.js';
import { type FunctionsOf, functionsOf } from '../js/session/functions.js';
import { Handle } from '../js/session/handle.js';
import type { HandleOptions, Host, HostTypes } from '../js/session/host.js';
import { type CalibrationFiles, openCalibration } from './calibration-files.js';
import { ModelInput } from './model-input.js';
import type { OpenFile, SizedFile } from './open-file.js';
import { OutputFile } from './output-file.js';
import { OutputFolder, weightsOf } from './output-folder.js';
import { FileResult, type QuantizeResult, TemporaryFolder } from './result.js';
import { startHelpers, startSession } from './worker-host.js';

export interface NodeTypes extends HostTypes {
  named: string | URL;
  quantize: QuantizeOptions;
  convert: ConvertOptions;
  dequantize: DequantizeOptions;
  result: QuantizeResult;
  source: SizedFile;
  sink: OpenFile;
  output: undefined;
}

const HOST: Host<NodeTypes> = {
  hasPaths: true,
  startSession,
  openModel: async (named) => ModelInput.open(named),
  openCalibration: async (inputs) => openCalibration(inputs),
  // What it gets is what was opened above.
  handle: (_, input, options) => new NodeModel(input as ModelInput, options),
};

class NodeModel extends Handle<NodeTypes> {
  readonly #input: ModelInput;

  constructor(input: ModelInput, options: HandleOptions) {
    super(HOST, input, options);
    this.#input = input;
  }

  protected write(request: QuantizeRequest): Promise<QuantizeResult> {
    return this.place.inTurn(request.run, async () => {
      const calibration = openCalibration(request.calibration);
      try {
        return await this.#writeFile(request, calibration);
      } finally {
        calibration.close();
      }
    });
  }

  async #writeFile(
    request: QuantizeRequest,
    calibration: CalibrationFiles,
  ): Promise<QuantizeResult> {
    const input = this.#input;
    const { identities } = input;
    const { configuration, force } = request;
    const keepsCodes = configuration.dequantize === null;
    const aside = request.output === undefined ? new TemporaryFolder() : undefined;
    const place = request.output ?? `${aside?.path ?? ''}/`;
    const path = weightsOf(place, input.named, configuration.container);
    let folder: OutputFolder | undefined;
    try {
      calibration.checkOutput(path);
      if (path !== place && aside === undefined) {
        folder = OutputFolder.begin(path, input, { force, keepsCodes });
      }
      const output = OutputFile.create(path, { force, inputs: identities });
      try {
        const helpers = startHelpers({ ...this.place.run, ...request.run }, input.bytes);
        const { report } = await this.encode(request, output.file, calibration.parts, helpers);
        input.checkUnchanged();
        calibration.checkUnchanged();
        await folder?.fill(report.outputConfig);
        // Last of all the weights: without them no loader takes the folder for a model.
        folder?.commit();
        output.commit();
        const { key, stripPrefix } = configuration;
        const reference = { reference: input.path, key, stripPrefix };
        return new FileResult(report, path, identities, aside, {
          validate: (file, options) => functions.validate(file, { ...reference, ...options }),
          dequantize: functions.dequantize,
        });
      } finally {
        output.discard();
      }
    } catch (error) {
      await aside?.remove();
      throw error;
    } finally {
      folder?.discard();
    }
  }
}

/** Those of the package. */
export const functions: FunctionsOf<NodeTypes> = functionsOf(HOST);

/**
 * An open model in Node: its files are open from before its first call until after its last one, and what its calls
 * write are files.
 */
import type { Functions } from '../js/api/functions.js';
import type { QuantizeRequest } from '../js/api/options.js';
import type { Report } from '../js/api/types.js';
import { functionsOf } from '../js/session/functions.js';
import { Handle } from '../js/session/handle.js';
import type { HandleOptions, Host } from '../js/session/host.js';
import { type CalibrationFiles, openCalibration } from './calibration-files.js';
import type { FileTypes, QuantizeResult } from './file-types.js';
import { ModelInput } from './model-input.js';
import type { OutputPlace, SizedFile } from './open-file.js';
import { OutputFile } from './output-file.js';
import { OutputFolder, weightsOf } from './output-folder.js';
import { publish } from './publication.js';
import { FileResult, TemporaryFolder } from './result.js';
import { startHelpers, startSession } from './worker-host.js';

/** With how files are named for workers. */
type NodeTypes = FileTypes & {
  source: SizedFile;
  sink: OutputPlace;
  output: undefined;
};

/** Makes what appears together with an output, or not at all, from the report of its run. */
export type Companion = (report: Report) => OutputFile;

function hostWith(companion: Companion | undefined): Host<NodeTypes> {
  const host: Host<NodeTypes> = {
    hasPaths: true,
    startSession,
    openModel: async (named) => ModelInput.open(named),
    openCalibration: async (inputs) => openCalibration(inputs),
    // What it gets is what was opened above.
    handle: (_, input, options) => new NodeModel(host, input as ModelInput, options, companion),
  };
  return host;
}

class NodeModel extends Handle<NodeTypes> {
  readonly #input: ModelInput;
  readonly #companion: Companion | undefined;

  constructor(
    host: Host<NodeTypes>,
    input: ModelInput,
    options: HandleOptions,
    companion: Companion | undefined,
  ) {
    super(host, input, options);
    this.#input = input;
    this.#companion = companion;
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
        const sink = { ...output.file, besides: folder?.bytes ?? 0 };
        const { report } = await this.encode(request, sink, calibration.parts, helpers);
        input.checkUnchanged();
        calibration.checkUnchanged();
        const beside = (await folder?.fill(report.outputConfig)) ?? [];
        const companion = this.#companion?.(report);
        // Last of all the weights: without them no loader takes the folder for a model.
        const files = [...beside, ...(companion === undefined ? [] : [companion]), output];
        const { signal } = request.run;
        const lasts = aside === undefined;
        await publish(files, { folders: folder?.folders ?? [], lasts, signal });
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

/** What callers see of them: the compiler cannot know that the rest of NodeTypes is in no signature. */
function seen(companion: Companion | undefined): Functions<FileTypes> {
  return functionsOf(hostWith(companion)) as unknown as Functions<FileTypes>;
}

/** Those of the package. */
export const functions: Functions<FileTypes> = seen(undefined);

/** The same, with a file that shares the fate of the output. */
export function functionsWith(companion: Companion | undefined): Functions<FileTypes> {
  return seen(companion);
}

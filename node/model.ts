/**
 * An open model in Node: its files are open from before its first call until after its last one, and what its calls
 * write are files.
 */
import { join } from 'node:path';
import type { Functions } from '../js/api/functions.js';
import {
  openingFor,
  type QuantizeOptions,
  type QuantizeRequest,
  resolveQuantize,
} from '../js/api/options.js';
import type { Plan, Report } from '../js/api/types.js';
import { gateWarnings, gateWork } from '../js/report/gates.js';
import { functionsOf } from '../js/session/functions.js';
import { Handle } from '../js/session/handle.js';
import type { HandleOptions, Host } from '../js/session/host.js';
import { type CalibrationFiles, openCalibration } from './calibration-files.js';
import type { FileTypes, QuantizeResult } from './file-types.js';
import { checkRoom } from './free-space.js';
import { openModel } from './given-model.js';
import { ModelInput } from './model-input.js';
import type { OutputPlace, SizedFile } from './open-file.js';
import { Output, type OutputTerms } from './output.js';
import type { OutputFile } from './output-file.js';
import { FileResult } from './result.js';
import { TemporaryFolder } from './temporary-folder.js';
import { startHelpers, startSession } from './worker-host.js';

/** With how files are named for workers. */
type NodeTypes = FileTypes & {
  source: SizedFile;
  sink: OutputPlace;
  output: undefined;
};

/** Makes what appears together with an output, or not at all, from the report of its run. */
export type Companion = (report: Report) => readonly OutputFile[];

function hostWith(companion: Companion | undefined): Host<NodeTypes> {
  const host: Host<NodeTypes> = {
    hasPaths: true,
    startSession,
    openModel,
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
    const { configuration } = request;
    const aside = request.output === undefined ? new TemporaryFolder() : undefined;
    try {
      const ending = configuration.container + (configuration.zstdLevel === null ? '' : '.zst');
      const place = request.output ?? join(aside?.path ?? '', `model.${ending}`);
      const terms = termsOf(request);
      const output = Output.claim(place, input, { ...terms, calibration });
      try {
        const helpers = startHelpers({ ...this.place.run, ...request.run }, input.bytes);
        const { sink, packed } = output;
        const { parts } = calibration;
        const { report } = await this.encode(request, sink, parts, helpers, packed);
        input.checkUnchanged();
        calibration.checkUnchanged();
        const companions = this.#companion?.(report) ?? [];
        await output.publish({
          config: report.outputConfig,
          companions,
          lasts: aside === undefined,
          signal: request.run.signal,
        });
        const { key, stripPrefix } = configuration;
        return new FileResult(report, {
          path: output.path,
          model: input,
          terms,
          folder: aside,
          reference: input.hasPath ? { reference: input.path, key, stripPrefix } : {},
          functions,
        });
      } finally {
        output.discard();
      }
    } catch (error) {
      aside?.remove();
      throw error;
    }
  }

  /** What a run with these options would do, after each check that it makes before its work; nothing is left of it. */
  async rehearse(options: QuantizeOptions & { readonly output: string }): Promise<Plan> {
    const { threads, engine, signal, onProgress, failUnder, strict, force, output, ...rest } =
      options;
    const { key, stripPrefix, ...choices } = rest;
    const request = resolveQuantize({ ...this.place.opening, ...options }, true);
    const calibration = openCalibration(request.calibration);
    try {
      const claimed = Output.claim(output, this.#input, { ...termsOf(request), calibration });
      try {
        const plan = await this.plan({ ...choices, container: request.configuration.container });
        gateWork(plan.tensors, plan.warnings);
        gateWarnings(plan.warnings, request.gates);
        checkRoom(claimed.sink, plan.sizes.outputBytes);
        return plan;
      } finally {
        claimed.discard();
      }
    } finally {
      calibration.close();
    }
  }
}

function termsOf({ configuration, force }: QuantizeRequest): OutputTerms {
  const { container, dequantize } = configuration;
  return { container, force, keepsCodes: dequantize === null };
}

/** What callers see of them: the compiler cannot know that the rest of NodeTypes is in no signature. */
function seen(companion: Companion | undefined): Functions<FileTypes> {
  return functionsOf(hostWith(companion)) as unknown as Functions<FileTypes>;
}

/** Those of the package. */
export const functions: Functions<FileTypes> = seen(undefined);

/** The same, with files that share the fate of the output. */
export function functionsWith(companion: Companion | undefined): Functions<FileTypes> {
  return seen(companion);
}

/** What `quantize` would do with a model, or the error that would end it before its work. */
export async function rehearse(
  named: string | URL,
  options: QuantizeOptions & { readonly output: string },
): Promise<Plan> {
  const host = hostWith(undefined);
  const { run, opening } = openingFor(options);
  const model = new NodeModel(host, ModelInput.open(named), { run, opening }, undefined);
  try {
    await model.readCatalog(run);
    return await model.rehearse(options);
  } finally {
    await model.close();
  }
}

/**
 * An open model in Node: its files are open from before its first call until after its last one, and what its calls
 * write are files.
 */
import { join } from 'node:path';
import type { CalibrationInput } from '../js/api/calibration.js';
import { checkOneFile } from '../js/api/configuration.js';
import { type ErrorCode, MonoquantError } from '../js/api/errors.js';
import type { Functions } from '../js/api/functions.js';
import {
  type CalibrateFileOptions,
  type CalibrateRequest,
  type ConvertOptions,
  type DequantizeOptions,
  openingFor,
  type QuantizeOptions,
  type QuantizeRequest,
  type RunOptions,
  resolveQuantize,
} from '../js/api/options.js';
import type { RecordedCommand, RunRecord } from '../js/api/run-record.js';
import type { Calibration, Configuration, Plan, Report } from '../js/api/types.js';
import { gateWarnings, gateWork } from '../js/report/gates.js';
import { functionsOf } from '../js/session/functions.js';
import { Handle, type Scratch } from '../js/session/handle.js';
import type { HandleOptions, Host } from '../js/session/host.js';
import type { PartJob } from '../js/session/run.js';
import { takesValues } from '../js/session/view.js';
import { plannedFiles } from '../js/worker/plan-facts.js';
import { type CalibrationFiles, openCalibration } from './calibration-files.js';
import type { FileTypes, ModelSource, QuantizeResult } from './file-types.js';
import { openModel } from './given-model.js';
import { pathOf } from './input-file.js';
import type { Journal } from './journal.js';
import { KeptCalibration } from './kept-calibration.js';
import type { ModelInput } from './model-input.js';
import type { OutputPlaces } from './open-file.js';
import type { SourceFile } from './opened-files.js';
import { Output, type OutputTerms } from './output.js';
import type { OutputFile } from './output-file.js';
import { tailOf } from './part-tail.js';
import { FileResult } from './result.js';
import { identityOf } from './run-identity.js';
import { type Records, recorded, recordedFailure } from './runs/recorder.js';
import { outputFiles, writtenFile } from './runs/run-files.js';
import { TableCache } from './table-cache.js';
import { TemporaryFolder } from './temporary-folder.js';
import { startHelpers, startSession } from './worker-host.js';

/** With how files are named for workers. */
type NodeTypes = FileTypes & {
  source: SourceFile;
  sink: OutputPlaces;
  output: undefined;
};

/** Makes what appears together with an output, or not at all, from the report of its run. */
export type Companion = (report: Report) => readonly OutputFile[];

/** What calls of the command have beside those of the package. */
export interface Extras {
  readonly companion?: Companion | undefined;
  /** The run of a log that is repeated, and who is told of the line that is added to it. */
  readonly parent?: string | undefined;
  readonly onRecord?: ((record: RunRecord) => void) | undefined;
}

function hostWith(extras: Extras): Host<NodeTypes> {
  const host: Host<NodeTypes> = {
    hasPaths: true,
    startSession,
    openModel,
    openCalibration,
    // What it gets is what was opened above.
    handle: (_, input, options) => new NodeModel(host, input as ModelInput, options, extras),
  };
  return host;
}

export class NodeModel extends Handle<NodeTypes> {
  readonly #input: ModelInput;
  readonly #extras: Extras;

  constructor(host: Host<NodeTypes>, input: ModelInput, options: HandleOptions, extras: Extras) {
    super(host, input, options);
    this.#input = input;
    this.#extras = extras;
  }

  override calibrate(
    data: CalibrationInput | readonly CalibrationInput[],
    options: CalibrateFileOptions = {},
  ): Promise<Calibration> {
    const { output, signal } = options ?? {}; // what is no object is for the call to refuse
    const attempt = {
      ...this.#attempt('calibrate', options),
      output: output === undefined ? undefined : String(output),
      calibration: Array.isArray(data) ? data : [data as CalibrationInput],
      signal,
    };
    return recorded(
      options ?? {},
      attempt,
      () => super.calibrate(data, options),
      () => ({
        outputs: async () =>
          output === undefined ? [] : [await writtenFile(pathOf(output, 'output'), signal)],
      }),
    );
  }

  #attempt(command: RecordedCommand, options: object) {
    const { parent, onRecord } = this.#extras;
    return { command, model: this.#input.named, options, input: this.#input, parent, onRecord };
  }

  protected override keep(
    request: CalibrateRequest,
    inputs: readonly CalibrationInput[],
  ): KeptCalibration | undefined {
    return KeptCalibration.claim(request, this.#input.identities, inputs);
  }

  protected write(request: QuantizeRequest): Promise<QuantizeResult> {
    const { configuration, gates, run, output, calibration } = request;
    const attempt = {
      ...this.#attempt(commandOf(configuration), {
        ...configuration,
        ...gates,
        ...run,
        part: partText(request),
      }),
      output,
      calibration,
      signal: run.signal,
    };
    return recorded(
      request,
      attempt,
      () => this.#write(request),
      ({ report, path }) => ({
        report,
        outputs: () => outputFiles(path, output !== undefined, run.signal),
      }),
    );
  }

  #write(request: QuantizeRequest): Promise<FileResult> {
    return this.place.inTurn(request.run, async () => {
      const calibration = await openCalibration(request.calibration, request.run.signal);
      try {
        return await this.#writeFile(request, calibration);
      } finally {
        calibration.close();
      }
    });
  }

  async #writeFile(request: QuantizeRequest, calibration: CalibrationFiles): Promise<FileResult> {
    const input = this.#input;
    const aside = request.output === undefined ? new TemporaryFolder() : undefined;
    try {
      const { container, zstdLevel } = request.configuration;
      const ending = container + (zstdLevel === null ? '' : '.zst');
      const place = request.output ?? join(aside?.path ?? '', `model.${ending}`);
      const terms = termsOf(request);
      const output = await Output.claim(place, input, { ...terms, calibration });
      try {
        if (!output.isFolder) checkOneFile(request.configuration, 'one file');
        const report = await this.#encode(request, output, calibration);
        await input.checkUnchanged();
        await calibration.checkUnchanged();
        const companions = this.#extras.companion?.(report) ?? [];
        await output.publish({
          config: report.outputConfig,
          companions,
          lasts: aside === undefined,
          signal: request.run.signal,
        });
        const { key, stripPrefix } = report.configuration;
        return new FileResult(report, {
          path: output.path,
          model: input,
          terms,
          folder: aside,
          // A GGUF file has other names than its model.
          reference:
            input.hasPath && request.configuration.container !== 'gguf'
              ? { reference: input.path, key, stripPrefix }
              : {},
          functions,
        });
      } catch (error) {
        // A mistake in what was asked for costs nothing of what is there.
        if (request.resumes && (isInterruption(error) || !output.hasBegun)) output.leave();
        throw error;
      } finally {
        output.discard();
      }
    } catch (error) {
      aside?.remove();
      throw error;
    }
  }

  /** With as many engines as are worth it and free. */
  async #encode(
    request: QuantizeRequest,
    output: Output,
    { parts }: CalibrationFiles,
  ): Promise<Report> {
    const { parts: files } = this.#input;
    const { part, configuration } = request;
    // What has no name is gone with its process.
    const isNamed = request.output !== undefined;
    const journal = isNamed
      ? output.journal(await identityOf(files, configuration, part))
      : undefined;
    const helpers = this.helpers(request.run);
    try {
      const { report } = await this.encode(request, {
        place: (planned) => output.place(planned),
        packed: output.packed,
        divides: output.isFolder,
        calibration: parts,
        others: helpers.sessions,
        journal,
        part: part && journal && { ...part, tailOf: this.#tailOf(journal) },
      });
      return report;
    } finally {
      helpers.leave();
    }
  }

  protected override tables() {
    return TableCache.of(this.#input);
  }

  protected override async scratch({ container }: Configuration): Promise<Scratch<OutputPlaces>> {
    const aside = new TemporaryFolder();
    try {
      const named = join(aside.path, `examined.${container}`);
      const terms = { container, force: false, keepsCodes: false };
      const output = await Output.claim(named, this.#input, terms);
      return {
        place: (planned) => output.place(planned),
        release: () => {
          output.discard();
          aside.remove();
        },
      };
    } catch (error) {
      aside.remove();
      throw error;
    }
  }

  protected override helpers(run: RunOptions) {
    return startHelpers({ ...this.place.run, ...run }, this.#input.bytes);
  }

  #tailOf(journal: Journal): PartJob['tailOf'] {
    const { indexMetadata } = this.#input;
    return (facts, segments, records) =>
      tailOf({ run: journal.run, facts, segments, indexMetadata }, records);
  }

  /** What `quantize` would lose and how long it takes: all is encoded, and dropped. */
  measure(options: QuantizeOptions): Promise<Report> {
    const request = resolveQuantize({ ...this.place.opening, ...options }, false);
    const { run, calibration: named } = request;
    return this.place.inTurn(run, async () => {
      const calibration = await openCalibration(named, run.signal);
      try {
        const terms = { divides: false, calibration: calibration.parts };
        const report = await this.measured(request, terms);
        await this.#input.checkUnchanged();
        await calibration.checkUnchanged();
        return report;
      } finally {
        calibration.close();
      }
    });
  }

  /** What a run with these options would do, after each check that it makes before its work; nothing is left of it. */
  async rehearse(options: QuantizeOptions & { readonly output: string }): Promise<Plan> {
    const { threads, engine, signal, onProgress, failUnder, strict, output, ...rest } = options;
    const { force, resume, part, log, tensorboard, key, stripPrefix, ...choices } = rest;
    const request = resolveQuantize({ ...this.place.opening, ...options }, true);
    const calibration = await openCalibration(request.calibration, request.run.signal);
    try {
      // What an earlier run has left stays as it is.
      const terms = { ...termsOf(request), calibration, resumes: false };
      const claimed = await Output.claim(output, this.#input, terms);
      try {
        const { container, zstdLevel } = request.configuration;
        const plan = await this.planFor({ ...choices, container, zstdLevel }, claimed.isFolder);
        gateWork(plan.tensors, plan.warnings);
        gateWarnings(plan.warnings, request.gates);
        claimed.place(plannedFiles(plan.files, plan.tensors));
        return plan;
      } finally {
        claimed.discard();
      }
    } finally {
      calibration.close();
    }
  }
}

function termsOf({ configuration, force, resumes, part }: QuantizeRequest): OutputTerms {
  const { container, bits, format } = configuration;
  const terms = { container, force, resumes, part, keepsCodes: !takesValues(configuration) };
  return bits === 'none' ? terms : { ...terms, format };
}

/** What a run that goes on may be spared: nothing was wrong with what was asked for. */
function isInterruption(error: unknown): boolean {
  const codes: readonly unknown[] = INTERRUPTIONS;
  return error instanceof MonoquantError && codes.includes(error.code);
}

const INTERRUPTIONS: readonly ErrorCode[] = [
  'aborted',
  'read-failed',
  'write-failed',
  'out-of-memory',
  'engine-unavailable',
  'internal',
];

/**
 * What callers see of them: the compiler cannot know that the rest of NodeTypes is in no signature. What fails before
 * there is a model is a run, too.
 */
function seen(extras: Extras): Functions<FileTypes> {
  const inner = functionsOf(hostWith(extras)) as unknown as Functions<FileTypes>;
  const attempted =
    <Options extends Records & { readonly output?: string | URL }>(
      command: RecordedCommand,
      call: (model: ModelSource, options?: Options) => Promise<QuantizeResult>,
    ) =>
    (model: ModelSource, options?: Options): Promise<QuantizeResult> =>
      recordedFailure({ ...extras, command, model, options }, () => call(model, options));
  return {
    ...inner,
    quantize: attempted<QuantizeOptions>('quantize', inner.quantize),
    convert: attempted<ConvertOptions>('convert', inner.convert),
    dequantize: attempted<DequantizeOptions>('dequantize', inner.dequantize),
  };
}

/** Those of the package. */
export const functions: Functions<FileTypes> = seen({});

/** The same, with files that share the fate of the output, or as the repetition of a run. */
export function functionsWith(extras: Extras): Functions<FileTypes> {
  return seen(extras);
}

/** `none` copies as `convert` does, whoever asks for it. */
function commandOf({ bits, dequantize }: Configuration): RecordedCommand {
  if (dequantize !== null) return 'dequantize';
  return bits === 'none' ? 'convert' : 'quantize';
}

function partText({ part }: QuantizeRequest): string | undefined {
  return part && `${part.index + 1}/${part.count}`;
}

/** Opens a model for work that the package has no function for. Whoever opens it closes it. */
export async function openNodeModel(
  named: ModelSource,
  options: HandleOptions,
): Promise<{
  readonly model: NodeModel;
  readonly input: ModelInput;
}> {
  const input = await openModel(named, options.run.signal);
  const model = new NodeModel(hostWith({}), input, options, {});
  return { model, input };
}

/** What `quantize` would do with a model, or the error that would end it before its work. */
export async function rehearse(
  named: string | URL,
  options: QuantizeOptions & { readonly output: string },
): Promise<Plan> {
  const { run, opening } = openingFor(options);
  const { model } = await openNodeModel(named, { run, opening });
  try {
    await model.readCatalog(run);
    return await model.rehearse(options);
  } finally {
    await model.close();
  }
}

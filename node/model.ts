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
  type CalibrateRequest,
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
import type { PartJob } from '../js/session/run.js';
import { takesValues } from '../js/session/view.js';
import { plannedFiles } from '../js/worker/plan-facts.js';
import { type CalibrationFiles, openCalibration } from './calibration-files.js';
import type { FileTypes, QuantizeResult } from './file-types.js';
import { openModel } from './given-model.js';
import type { Journal } from './journal.js';
import { KeptCalibration } from './kept-calibration.js';
import { ModelInput } from './model-input.js';
import type { OutputPlaces } from './open-file.js';
import type { SourceFile } from './opened-files.js';
import { Output, type OutputTerms } from './output.js';
import type { OutputFile } from './output-file.js';
import { tailOf } from './part-tail.js';
import { FileResult } from './result.js';
import { identityOf } from './run-identity.js';
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

function hostWith(companion: Companion | undefined): Host<NodeTypes> {
  const host: Host<NodeTypes> = {
    hasPaths: true,
    startSession,
    openModel,
    openCalibration,
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

  protected override keep(
    request: CalibrateRequest,
    inputs: readonly CalibrationInput[],
  ): KeptCalibration | undefined {
    return KeptCalibration.claim(request, this.#input.identities, inputs);
  }

  protected write(request: QuantizeRequest): Promise<QuantizeResult> {
    return this.place.inTurn(request.run, async () => {
      const calibration = await openCalibration(request.calibration, request.run.signal);
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
        const companions = this.#companion?.(report) ?? [];
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
          reference: input.hasPath ? { reference: input.path, key, stripPrefix } : {},
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
    const { parts: files, bytes } = this.#input;
    const { part, configuration } = request;
    // What has no name is gone with its process.
    const isNamed = request.output !== undefined;
    const journal = isNamed
      ? output.journal(await identityOf(files, configuration, part))
      : undefined;
    const helpers = startHelpers({ ...this.place.run, ...request.run }, bytes);
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

  #tailOf(journal: Journal): PartJob['tailOf'] {
    const { indexMetadata } = this.#input;
    return (facts, segments, records) =>
      tailOf({ run: journal.run, facts, segments, indexMetadata }, records);
  }

  /** What a run with these options would do, after each check that it makes before its work; nothing is left of it. */
  async rehearse(options: QuantizeOptions & { readonly output: string }): Promise<Plan> {
    const { threads, engine, signal, onProgress, failUnder, strict, output, ...rest } = options;
    const { force, resume, part, key, stripPrefix, ...choices } = rest;
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
  const { container } = configuration;
  return { container, force, resumes, part, keepsCodes: !takesValues(configuration) };
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
  const input = await ModelInput.open(named, run.signal);
  const model = new NodeModel(host, input, { run, opening }, undefined);
  try {
    await model.readCatalog(run);
    return await model.rehearse(options);
  } finally {
    await model.close();
  }
}

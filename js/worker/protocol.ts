/**
 * What a session and its worker say to each other.
 * It exists so that both hosts speak one language; `Source` and `Sink` are how a host names its files.
 * Everything survives structured cloning; the engine's documents cross as the JSON text they are.
 */
import type { EngineInfo } from '../api/types.js';
import type { Share } from '../engine/engine.js';
import type { Findings, PlanChoice } from '../engine/quantizer.js';
import type { OpenOptions } from '../engine/wasm.js';
import type { Failure } from './failure.js';

/** The requests of a session, each with its parameters and its answer. */
export interface Calls<Source, Sink, Output> {
  /** Comes first. */
  readonly load: { parameters: { readonly engine: EngineInfo }; answer: LoadedEngine };
  /** Answers JSON of a Catalog. */
  readonly open: {
    parameters: { readonly source: Source; readonly options: OpenOptions };
    answer: string;
  };
  /** Adds a file of captured inputs to a calibration, JSON or ''; answers JSON of a CalibrateResult. */
  readonly calibrate: {
    parameters: { readonly source: Source; readonly soFar: string };
    answer: string;
  };
  /** Answers JSON of a Plan, without its configuration. */
  readonly plan: { parameters: PlanChoice; answer: string };
  /** Answers JSON of a StageResult. */
  readonly encode: {
    parameters: PlanChoice & {
      readonly share: Share;
      readonly sink: Sink;
      /** Of the whole output, in bytes. */
      readonly size: number;
    };
    answer: string;
  };
  /** Ends the output when every share was encoded: takes and answers JSON of StageResults. */
  readonly seal: { parameters: { readonly results: readonly string[] }; answer: string };
  /** Reads back this worker's share, once all are written. */
  readonly verify: { parameters: null; answer: undefined };
  /** The elements of one tensor: F32, if it is stored as codes. */
  readonly tensor: { parameters: { readonly index: number }; answer: Uint8Array };
  /** Looks at what is stored as codes, beside a reference where there is one. */
  readonly compare: {
    parameters: { readonly reference: Source | undefined; readonly options: OpenOptions };
    answer: Findings;
  };
  /** Counts the values of one tensor, here and in the reference; answers JSON of a Distribution. */
  readonly distribution: {
    parameters: {
      readonly reference: Source;
      readonly options: OpenOptions;
      readonly tensor: string;
    };
    answer: string;
  };
  /** Executes the quantized layers; answers JSON of a TrialResult. */
  readonly trial: {
    parameters: {
      readonly reference: Source | undefined;
      readonly data: Source | undefined;
      readonly options: OpenOptions;
    };
    answer: string;
  };
  readonly finish: { parameters: null; answer: Output };
}

export interface LoadedEngine {
  readonly info: EngineInfo;
  readonly version: string;
}

export type Request<Source, Sink> = {
  [Kind in keyof Calls<Source, Sink, unknown>]: {
    readonly kind: Kind;
    readonly id: number;
    readonly wantsProgress: boolean;
    readonly parameters: Calls<Source, Sink, unknown>[Kind]['parameters'];
  };
}[keyof Calls<Source, Sink, unknown>];

/** To a request with the same id: any number of the first, then one of the others. */
export type Reply =
  | {
      readonly kind: 'progress';
      readonly id: number;
      readonly bytes: number;
      readonly totalBytes: number;
      readonly tensor: string;
    }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: unknown }
  | { readonly kind: 'failure'; readonly id: number; readonly failure: Failure };

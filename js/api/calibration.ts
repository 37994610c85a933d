/**
 * What is known of the inputs of a model's layers, and what is made of it.
 * It exists because a calibration is made once, stored as JSON, and quantized with many times.
 * Always plain JSON; the engine checks all of it when it is given back.
 */
import type { Scheme } from './schemes.js';
import { spokenName } from './spoken-url.js';
import type { Warning } from './warning.js';

/** How the range of a layer's inputs follows from the data; `auto` takes what loses least, layer by layer. */
export const OBSERVERS = ['auto', 'minmax', 'moving-average', 'histogram', 'percentile'] as const;
export type Observer = (typeof OBSERVERS)[number];

/** JSON has no infinities and no NaN. */
export type JsonFloat = number | 'NaN' | 'Infinity' | '-Infinity';

/** Smallest and largest; null where nothing was seen. */
export type ObservedRange = readonly [JsonFloat, JsonFloat] | null;

/** What the inputs of one layer were like, over all batches. */
export interface ModuleStatistics {
  /** Entries along the first dimension. */
  readonly samples: number;
  readonly batches: number;
  readonly values: number;
  /** Negative ones and positive ones. */
  readonly infinities: readonly [number, number];
  readonly range: ObservedRange;
  /** Of the batches' ranges. */
  readonly movingAverage: ObservedRange;
  /** Finite values in 2048 bins of equal width. */
  readonly histogram: { readonly range: ObservedRange; readonly counts: readonly number[] } | null;
  readonly valuesPerChannel: number;
  /** Sums of the squares of each input channel's values. */
  readonly squares: readonly number[];
  /** Sums of each input channel's values, if they are known. */
  readonly sums?: readonly number[];
  /** Smallest and largest finite value of each input channel, if they are known. */
  readonly lows?: readonly number[];
  readonly highs?: readonly number[];
  /** What is not known, because some of the data were statistics that do not say it. */
  readonly lacks?: readonly Lack[];
}

/**
 * How many inputs there were; their range; their distribution over that; squares of channels; how channels move
 * together.
 */
export type Lack = 'counts' | 'range' | 'distribution' | 'squares' | 'outer';

export const CALIBRATION_FORMAT = 'monoquant-calibration';

export interface Calibration {
  readonly format: typeof CALIBRATION_FORMAT;
  readonly version: 1;
  /** Layers with NaN among their inputs. */
  readonly leftOut: readonly string[];
  /** What a file of llama-imatrix says of itself, if all that is known is of one. */
  readonly imatrix?: {
    readonly file: string;
    readonly dataset: string;
    readonly entries: number;
    readonly chunks: number;
  };
  /** What was found when it was made. */
  readonly warnings?: readonly Warning[];
  /** By name. */
  readonly modules: Readonly<Record<string, ModuleStatistics>>;
}

/** A `File` or a `Blob` of a browser. */
export interface BlobData {
  readonly size: number;
  arrayBuffer(): Promise<ArrayBuffer>;
}

/**
 * Captured inputs, statistics of them, or a calibration: as a file (in Node a path or a `file:` URL, in browsers a File or a Blob;
 * calibrations end in `.json`), or a Calibration itself.
 */
export type CalibrationInput = string | URL | BlobData | Calibration;

/** How the inputs of a layer are quantized, where that is stored. */
export interface PlannedInput {
  readonly scheme: Scheme;
  /** That was asked for, or chosen. */
  readonly observer: Exclude<Observer, 'auto'>;
  readonly min: number;
  readonly max: number;
  readonly scale: number;
  readonly zeroPoint: number;
  readonly samples: number;
  /**
   * What is left of the inputs, estimated from the calibration: the mean of the channels' SQNR if rounding costs
   * scale² / 12 or all that a channel has, or the SQNR of the histogram, if clipping makes that the smaller one.
   * Null: nothing is lost.
   */
  readonly sqnrDb: number | null;
  /** Where an observer was to be chosen: what each would have lost. Null: it has no finite scale. */
  readonly estimates: readonly {
    readonly observer: Exclude<Observer, 'auto'>;
    readonly min: JsonFloat | null;
    readonly max: JsonFloat | null;
    readonly meanSquaredError: number | null;
  }[];
}

export function isCalibration(value: unknown): value is Calibration {
  return (
    typeof value === 'object' &&
    value !== null &&
    'format' in value &&
    value.format === CALIBRATION_FORMAT
  );
}

/** How a report calls it; a calibration that is no file has no name. */
export function nameOfInput(input: CalibrationInput): string | undefined {
  if (typeof input === 'string') return spokenName(input);
  if (input instanceof URL) return spokenName(input.href);
  return 'name' in input && typeof input.name === 'string' ? input.name : undefined;
}

/**
 * The choices that a caller has about a quantization.
 * They exist apart from how a call runs, because a plan needs only these.
 * Each may be left out; configuration.ts spells out the defaults and what excludes what.
 */
import type { CalibrationInput, Observer } from './calibration.js';
import type {
  Bits,
  Container,
  DequantizedType,
  FloatType,
  GroupSize,
  LayerKind,
  LayerOverride,
  Method,
  Mode,
  OutputFormat,
  Scheme,
  Strategy,
} from './types.js';

/** Which part of a file is meant, and under which names. */
export interface OpenOptions {
  /** A path in the file, such as `state_dict`; empty for everything. By default, or null, the largest state dict. */
  readonly key?: string | null;
  /** Taken off every name; each must begin with it. */
  readonly stripPrefix?: string;
}

/**
 * The choices of a quantization; every one has a default. The `configuration` of a report, given as it is,
 * repeats that run.
 */
export interface PlanOptions {
  /** With `bits: 'none'`: what stored codes become. */
  readonly dequantize?: DequantizedType | null;
  /** 8 (default), 4 or 16; `none` copies every tensor, as `convert` does. */
  readonly bits?: Bits | 'none';
  /**
   * How activations are treated: `static` for 8 bits where there is a calibration, else `dynamic`. The three
   * switches below say the same.
   */
  readonly mode?: Mode;
  /** Quantize activations as they come (the default of 8 bits). Contradicts `weightsOnly`. */
  readonly dynamic?: boolean;
  /** Only weights are quantized (always so for 4 bits). */
  readonly weightsOnly?: boolean;
  /** Quantize activations with scales that the calibration gives and the file stores. */
  readonly static?: boolean;
  /** Captured inputs of the model's layers, or a calibration made of them. Also weighs the errors of `mse`. */
  readonly calibration?: CalibrationInput | readonly CalibrationInput[];
  /** How a range follows from the data: `auto` by default. */
  readonly observer?: Observer;
  /** For the observers `percentile` and `auto`: above 50, at most 100; 99.99 by default. */
  readonly percentile?: number;
  /** Of activations with stored scales: `symmetric` by default. */
  readonly inputScheme?: Scheme;
  /** `symmetric` by default. */
  readonly scheme?: Scheme;
  /** `channel` for 8 bits, `group` for 4 bits. */
  readonly strategy?: Strategy;
  /** 128 for 4 bits; -1 means per channel. */
  readonly groupSize?: GroupSize;
  /** `mse` for 4 bits, `rtn` for 8 bits. */
  readonly method?: Method;
  /** What `bits: 16` writes: F16 by default. */
  readonly floatType?: FloatType;
  readonly format?: OutputFormat;
  /** The kind of file that is written. In Node by default what the output's name says, else `safetensors`. */
  readonly container?: Container;
  /** Write the bytes of tied tensors once a name, instead of once with notes. */
  readonly duplicateTies?: boolean;
  readonly layers?: readonly LayerKind[];
  readonly ignore?: readonly string[];
  readonly defaultIgnore?: boolean;
  readonly overrides?: readonly LayerOverride[];
  readonly minElements?: number;
}

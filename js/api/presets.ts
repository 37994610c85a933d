/**
 * Schemes by the names that compressed-tensors gives them, and that recipes of other tools use: weights of so many bits
 * with activations of so many.
 * Each is what several options say together; what it leaves open is for the other options.
 */
import { contradiction } from './check.js';
import { option, say } from './sentence.js';

export const PRESETS = {
  /** Activations as they come, one scale per channel. */
  W8A8: { bits: 8, mode: 'dynamic', scheme: 'symmetric' },
  INT8: { bits: 8, mode: 'dynamic', scheme: 'symmetric' },
  W8A16: { bits: 8, mode: 'weights-only', scheme: 'symmetric' },
  W4A16: { bits: 4, mode: 'weights-only', scheme: 'symmetric' },
  W4A16_ASYM: { bits: 4, mode: 'weights-only', scheme: 'asymmetric' },
  /** One scale per tensor; activations with stored scales where there is a calibration, else as they come. */
  FP8: { bits: 8, codes: 'FP8', strategy: 'tensor', scheme: 'symmetric' },
  FP8_DYNAMIC: {
    bits: 8,
    codes: 'FP8',
    strategy: 'channel',
    mode: 'dynamic',
    scheme: 'symmetric',
  },
  FP8_BLOCK: { bits: 8, codes: 'FP8', strategy: 'block', mode: 'dynamic', scheme: 'symmetric' },
  FP8A16: {
    bits: 8,
    codes: 'FP8',
    strategy: 'channel',
    mode: 'weights-only',
    scheme: 'symmetric',
  },
  NVFP4: { bits: 4, codes: 'NVFP4', mode: 'static', scheme: 'symmetric' },
  NVFP4A16: { bits: 4, codes: 'NVFP4', mode: 'weights-only', scheme: 'symmetric' },
  MXFP4: { bits: 4, codes: 'MXFP4', mode: 'dynamic', scheme: 'symmetric' },
  MXFP4A16: { bits: 4, codes: 'MXFP4', mode: 'weights-only', scheme: 'symmetric' },
  MXFP8: { bits: 8, codes: 'MXFP8', mode: 'dynamic', scheme: 'symmetric' },
  MXFP8A16: { bits: 8, codes: 'MXFP8', mode: 'weights-only', scheme: 'symmetric' },
  /** Those of bitsandbytes. */
  NF4: { bits: 4, codes: 'NF4', format: 'bitsandbytes', scheme: 'symmetric' },
  FP4: { bits: 4, codes: 'FP4', format: 'bitsandbytes', scheme: 'symmetric' },
  /** Of ComfyUI: rows are rotated, so that no weight is much larger than all others. */
  INT8_CONVROT: { bits: 8, codes: 'INT8_CONVROT', format: 'comfyui', scheme: 'symmetric' },
} as const;
export type Preset = keyof typeof PRESETS;

export const PRESET_NAMES = Object.keys(PRESETS) as readonly Preset[];

/**
 * The options that a preset in `scheme` stands for beside the others; throws if one of them says something else.
 * bitsandbytes is known for 4 bits, and for NF4 among these: that is what it means if nobody says more.
 */
export function withPreset<Given extends object>(given: Given): Given {
  const spelled = spelledOut(given);
  const {
    format,
    bits = 4,
    codes,
  } = spelled as {
    readonly format?: unknown;
    readonly bits?: unknown;
    readonly codes?: unknown;
  };
  return format === 'bitsandbytes' && bits === 4 && codes === undefined
    ? { ...spelled, bits, codes: 'NF4' }
    : spelled;
}

function spelledOut<Given extends object>(given: Given): Given {
  const { scheme, ...others } = given as Given & { readonly scheme?: unknown };
  if (typeof scheme !== 'string' || !Object.hasOwn(PRESETS, scheme)) return given;
  const preset = PRESETS[scheme as Preset];
  for (const [key, value] of Object.entries(preset)) {
    const said = (others as Readonly<Record<string, unknown>>)[key];
    if (said === undefined || said === value) continue;
    throw contradiction(
      say`${option('scheme', scheme)} means ${option(key, value)}, which contradicts ${option(key, said)}.`,
      'Leave out one of the two.',
    );
  }
  return { ...others, ...preset } as unknown as Given;
}

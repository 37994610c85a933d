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
} as const;
export type Preset = keyof typeof PRESETS;

export const PRESET_NAMES = Object.keys(PRESETS) as readonly Preset[];

/** The options that a preset in `scheme` stands for beside the others; throws if one of them says something else. */
export function withPreset<Given extends object>(given: Given): Given {
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

/**
 * What tells one run of a model from another: what was asked for, what it is called, which file it is saved as.
 * It exists because several results of one model stand side by side, and none may be taken for another.
 * Whoever asks for the same again gets the run that is there.
 */
import {
  type Calibration,
  type Configuration,
  type Container,
  OPTIONS,
  type Report,
} from 'monoquant';
import { containerFor, isGgufFormat } from '../../js/words/layout.js';
import type { Choice } from './choice.js';
import { outputName, type Task } from './command.js';

/** Captured inputs, read once. */
export interface CalibrationData {
  readonly names: readonly string[];
  readonly calibration: Calibration;
}

export interface Request {
  readonly task: Task;
  readonly choice: Choice;
  readonly data: CalibrationData | undefined;
}

/** Choices of a quantization that say nothing to the other tasks. */
export function isSameRequest(a: Request, b: Request): boolean {
  if (a.task !== b.task) return false;
  if (a.task !== 'quantize') return containerOf(a.choice) === containerOf(b.choice);
  return a.data === b.data && textOf(a.choice) === textOf(b.choice);
}

export function containerOf(choice: Choice): Container {
  return containerFor(choice);
}

/** The same choices are the same text, in whatever order they were made; nothing chosen is nothing said. */
function textOf(choice: Choice): string {
  const entries = Object.entries(choice).filter(([, value]) => value !== undefined);
  return JSON.stringify(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

const FLOATS: Readonly<Record<string, string>> = { F16: 'FP16', BF16: 'BF16' };

/** `INT4 g128`, `INT8`, `FP16`, `INT4 mixed`: short enough for a chip. */
export function labelOf(task: Task, configuration: Configuration): string {
  if (task === 'convert') return `Copy as .${configuration.container}`;
  if (task === 'dequantize') return `Floats as .${configuration.container}`;
  const { bits, floatType, overrides, groupSize, strategy, scheme, mode } = configuration;
  const { format, codes, budget } = configuration;
  if (budget !== null) {
    const layout = isGgufFormat(format)
      ? 'GGUF '
      : format === 'compressed-tensors'
        ? ''
        : `${format} `;
    return `${layout}${budget} mixed`;
  }
  if (isGgufFormat(format)) return `GGUF ${format}`;
  if (bits === 16) return FLOATS[floatType] ?? floatType;
  const words = [
    format !== 'compressed-tensors' && format,
    codes === 'integers' ? `INT${bits}` : codes,
    strategy === 'group' && `g${groupSize}`,
    strategy === 'tensor' && 'per tensor',
    scheme === 'asymmetric' && 'asymmetric',
    bits === 8 && mode !== 'dynamic' && mode,
    overrides.length > 0 && 'mixed',
  ];
  return words.filter(Boolean).join(' ');
}

/** A name that no other run of the model has. */
export function freeName(
  model: string,
  configuration: Configuration,
  taken: readonly string[],
): string {
  const name = outputName(model, configuration);
  let free = name;
  for (let number = 2; taken.includes(free); number++) {
    free = name.replace(/(?=\.\w+$)/, `-${number}`);
  }
  return free;
}

/** What somebody typed, as a file of the same kind. Undefined if nothing is left of it. */
export function asFileName(typed: string, container: string): string | undefined {
  const stem = typed
    .replace(/[\\/:*?"<>|\p{Cc}]/gu, '')
    .trim()
    .replace(/\.(safetensors|pt)$/i, '');
  return stem === '' ? undefined : `${stem}.${container}`;
}

/** The tensor that lost most. */
export function worstOf({ tensors }: Report): Report['tensors'][number] | undefined {
  const [worst] = tensors;
  return worst === undefined || worst.sqnrDb === null ? undefined : worst;
}

/** In dB: of what its layer computes if that is known, as everywhere. */
export function decibelsOf({
  sqnrDb,
  outputSqnrDb = sqnrDb,
}: Pick<Report['tensors'][number], 'sqnrDb' | 'outputSqnrDb'>): number | null {
  return outputSqnrDb;
}

/** Whether this option says something about the wish of a person, and not about one file. */
export function isSetting(key: string): key is keyof typeof OPTIONS {
  return key in OPTIONS && !['key', 'stripPrefix', 'calibration'].includes(key);
}

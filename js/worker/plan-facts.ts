/**
 * What a run has to know of its plan: a twentieth of the plan, which stays in the worker.
 */
import { fileWarnings } from '../api/file-warnings.js';
import { type Json, parseJson } from '../api/json.js';
import type { OutputConfig } from '../api/model-config.js';
import { patternWarnings } from '../api/patterns.js';
import { type QuantizedTie, quantizedTie } from '../api/tied-head.js';
import type { Catalog, Dtype, Plan, PlannedTensor, TensorReport, Warning } from '../api/types.js';
import type { PlanDocument } from '../engine/wasm.js';
import { type Table, tableOf } from './table.js';

/** What becomes of a tensor. The names of its outputs follow from its own, and are long. */
export interface DecidedTensor extends Omit<PlannedTensor, 'kind' | 'outputs'> {
  readonly outputs: TensorReport['outputs'];
}

/** A file of the output: it is behind those before it. */
export interface PlannedFile {
  readonly bytes: number;
  /** Of its tensors alone. */
  readonly tensorBytes: number;
  /** The names of its tensors, if there are several files. */
  readonly tensors: readonly string[];
}

export interface PlanFacts extends Pick<Plan, 'sizes' | 'warnings'> {
  readonly files: readonly PlannedFile[];
  /** What a configuration beside the output has to say. */
  readonly outputConfig: OutputConfig;
  /** The tensor that would be the head of a language model that shares it, if it is quantized. */
  readonly quantizedTie: QuantizedTie | undefined;
  /** In the order of the plan. */
  readonly tensors: Table<DecidedTensor>;
}

export function planFacts(
  json: Json<PlanDocument>,
  catalog: Catalog,
  ignore: readonly string[],
): PlanFacts {
  const { sizes, files, warnings, tensors, quantizationConfig } = parseJson(json);
  const floatType = tensors.some(becomesAnotherFloat)
    ? mostUsedFloat(tensors.flatMap(({ outputs }) => outputs))
    : null;
  return {
    sizes,
    files: plannedFiles(files, tensors),
    warnings: [...warningsBefore(catalog, ignore), ...warnings],
    outputConfig: { quantization: quantizationConfig, floatType },
    quantizedTie: quantizedTie(tensors),
    tensors: tableOf(tensors.map(decided)),
  };
}

/** What becomes of the weights, file by file. */
export function plannedFiles(
  files: readonly number[],
  tensors: readonly PlannedTensor[],
): readonly PlannedFile[] {
  const planned = files.map((bytes) => ({ bytes, tensorBytes: 0, tensors: [] as string[] }));
  const [only, ...others] = planned;
  for (const { name, bytes, file } of tensors.flatMap(({ outputs }) => outputs)) {
    const holder = others.length === 0 ? only : planned[file ?? -1];
    if (holder === undefined) continue; // another name of what is in one of them
    holder.tensorBytes += bytes;
    if (others.length > 0) holder.tensors.push(name);
  }
  return planned;
}

/** What is known before there is a plan. */
export function warningsBefore(catalog: Catalog, ignore: readonly string[]): readonly Warning[] {
  const names = catalog.tensors.map(({ name }) => name);
  return [...fileWarnings(catalog), ...patternWarnings(ignore, names)];
}

function decided({ kind: _, outputs, ...tensor }: PlannedTensor): DecidedTensor {
  return { ...tensor, outputs: outputs.map(({ dtype, bytes }) => ({ dtype, bytes })) };
}

const FLOATS: readonly Dtype[] = ['F64', 'F32', 'F16', 'BF16'];

/** Converted or decoded; codes that are written, and their scales, are no floats that a loader gives a model. */
function becomesAnotherFloat({ dtype, decision, reason, outputs }: PlannedTensor): boolean {
  if (decision === 'quantize') return false;
  return reason === 'dequantized' || outputs.some((output) => output.dtype !== dtype);
}

/** The type that most bytes of floats have: what a loader gives the whole model. */
function mostUsedFloat(
  tensors: readonly { readonly dtype: string; readonly bytes: number }[],
): Dtype | null {
  const bytesOf = (dtype: Dtype) =>
    tensors.reduce((sum, each) => sum + (each.dtype === dtype ? each.bytes : 0), 0);
  const [most] = FLOATS.map((dtype) => [dtype, bytesOf(dtype)] as const).sort(
    ([, a], [, b]) => b - a,
  );
  return most === undefined || most[1] === 0 ? null : most[0];
}

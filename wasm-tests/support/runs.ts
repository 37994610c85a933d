/**
 * Runs of the package on generated models, ready to be looked at.
 * It exists so that tests begin where it gets interesting: plan, output and report of the same options.
 * The plan is that of `open().plan()`, made before the run.
 */
import { host } from '#host';
import type { Plan, PlannedTensor, PlanOptions, Report } from '#package';
import type { AnyOptions, Bytes } from '../host/host.js';
import { readSafetensors, type Tensor, type TensorFile, writeSafetensors } from './safetensors.js';

export interface Run {
  readonly source: ReadonlyMap<string, Tensor>;
  readonly plan: Plan;
  readonly report: Report;
  readonly output: Bytes;
  readonly file: TensorFile;
}

/** Every test that does not speak of threads takes one: the engine without shared memory. */
const ONE_THREAD: AnyOptions = { threads: 1 };

export async function runOn(
  tensors: readonly Tensor[],
  options: PlanOptions = {},
  run: AnyOptions = ONE_THREAD,
): Promise<Run> {
  const model = modelOf(tensors);
  const plan = await planOf(model, options);
  const { report, output } = await host.quantize(model, { ...options, ...run });
  const source = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  return { source, plan, report, output, file: readSafetensors(output) };
}

export function modelOf(tensors: readonly Tensor[]): Bytes {
  return writeSafetensors(tensors, { format: 'pt' });
}

export async function planOf(model: Bytes, options: PlanOptions = {}): Promise<Plan> {
  const opened = await host.open(model, ONE_THREAD);
  try {
    return await opened.plan(options);
  } finally {
    await opened.close();
  }
}

export function planFor(tensors: readonly Tensor[], options: PlanOptions = {}): Promise<Plan> {
  return planOf(modelOf(tensors), options);
}

export function plannedOf(plan: Plan, name: string): PlannedTensor {
  const planned = plan.tensors.find((tensor) => tensor.name === name);
  if (planned === undefined) throw new Error(`"${name}" is not in the plan.`);
  return planned;
}

export function sourceOf({ source }: Pick<Run, 'source'>, name: string): Tensor {
  const tensor = source.get(name);
  if (tensor === undefined) throw new Error(`"${name}" is not in the source.`);
  return tensor;
}

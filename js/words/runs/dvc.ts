/**
 * A run as DVC and its plugins read it: `metrics.json`, numbers in a tree, and `params.yaml`, what they were made with.
 * Facts: https://dvc.org/doc/command-reference/metrics, .../params; any JSON tree of numbers, any YAML mapping.
 */
import type { RunRecord } from '../../api/run-record.js';
import { printableJson } from '../printable.js';

export function metricsJson({ totals, quality, ms, peakBytes }: RunRecord): string {
  const { worst, ...mean } = quality ?? {};
  const metrics = {
    ...totals,
    ...mean,
    ...(worst === undefined ? {} : { worstSqnrDb: worst.sqnrDb }),
    ms,
    ...(peakBytes === undefined ? {} : { peakBytes }),
  };
  return `${printableJson(metrics)}\n`;
}

/** JSON is YAML: values stand as JSON behind their names, one a line. */
export function paramsYaml({ options, command, model, version, inputs, seed }: RunRecord): string {
  const source = inputs.map(({ sha256 }) => sha256);
  const params = {
    command,
    model,
    version,
    source,
    ...(seed === undefined ? {} : { seed }),
    ...options,
  };
  return Object.entries(params)
    .map(([key, value]) => `${JSON.stringify(key)}: ${printableJson(value, 0)}\n`)
    .join('');
}

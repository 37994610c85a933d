/**
 * `monoquant dequantize`: writes quantized tensors as floats again, under their original names and shapes.
 * It exists for tools that know no codes, and for looking at what quantizing has done.
 * What was lost stays lost: the values are those that the codes stand for.
 */
import type { ConvertOptions } from '../../js/api/options.js';
import type { Report } from '../../js/api/types.js';
import { formatPlural } from '../../js/words/format.js';
import type { Arguments } from './arguments.js';
import { readConfig } from './config-file.js';
import { DEQUANTIZE_RUN, type DequantizeFlag } from './flags.js';
import { rewrite } from './rewrite.js';
import type { Session } from './session.js';
import { modelAndOutput } from './two-files.js';

export async function runDequantize(
  { values, options, operands }: Arguments<DequantizeFlag>,
  session: Session,
): Promise<void> {
  const config = readConfig(values.config, DEQUANTIZE_RUN);
  const { dtype = config.run.dtype, ...others } = options;
  const { model, output } = modelAndOutput(
    operands,
    options.output,
    config.run.output,
    'monoquant dequantize model_quantized.safetensors model.safetensors',
  );
  const { dequantize } = await import('../index.js');
  const call = (choices: ConvertOptions) =>
    dequantize(model, { ...choices, ...(dtype === undefined ? {} : { dtype }) });
  await rewrite({ output, values, config, options: others, call, facts }, session);
}

function facts(report: Report): [string, string][] {
  const exact = report.copied.filter(({ reason }) => reason === 'dequantized').length;
  const decoded = exact + report.tensors.length;
  const copied = report.copied.length - exact;
  const rounded = report.tensors.length === 0 ? 'exact values (F32)' : 'rounded to 16 bits';
  return [
    ['decoded', `${formatPlural(decoded, 'tensor')}, ${rounded}`],
    ['copied', `${formatPlural(copied, 'tensor')}, bit for bit`],
  ];
}

/**
 * The head of a report, and of a plan: how much, how, and how good.
 * Numbers are those of the documents.
 */
import type { Plan, Report, TensorReport } from '../../api/types.js';
import { countBy } from '../counts.js';
import { type PlainFact, reasonsText, sizesText } from '../facts.js';
import { formatBytes, formatDuration, formatPlural, formatRate, formatShare } from '../format.js';
import { printable } from '../printable.js';
import { qualityWords } from '../quality.js';
import { convertedWords, quantizationWords } from '../wording.js';
import { mixFacts } from './mix.js';

type Facts = readonly PlainFact[];

/** `output` undefined: nothing was written. */
export function reportFacts(report: Report, output: string | undefined): Facts {
  if (report.part !== undefined) return partFacts(report, output);
  const { sizes, tensors, copied, corrected = [], tied, dropped, timings } = report;
  const quantized = tensors.filter(({ decision }) => decision === 'quantize');
  const converted = tensors.filter(({ decision }) => decision === 'convert');
  const total = timings.planMs + timings.encodeMs + timings.verifyMs + (timings.compressMs ?? 0);
  const rate =
    timings.encodeMs > 0 ? `, ${formatRate((sizes.tensorBytes / timings.encodeMs) * 1000)}` : '';
  return [
    ['output', output ?? 'nothing was written'],
    filesFact(report),
    ['size', sizesText(sizes)],
    packedFact(report),
    resumedFact(report),
    ...mixFacts(report.mix),
    ...quantizedFacts(report, quantized.length),
    inputsFact(quantized),
    converted.length > 0 ? ['converted', convertedWords(converted)] : undefined,
    correctedFact(corrected.length),
    droppedFact(report),
    foldedFact(report),
    rescaledFact(report),
    prunedFact(report),
    copied.length > 0 ? ['copied', reasonsText(copied)] : undefined,
    tied.length > 0 ? ['tied', formatPlural(tied.length, 'more name')] : undefined,
    dropped.length > 0 ? ['dropped', reasonsText(dropped)] : undefined,
    ['quality', qualityWords(report)],
    ['time', `${formatDuration(total)}${rate}`],
  ];
}

/** Quality is that of the whole. */
function partFacts(report: Report, output: string | undefined): Facts {
  const { planMs, encodeMs, verifyMs } = report.timings;
  return [
    ['output', output ?? 'nothing was written'],
    partFact(report),
    resumedFact(report),
    ['time', formatDuration(planMs + encodeMs + verifyMs)],
  ];
}

/** `19,200 weights of 4 tensors are zeros, 20.0 % of all parameters; the file is as large as with them`. */
function prunedFact({ tensors, sizes }: Pick<Report | Plan, 'sizes'> & Changed): PlainFact {
  const { zeroWeights, parameters, packedBytes } = sizes;
  if (zeroWeights === undefined) return undefined;
  const count = tensors.filter(({ pruned }) => pruned !== undefined).length;
  const share = formatShare(zeroWeights, parameters);
  const size =
    packedBytes === undefined
      ? 'the file is as large as without, but compresses better'
      : 'only the compressed file is smaller for it';
  return [
    'pruned',
    `${formatPlural(count, 'tensor')}, ${share} of all parameters are zeros: ${size}`,
  ];
}

/** `model.layers.7; …`. */
function droppedFact({ configuration }: Pick<Report | Plan, 'configuration'>): PlainFact {
  const { drop } = configuration;
  if (drop.length === 0) return undefined;
  const note = 'the layers behind are numbered anew, and config.json has to count those that stay';
  return ['left out', `${drop.map(printable).join(', ')}; ${note}`];
}

/** `20 BatchNorm layers, left as identities; …`. */
function foldedFact({
  tensors,
  configuration,
}: Pick<Report | Plan, 'configuration'> & Changed): PlainFact {
  const count = tensors.filter(({ folded }) => folded !== undefined).length;
  if (count === 0) return undefined;
  const { dropBn, strategy } = configuration;
  const left = dropBn ? 'left out' : 'left as identities';
  const why =
    strategy === 'tensor'
      ? 'with one scale a tensor, codes are worse than without'
      : 'with a scale for each channel, codes are as good as without';
  return ['folded', `${formatPlural(count, 'BatchNorm layer')}, ${left}; ${why}`];
}

/** `210 tensors (SmoothQuant), …`. */
function rescaledFact({ tensors }: Changed): PlainFact {
  const hows = tensors.flatMap(({ rescaled }) => (rescaled === undefined ? [] : [rescaled]));
  if (hows.length === 0) return undefined;
  const methods = [...new Set(hows.map((how) => how.replace(/ .*$/, '')))].join(', ');
  const note = 'together they compute what they did, each for itself is another';
  return ['rescaled', `${formatPlural(hows.length, 'tensor')} (${methods}): ${note}`];
}

/** What becomes of the weights of tensors. */
interface Changed {
  readonly tensors: readonly Pick<TensorReport, 'pruned' | 'folded' | 'rescaled'>[];
}

/** `2 of 5, 12.3 MB of 61.5 MB`. */
export function partFact({ part, sizes }: Report): PlainFact {
  if (part === undefined) return undefined;
  const share = `${formatBytes(part.bytes)} of ${formatBytes(sizes.outputBytes)}`;
  return ['part', `${part.number} of ${part.count}, ${share}; merge joins all of them`];
}

/** What did not have to be done again. */
export function resumedFact({ resumedBytes, sizes }: Report): PlainFact {
  if (resumedBytes === undefined) return undefined;
  const share = formatShare(resumedBytes, sizes.outputBytes);
  return ['resumed', `${formatBytes(resumedBytes)} were there already, ${share} of the output`];
}

/** `97.4 kB → 80.1 kB with zstd level 3, 17.8 % saved`. */
export function packedFact({ configuration, sizes }: Report): PlainFact {
  const { outputBytes, packedBytes } = sizes;
  if (packedBytes === undefined) return undefined;
  const change = `${formatBytes(outputBytes)} → ${formatBytes(packedBytes)}`;
  const saved = formatShare(outputBytes - packedBytes, outputBytes);
  return ['compressed', `${change} with zstd level ${configuration.zstdLevel}, ${saved} saved`];
}

/** `output`: where it would be written. */
export function planFacts(plan: Plan, output: string): Facts {
  const of = (which: string) => plan.tensors.filter(({ decision }) => decision === which);
  const [converted, copied] = [of('convert'), of('copy')];
  return [
    ['dry run', 'nothing is written'],
    ['output', output],
    filesFact(plan),
    ['size', sizesText(plan.sizes)],
    ...mixFacts(plan.mix),
    ...quantizedFacts(plan, of('quantize').length),
    converted.length > 0 ? ['converted', formatPlural(converted.length, 'tensor')] : undefined,
    correctedFact(of('correct').length),
    droppedFact(plan),
    foldedFact(plan),
    rescaledFact(plan),
    prunedFact(plan),
    copied.length > 0 ? ['copied', reasonsText(copied)] : undefined,
    betterFact(plan),
  ];
}

function correctedFact(biases: number): PlainFact {
  if (biases === 0) return undefined;
  const what = formatPlural(biases, 'bias', 'biases');
  return ['corrected', `${what}, by what codes do to the means of outputs`];
}

/**
 * What data would buy. Measured on two models (docs/conformance.md): with mean squares of inputs about half of what 4
 * bits cost a language model is left, with `gptq` a third.
 */
function betterFact({ configuration, tensors }: Plan): PlainFact {
  const isBlind =
    configuration.calibration.length === 0 &&
    tensors.some(({ quantization }) => quantization?.bits === 4);
  return isBlind
    ? [
        'better',
        'with a calibration: in language models half of what 4 bits cost is left, with gptq a third',
      ]
    : undefined;
}

/** Only of several. */
function filesFact({ files }: Plan | Report): PlainFact {
  if (files.length < 2) return undefined;
  return [
    'files',
    `${files.length} and their index, up to ${formatBytes(Math.max(...files))} each`,
  ];
}

function quantizedFacts(document: Plan | Report, count: number): Facts {
  if (count === 0) return [];
  const { quantizedParameters, parameters } = document.sizes;
  const share = formatShare(quantizedParameters, parameters);
  return [
    ['quantized', `${formatPlural(count, 'tensor')}, ${share} of all parameters`],
    ['', quantizationWords(document)],
  ];
}

/** `5 layers with stored scales: 3 percentile, 2 minmax, from 64 samples`. */
function inputsFact(tensors: readonly TensorReport[]): PlainFact {
  const inputs = tensors.flatMap(({ input }) => input ?? []);
  if (inputs.length === 0) return undefined;
  const observers = countBy(inputs, ({ observer }) => observer);
  const list = observers.map(([observer, count]) => `${count} ${observer}`).join(', ');
  const least = inputs.reduce((few, { samples }) => Math.min(few, samples), Infinity);
  const scales = `${formatPlural(inputs.length, 'weight')} with a stored scale of inputs`;
  const dynamic = tensors.filter(
    ({ input, quantization }) =>
      input === undefined && quantization?.bits === 8 && quantization.strategy !== 'group',
  ).length;
  const others = dynamic === 0 ? '' : `; ${dynamic} dynamic`;
  return ['activations', `${scales}: ${list}; from ${formatPlural(least, 'sample')}${others}`];
}

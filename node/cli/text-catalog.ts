/**
 * What is in a model, as text: its size, its types and kinds, its tensors.
 * It exists for `info`; programs take the catalog itself with `--json`.
 * Long lists lose their middle, never their ends, and say how much is missing.
 */
import type { Catalog, Danger, TensorInfo } from '../../js/api/types.js';
import { countBy } from '../../js/words/counts.js';
import {
  formatBytes,
  formatCount,
  formatExactBytes,
  formatLargeCount,
  formatPlural,
  formatShape,
  formatShare,
} from '../../js/words/format.js';
import { printable, printableName } from '../../js/words/printable.js';
import { codesWords, FORMAT_WORDS } from '../../js/words/wording.js';
import { type Fact, renderFacts } from './facts.js';
import type { Screen } from './screen.js';
import { type Column, renderTable } from './table.js';
import { elide } from './text.js';

/** More tensors than this lose their middle. */
const TENSORS_SHOWN = 40;
const LEFT_OUT_SHOWN = 5;
const GLOBALS_SHOWN = 12;
const MODULES_SHOWN = 3;

export function renderCatalog(
  catalog: Catalog,
  model: string,
  screen: Screen,
  verbose: boolean,
): string {
  const blocks = [renderFacts(catalogFacts(catalog, model, verbose), screen)];
  const entries = Object.entries(catalog.metadata);
  if (verbose && entries.length > 0) blocks.push(metadataLines(entries, screen));
  if (catalog.tensors.length > 0) blocks.push(tensorLines(catalog.tensors, screen, verbose));
  return `${blocks.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

function catalogFacts(catalog: Catalog, model: string, verbose: boolean): Fact[] {
  const { parameters, tensors, metadata } = catalog;
  const dataBytes = tensors.reduce((sum, tensor) => sum + tensor.bytes, 0);
  const dtypes = countBy(tensors, typeText, (tensor) => tensor.bytes);
  const kinds = countBy(tensors, ({ kind }) => kind);
  const keys = Object.keys(metadata).map(printable);
  return [
    ['model', printable(model)],
    ['format', formatText(catalog)],
    ['size', sizeText(catalog)],
    ['parameters', formatLargeCount(parameters)],
    ['tensors', tensorsText(tensors)],
    ...partFacts(catalog),
    dtypes.length > 0
      ? [
          'dtypes',
          dtypes.map(([dtype, share]) => `${dtype} ${formatShare(share, dataBytes)}`).join(', '),
        ]
      : undefined,
    kinds.length > 0
      ? ['kinds', kinds.map(([kind, count]) => `${kind} ${formatCount(count)}`).join(', ')]
      : undefined,
    keys.length > 0 ? ['metadata', keys.join(', ')] : undefined,
    ...foreignFacts(catalog),
    ...catalog.problems.map(({ message }, index): Fact => [index === 0 ? 'PROBLEM' : '', message]),
    ...programFacts(catalog, verbose),
    ...pickleFacts(catalog, verbose),
  ];
}

/** What nobody here can make numbers of. */
function foreignFacts({ foreign }: Catalog): Fact[] {
  return foreign.map(({ layout, tensor, tensors }, index): Fact => {
    const more = tensors === 1 ? '' : ` and ${formatCount(tensors - 1)} more`;
    return [
      index === 0 ? 'CODES' : '',
      `${printable(layout)}, not read here: ${printable(tensor)}${more}`,
    ];
  });
}

function formatText({ format, files = [], packedBytes }: Catalog): string {
  const words = FORMAT_WORDS[format] + (packedBytes === undefined ? '' : ' in zstd');
  return files.length === 0 ? words : `${words}, ${formatPlural(files.length, 'file')}`;
}

/** What is on the disk first, as it is what people see in their folder. */
function sizeText({ bytes, packedBytes }: Catalog): string {
  return packedBytes === undefined
    ? formatExactBytes(bytes)
    : `${formatBytes(packedBytes)} of ${formatExactBytes(bytes)}`;
}

function tensorsText(tensors: readonly TensorInfo[]): string {
  const tied = tensors.filter(({ tiedTo }) => tiedTo !== undefined).length;
  return `${formatCount(tensors.length)}${tied === 0 ? '' : `, ${formatCount(tied)} of them tied`}`;
}

/** Which part of the file this is, and what else it holds. */
function partFacts({ key, candidates, wrapperPrefix, leftOut }: Catalog): Fact[] {
  const others = candidates.filter((candidate) => candidate.key !== key);
  const facts: Fact[] = [];
  if (key !== '') facts.push(['part', printable(key)]);
  if (others.length > 0) {
    const list = others.map((other) => printable(other.key) || 'all of it').join(', ');
    facts.push([facts.length === 0 ? 'part' : '', `--key chooses another: ${list}`]);
  }
  if (wrapperPrefix !== '') {
    facts.push(['prefix', `--strip-prefix ${wrapperPrefix} takes it out of every name`]);
  }
  // What somebody may miss comes first.
  const told = [...leftOut].sort((a, b) => Number(b.lost) - Number(a.lost));
  told.slice(0, LEFT_OUT_SHOWN).forEach(({ name, reason, tensors, bytes }, index) => {
    const many = tensors === 0 ? '' : `, ${formatPlural(tensors, 'tensor')}`;
    const size = bytes === 0 ? many : `${many}, ${formatBytes(bytes)}`;
    facts.push([index === 0 ? 'left out' : '', `${printable(name)}: ${printable(reason)}${size}`]);
  });
  if (leftOut.length > LEFT_OUT_SHOWN) {
    facts.push(['', `${formatCount(leftOut.length - LEFT_OUT_SHOWN)} more`]);
  }
  return facts;
}

/** Modules of TorchScript: nothing of them is run here. */
function programFacts({ code }: Catalog, verbose: boolean): Fact[] {
  if (code.length === 0) return [];
  const shown = verbose ? code : code.slice(0, MODULES_SHOWN);
  const more = code.length > shown.length ? ', … (--verbose)' : '';
  const modules = formatPlural(code.length, 'module');
  return [['program', `${modules} of TorchScript: ${shown.map(printable).join(', ')}${more}`]];
}

/** Every name that a pickle reaches for, by their verdicts, and parts of the file that show none. */
function pickleFacts({ globals, opaque }: Catalog, verbose: boolean): Fact[] {
  const text = (danger: Danger) => {
    const names = globals
      .filter((global) => global.danger === danger)
      .map(({ module, name }) => printable(`${module}.${name}`));
    // What is dangerous is never left out.
    const shown = verbose || danger === 'dangerous' ? names.length : GLOBALS_SHOWN;
    const hidden = names.length - Math.min(shown, names.length);
    const more = hidden === 0 ? [] : [`${formatCount(hidden)} more (--verbose)`];
    return [...names.slice(0, shown), ...more].join(', ');
  };
  const parts = opaque.map(({ member, reason }) => `${printable(member)} (${printable(reason)})`);
  const kinds = [
    ['OPAQUE', parts.join(', ')],
    ['DANGEROUS', text('dangerous')],
    ['unknown', text('unknown')],
    ['safe', text('safe')],
  ] as const;
  return kinds
    .filter(([, names]) => names !== '')
    .map(([verdict, names], index) => [index === 0 ? 'pickle' : '', `${verdict}: ${names}`]);
}

function metadataLines(entries: readonly (readonly [string, string])[], screen: Screen): string[] {
  return entries.map(([key, value]) => {
    const line = elide(`${printable(key)}: ${printable(value)}`, screen.columns(), 'end');
    return line;
  });
}

/** The dtype, or what codes the tensor is stored as. */
function typeText({ dtype, quantization }: TensorInfo): string {
  return quantization === undefined ? dtype : codesWords(quantization);
}

const COLUMNS: readonly Column[] = [
  { title: 'tensor', shrink: 'middle' },
  { title: 'kind' },
  { title: 'dtype' },
  { title: 'shape', shrink: 'end' },
  { title: 'bytes', align: 'right' },
];

function tensorLines(tensors: readonly TensorInfo[], screen: Screen, verbose: boolean): string[] {
  const hidden = verbose || tensors.length <= TENSORS_SHOWN ? 0 : tensors.length - TENSORS_SHOWN;
  const half = TENSORS_SHOWN / 2;
  const shown = hidden === 0 ? tensors : [...tensors.slice(0, half), ...tensors.slice(-half)];
  const rows = shown.map((tensor) => {
    const { name, kind, shape, bytes, tiedTo } = tensor;
    const size = tiedTo === undefined ? formatBytes(bytes) : `= ${printableName(tiedTo)}`;
    return [printableName(name), kind, typeText(tensor), formatShape(shape), size];
  });
  const lines = renderTable(COLUMNS, rows, { screen });
  if (hidden > 0) {
    // Behind the titles and the first half.
    lines.splice(
      1 + half,
      0,
      screen.paint('dim', `… ${formatCount(hidden)} more, --verbose shows all`),
    );
  }
  return lines;
}

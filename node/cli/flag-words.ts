/**
 * The package's messages in the words of the command line: `--group-size` instead of `groupSize`.
 * It exists because the same checks serve programs, which name options, and people, who typed flags.
 * Only messages about choices are touched; what is said about files stays as it is.
 */
import { type ErrorCode, MonoquantError } from '../../js/api/errors.js';

const CODES: readonly ErrorCode[] = [
  'invalid-options',
  'output-exists',
  'quality-gate',
  'strict-warnings',
];

/**
 * From the spelling in a message to that of a flag; `$1` and `$2` are the pattern's groups. What stands in
 * quotes came from a file or was typed: it stays.
 */
const SPELLINGS: readonly (readonly [pattern: RegExp, words: string])[] = [
  [/\bweightsOnly(?:: true)?\b/g, '--weights-only'],
  [/\bcalibration: "inputs.pt"/g, '-c inputs.pt'],
  [/\binputScheme\b/g, '--input-scheme'],
  [/^(observer|percentile|calibration)\b(?= (is|has))/g, '--$1'],
  [/\bfor percentile\b/g, 'for --percentile'],
  [/\bmode "static" with a calibration\b/g, '-c'],
  [/\bgroupSize: (-?\d+)/g, '--group-size $1'],
  [/\bgroupSize\b/g, '--group-size'],
  [/\bfloatType\b/g, '--dtype'],
  [/\bminElements\b/g, '--min-elements'],
  [/\bfailUnder\b/g, '--fail-under'],
  [/\bstripPrefix\b/g, '--strip-prefix'],
  [/\bduplicateTies\b/g, '--duplicate-ties'],
  [/\boverrides(?= have\b|,)/g, '--layer'],
  [/\bthreads: (\d+)/g, '--threads $1'],
  // "The override of … has bits: 16" speaks of --layer.
  [/(?<!has )\bbits: (\d+)/g, '--bits $1'],
  [/\bstrategy "(\w+)"/g, '--strategy $1'],
  [
    /\b(with|out) (force|strict|ignore|dynamic|static|observer|percentile|calibration|scheme|strategy|method)\b/gi,
    '$1 --$2',
  ],
];

export function inFlagWords(error: MonoquantError): MonoquantError {
  if (!CODES.includes(error.code)) return error;
  const { code, suggestion, tensor, offset } = error;
  const translated = suggestion === undefined ? undefined : translate(suggestion);
  const details = { suggestion: translated, tensor, offset, cause: error };
  return new MonoquantError(code, translate(error.message), details);
}

function translate(text: string): string {
  return SPELLINGS.reduce((result, [pattern, words]) => {
    return result.replace(new RegExp(`(?<!")${pattern.source}`, pattern.flags), words);
  }, text);
}

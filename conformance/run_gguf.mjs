// A real model as GGUF files of every format, in llama.cpp (node-llama-cpp) and in Hugging Face's own parser.
//
// node run_gguf.mjs --cli dist/node/cli.js --work FOLDER --packages FOLDER [--filter NAME]
//
// Prints its versions, then one JSON line a case. What is compared with: the same model with the floats that it has.

import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const { values: options } = parseArgs({
  options: {
    cli: { type: 'string', default: '' },
    work: { type: 'string', default: '' },
    packages: { type: 'string', default: '' },
    filter: { type: 'string', default: '' },
  },
});

const MODEL = 'SmolLM2-135M';
/** The largest divergence, in nats a token, that llama-quantize's own files of this size of model stay below. */
const MOST = { F32: 1e-3, F16: 1e-2, BF16: 1e-3, Q8_0: 0.02, Q6_K: 0.1, Q5_K_M: 0.2, Q4_K_M: 0.3 };
const LOWER = ['Q5_0', 'Q4_0', 'IQ4_NL', 'IQ4_XS', 'Q3_K_M', 'Q2_K'];
const PROMPT = 'The capital of France is';
const TEXT =
  'The river had risen during the night, and in the morning the old bridge stood in brown water up to its arches. Two farmers came down with a cart, looked at it for a while, and turned back.';

const { getLlama, LlamaCompletion } = await import(packageFile('node-llama-cpp', 'dist/index.js'));
const { gguf } = await import(packageFile('@huggingface/gguf', 'dist/index.mjs'));
print({
  versions: {
    'node-llama-cpp': versionOf('node-llama-cpp'),
    '@huggingface/gguf': versionOf('@huggingface/gguf'),
  },
});

const llama = await getLlama({ gpu: false, build: 'never', logLevel: 'error' });
const expected = await look('gguf');
for (const format of [...Object.keys(MOST), ...LOWER]) {
  if (!format.toLowerCase().includes(options.filter.toLowerCase())) continue;
  try {
    const seen = await look(format);
    const divergence = divergenceOf(expected.probabilities, seen.probabilities);
    const most = MOST[format] ?? 2;
    const verdict = divergence <= most && seen.parsed > 0 ? 'ok' : 'fails';
    print({ model: MODEL, mode: format, verdict, divergence, text: seen.text, read: seen.parsed });
  } catch (error) {
    print({ model: MODEL, mode: format, verdict: 'fails', cause: String(error) });
  }
}
process.exit(0); // the runtime's threads would go on

/** Writes the model in a format, and reads it with both. */
async function look(format) {
  const file = join(options.work, `${MODEL}-${format}.gguf`);
  const folder = join(options.work, MODEL);
  const how =
    format === 'gguf'
      ? ['convert', folder, file]
      : ['quantize', folder, '-o', file, '--format', format];
  execFileSync(process.execPath, [options.cli, ...how, '--force', '--quiet'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  try {
    const { tensorInfos } = await gguf(file, { allowLocalFile: true });
    return { parsed: tensorInfos.length, ...(await evaluate(file)) };
  } finally {
    rmSync(file, { force: true });
  }
}

async function evaluate(modelPath) {
  const model = await llama.loadModel({ modelPath });
  try {
    const tokens = model.tokenize(TEXT);
    const context = await model.createContext({ contextSize: 256, threads: 2 });
    const asked = tokens.map((token) => [token, { generateNext: { probabilities: true } }]);
    const outputs = await context.getSequence().controlledEvaluate(asked);
    const probabilities = outputs.map((output) => output?.next.probabilities ?? new Map());
    await context.dispose();
    const other = await model.createContext({ contextSize: 128, threads: 2 });
    const completion = new LlamaCompletion({ contextSequence: other.getSequence() });
    const text = await completion.generateCompletion(PROMPT, { maxTokens: 8, temperature: 0 });
    await other.dispose();
    return { probabilities, text: PROMPT + text };
  } finally {
    await model.dispose();
  }
}

/** Mean Kullback-Leibler divergence over the tokens, in nats. */
function divergenceOf(expected, actual) {
  const each = expected.map((probabilities, index) => {
    let sum = 0;
    for (const [token, p] of probabilities) {
      const q = actual[index].get(token) ?? 0;
      if (p > 0) sum += p * Math.log(p / Math.max(q, 1e-12));
    }
    return sum;
  });
  return each.reduce((sum, one) => sum + one, 0) / each.length;
}

function packageFile(name, path) {
  return pathToFileURL(join(options.packages, 'node_modules', name, path)).href;
}

function versionOf(name) {
  return JSON.parse(
    readFileSync(join(options.packages, 'node_modules', name, 'package.json'), 'utf8'),
  ).version;
}

function print(document) {
  process.stdout.write(`${JSON.stringify(document)}\n`);
}

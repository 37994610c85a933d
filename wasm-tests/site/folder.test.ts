/**
 * A folder of a model becomes a folder that loaders take: weights under the name that they look for, a config.json that
 * describes them, and what stood beside.
 * It exists because a file alone loads nowhere, and what is missing is found out elsewhere.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Folder, monoquant } from '../support/cli.js';
import { ROOT } from '../support/markdown.js';
import { weights } from '../support/models.js';
import { sha256Of, visitors } from './visit.js';

const visit = visitors();
const folder = new Folder();
const LLAMA = folder.at('llama');
mkdirSync(LLAMA);
folder.write('llama/model.safetensors', [
  weights('model.layers.0.mlp.up_proj.weight', 'F32', [64, 128]),
  weights('model.layers.1.mlp.up_proj.weight', 'F32', [64, 128], 2),
]);
const BESIDE = {
  'config.json': '{"model_type": "llama", "rms_norm_eps": 1e-06}',
  'tokenizer.json': '{"version": "1.0"}',
  'README.md': 'A model.\n',
  // Weights of another runtime would be loaded by mistake.
  'model.onnx': 'not for us',
};
for (const [name, text] of Object.entries(BESIDE)) writeFileSync(join(LLAMA, name), text);

it('every file that belongs to it, and none that does not', async () => {
  const visitor = await visit({ isolated: true });
  const { page } = visitor;
  // The place that a visitor would choose, in the page's own storage.
  await page.evaluate(() => {
    const choose = async () => {
      const root = await navigator.storage.getDirectory();
      return root.getDirectoryHandle('chosen', { create: true });
    };
    Object.defineProperty(window, 'showDirectoryPicker', { value: choose });
  });
  await page.locator('.drop input[type=file]').nth(1).setInputFiles(LLAMA);
  await visitor.opened('llama');
  await visitor.choose('INT4');
  await visitor.quantize();
  const card = visitor.card('What came out');
  expect(await card.getByRole('group', { name: 'Code for vLLM' }).innerText()).toBe(
    'vllm serve ./llama-int4',
  );
  await card.getByRole('button', { name: 'Save as folder' }).click();
  await visitor.card('Result').getByText('chosen/ is saved, complete.').waitFor();
  const saved = await page.evaluate(async () => {
    const root = await navigator.storage.getDirectory();
    const chosen = await root.getDirectoryHandle('chosen');
    const files: Record<string, { text: string; hash: string }> = {};
    for await (const [name, handle] of chosen.entries()) {
      const file = await (handle as FileSystemFileHandle).getFile();
      const digest = await crypto.subtle.digest('SHA-256', await file.arrayBuffer());
      const hash = Array.from(new Uint8Array(digest), (byte) =>
        byte.toString(16).padStart(2, '0'),
      ).join('');
      files[name] = { text: file.size < 5000 ? await file.text() : '', hash };
    }
    return files;
  });
  expect(Object.keys(saved).sort()).toEqual([
    'README.md',
    'config.json',
    'model.safetensors',
    'tokenizer.json',
  ]);
  expect(saved['tokenizer.json']?.text).toBe(BESIDE['tokenizer.json']);
  expect(saved['config.json']?.text).toContain('quantization_config');
  expect(saved['config.json']?.text).toContain('1e-06');

  // As the command writes it.
  const output = folder.at('by-command');
  const { code, stderr } = await monoquant('quantize', LLAMA, '-b', '4', '-o', `${output}/`);
  expect(code, stderr).toBe(0);
  const expected = readFileSync(join(output, 'model.safetensors'));
  expect(saved['model.safetensors']?.hash).toBe(sha256Of(expected));
  expect(saved['config.json']?.hash).toBe(sha256Of(readFileSync(join(output, 'config.json'))));
});

it('becomes a GGUF file, byte for byte that of the command', async () => {
  const visitor = await visit({ isolated: true });
  const { page } = visitor;
  const whole = join(ROOT, 'wasm-tests/fixtures/llama_cpp/llama');
  await page.locator('.drop input[type=file]').nth(1).setInputFiles(whole);
  await visitor.opened('llama');
  await visitor.moreOptions();
  await page.getByLabel('Layout', { exact: true }).selectOption('Q4_K_M');
  await visitor.planned();
  await visitor.quantize();
  const saved = await visitor.saveWith(/^Save .+\.gguf$/);
  expect(saved.name).toBe('llama-Q4_K_M.gguf');
  const output = folder.at('llama.gguf');
  const { code } = await monoquant('quantize', whole, '--format', 'Q4_K_M', '-o', output);
  expect(code).toBe(0);
  expect(saved.sha256).toBe(sha256Of(readFileSync(output)));
  const card = visitor.card('What came out');
  expect(await card.getByRole('group', { name: 'Code for Ollama' }).innerText()).toContain(
    'FROM ./llama-Q4_K_M.gguf',
  );
  await card.getByRole('button', { name: 'Validate' }).click();
  await card.getByText(/valid/i).first().waitFor();
});

/**
 * One model after the other, without loading the page anew, and what a finished run can still be asked for.
 * It exists because what a run keeps on the device must go with it, and nothing else.
 * The outputs are large enough to be private files.
 */
import { readFileSync } from 'node:fs';
import { beforeAll, expect, it } from 'vitest';
import { Folder, monoquant } from '../support/cli.js';
import { weights } from '../support/models.js';
import { parseReport } from '../support/schema.js';
import { writeLarge } from './large-model.js';
import { visitors } from './visit.js';

const visit = visitors();
const folder = new Folder();
/** 80 MB of INT8. */
const PARTS = 20;
let large = '';

beforeAll(() => {
  large = writeLarge(folder, 'large.safetensors', PARTS);
});

it('the outputs of a model go when another one is opened', async () => {
  const visitor = await visit({ isolated: true });
  await visitor.pick(large);
  await visitor.opened('large.safetensors');
  await visitor.quantize();
  await expect.poll(() => visitor.privateFiles()).toHaveLength(1);
  // Another run of the same model is another output.
  await visitor.choose('FP16');
  await visitor.quantize();
  await expect.poll(() => visitor.privateFiles()).toHaveLength(2);
  await visitor.choose('INT8');
  const hash = (await visitor.save()).sha256;

  await visitor.tryExample();
  await expect.poll(() => visitor.privateFiles()).toEqual([]);
  expect(await visitor.card('What came out').count()).toBe(0);
  await visitor.quantize();
  expect((await visitor.save()).name).toBe('example-int8.safetensors');

  await visitor.pick(large);
  await visitor.opened('large.safetensors');
  await visitor.quantize();
  expect((await visitor.save()).sha256).toBe(hash);
});

it('what a tab left behind that was closed in the middle is gone when the page is next there', async () => {
  const visitor = await visit({ isolated: true });
  await visitor.pick(large);
  await visitor.opened('large.safetensors');
  await visitor.quantize();
  expect(await visitor.privateFiles()).toHaveLength(1);
  await visitor.page.reload();
  await visitor.badge('Engine ready').waitFor();
  await expect.poll(() => visitor.privateFiles()).toEqual([]);
});

it('what was typed about one model is not about the next', async () => {
  const visitor = await visit();
  const { page } = visitor;
  await visitor.tryExample();
  await visitor.moreOptions();
  const ignore = page.getByLabel('Leave alone', { exact: true });
  const search = visitor.card('Tensors').getByRole('searchbox');
  await ignore.fill('*self_attn*');
  await search.fill('norm');
  await expect.poll(() => page.locator('.command').innerText()).toContain('--ignore');
  // Another of the same name: only what is in it tells them apart.
  const other = new Folder();
  const path = other.write('example.safetensors', [weights('a.weight', 'F32', [64, 64])]);
  await visitor.pick(path);
  await page.getByRole('region', { name: 'Tensors' }).getByText('a.weight').first().waitFor();
  expect(await ignore.inputValue()).toBe('');
  expect(await search.inputValue()).toBe('');
  await expect.poll(() => page.locator('.command').innerText()).not.toContain('--ignore');
});

it('validated in one click; a report that repeats the run', async () => {
  const visitor = await visit({ isolated: true });
  const { page } = visitor;
  await visitor.tryExample();
  await visitor.choose('INT4');
  await visitor.quantize();
  const done = visitor.card('What came out');
  await done.getByRole('button', { name: 'Validate', exact: true }).click();
  await done.getByText(/^Valid: 7 quantized tensors compared with the original, SQNR/).waitFor();

  const [download] = await Promise.all([
    page.waitForEvent('download'),
    done.getByRole('button', { name: 'Save the report' }).click(),
  ]);
  expect(download.suggestedFilename()).toBe('example-int4-report.json');
  const path = folder.at('report.json');
  await download.saveAs(path);
  const report = parseReport(readFileSync(path, 'utf8'));
  const config = await visitor.copied('Copy as config');
  expect(report.configuration).toEqual(JSON.parse(config));
  expect(report.configuration).toMatchObject({ bits: 4, calibration: [] });
  expect(report.tensors).toHaveLength(7);
  // The command takes the report as a configuration, and plans the same.
  const words = ['quantize', large, '--config', path, '--dry-run', '--json'];
  const { code, stdout } = await monoquant(...words);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ configuration: report.configuration });
});

it('what is validated is the file that was saved', async () => {
  const visitor = await visit({ saveTo: 'picker' });
  await visitor.tryExample();
  await visitor.quantize();
  const { name } = await visitor.save();
  await visitor.page.evaluate(damageLastByte, name);
  const done = visitor.card('What came out');
  await done.getByRole('button', { name: 'Validate', exact: true }).click();
  await done.getByText(/^Not valid: 1 problem/).waitFor();
});

/** In the page: changes the file that the visitor has picked, somewhere in its last tensor. */
async function damageLastByte(name: string): Promise<void> {
  const root = await navigator.storage.getDirectory();
  const folder = await root.getDirectoryHandle('picked');
  const handle = await folder.getFileHandle(name);
  const file = await handle.getFile();
  const last = new Uint8Array(await file.slice(file.size - 1).arrayBuffer());
  const writable = await handle.createWritable({ keepExistingData: true });
  await writable.write({
    type: 'write',
    position: file.size - 1,
    data: last.map((byte) => byte ^ 1),
  });
  await writable.close();
}

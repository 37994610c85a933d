/**
 * Runs of a model that stand side by side: what is shown is of the choices that are shown, each has a file name of its
 * own, and none is lost without a question.
 * It exists because a result of the wrong setting is saved easily, and one that is gone was minutes of work.
 */
import { beforeAll, expect, it } from 'vitest';
import { Folder } from '../support/cli.js';
import { writeLarge } from './large-model.js';
import { type Visit, visitors } from './visit.js';

const visit = visitors();
const folder = new Folder();
let large = '';

beforeAll(() => {
  large = writeLarge(folder, 'large.safetensors', 20);
});

const chips = ({ page }: Visit) => page.getByRole('list', { name: 'Runs' }).getByRole('listitem');
const question = ({ page }: Visit) => page.getByRole('dialog', { name: /^Not saved yet/ });

it('a result is shown with the choices that it was made with, and no others', async () => {
  const visitor = await visit({ isolated: true });
  await visitor.tryExample();
  await visitor.quantize();
  const result = visitor.card('Result');
  await result.getByText('INT8', { exact: true }).first().waitFor();
  await result.getByRole('button', { name: 'Save example-int8.safetensors' }).waitFor();
  // Another choice is another plan, and nothing of the run is left beside it.
  await visitor.choose('INT4');
  await visitor.planned();
  expect(await result.getByRole('button', { name: /^Save/ }).count()).toBe(0);
  expect(await visitor.card('What came out').count()).toBe(0);
  await visitor.quantize();
  await result.getByRole('button', { name: 'Save example-int4.safetensors' }).waitFor();
  await expect.poll(() => chips(visitor).count()).toBe(2);
  // The first one is still there, with its choices.
  await chips(visitor).first().getByRole('button', { name: /^INT8/ }).click();
  expect(await visitor.page.getByRole('radio', { name: 'INT8' }).isChecked()).toBe(true);
  expect((await visitor.save()).name).toBe('example-int8.safetensors');
  expect(await chips(visitor).first().innerText()).not.toContain('not saved');
  expect(await chips(visitor).last().innerText()).toContain('not saved');
  await visitor.card('Runs side by side').getByRole('row', { name: /INT4/ }).waitFor();
});

it('two of the same bits are two files, and each can be named', async () => {
  const visitor = await visit({ isolated: true });
  const { page } = visitor;
  await visitor.tryExample();
  await visitor.choose('INT4');
  await visitor.quantize();
  await visitor.moreOptions();
  await page.getByLabel('One scale for').selectOption('32');
  await visitor.quantize();
  const name = page.getByLabel('File name');
  expect(await name.inputValue()).toBe('example-int4-2.safetensors');
  expect(await visitor.copied('Copy as command')).toContain('--output example-int4-2.safetensors');
  await name.fill('small ones/of 32');
  await name.press('Enter');
  expect(await name.inputValue()).toBe('small onesof 32.safetensors');
  // That of another run is not to be had.
  await name.fill('example-int4');
  await name.press('Enter');
  expect(await name.inputValue()).toBe('small onesof 32.safetensors');
  expect((await visitor.save()).name).toBe('small onesof 32.safetensors');
});

it('a run goes on as what it was begun as', async () => {
  const visitor = await visit({ isolated: true });
  const { page } = visitor;
  await visitor.pick(large);
  await visitor.opened('large.safetensors');
  await visitor.moreOptions();
  await page.getByLabel('Scales from').selectOption('mse');
  await visitor.planned();
  await visitor.quantizeButton.click();
  await page.getByText(/^[1-9][\d.]* MB of /).waitFor();
  await visitor.choose('FP16');
  await page.getByText('This run goes on as it was begun.').waitFor();
  await page.getByText('What is chosen now is planned when the run is done.').waitFor();
  // Nothing of the run's own plan stands beside the other choice.
  await expect.poll(() => visitor.card('Result').locator('.ratio').count()).toBe(0);
  expect(await visitor.quantizeButton.count()).toBe(0);
  await expect.poll(() => page.title()).toMatch(/^\d+ % · large\.safetensors/);
  // Its result is there when it is done, beside another plan.
  await expect.poll(() => chips(visitor).count(), { timeout: 60_000 }).toBe(2);
  expect(await chips(visitor).first().innerText()).toContain('INT8');
  expect(await visitor.card('What came out').count()).toBe(0);
  await visitor.planned();
}, 120_000);

it('another model asks before what is not saved is lost', async () => {
  const visitor = await visit({ isolated: true });
  const { page } = visitor;
  await visitor.pick(large);
  await visitor.opened('large.safetensors');
  await visitor.quantize();
  await visitor.showWaysIn();
  await page.getByRole('button', { name: 'Try an example' }).click();
  await question(visitor).waitFor();
  expect(await question(visitor).innerText()).toContain('INT8');
  // What loses nothing is the answer of Escape, and of the button that has the focus.
  await page.keyboard.press('Escape');
  await question(visitor).waitFor({ state: 'detached' });
  await visitor.opened('large.safetensors');
  expect(await visitor.privateFiles()).toHaveLength(1);
  await visitor.save();
  await visitor.showWaysIn();
  await page.getByRole('button', { name: 'Try an example' }).click();
  await visitor.opened('example.safetensors');
  expect(await question(visitor).count()).toBe(0);
  await expect.poll(() => visitor.privateFiles()).toEqual([]);
});

it('a run that is removed leaves nothing on the device', async () => {
  const visitor = await visit({ isolated: true });
  const { page } = visitor;
  await visitor.pick(large);
  await visitor.opened('large.safetensors');
  await visitor.quantize();
  expect(await visitor.privateFiles()).toHaveLength(1);
  await page.getByRole('button', { name: 'Remove the run INT8' }).click();
  await question(visitor).getByRole('button', { name: 'Keep it' }).click();
  expect(await chips(visitor).count()).toBe(1);
  await page.getByRole('button', { name: 'Remove the run INT8' }).click();
  await question(visitor).getByRole('button', { name: 'Go on without it' }).click();
  await expect.poll(() => visitor.privateFiles()).toEqual([]);
  await visitor.planned();
});

it('the tab is not closed over a result without a question', async () => {
  const visitor = await visit({ isolated: true });
  const { page } = visitor;
  page.removeAllListeners('dialog');
  const asked: string[] = [];
  page.on('dialog', (dialog) => {
    asked.push(dialog.type());
    void dialog.dismiss();
  });
  const tryToLeave = async () => {
    await page.evaluate(() => setTimeout(() => location.reload()));
    await page.waitForTimeout(500);
  };
  await visitor.tryExample();
  await visitor.quantize();
  await tryToLeave();
  expect(asked).toEqual(['beforeunload']);
  await visitor.opened('example.safetensors');
  await visitor.save();
  await tryToLeave();
  // It is saved: nothing was asked, and the page is new.
  expect(asked).toEqual(['beforeunload']);
  await page.getByText('Drop a model here').waitFor();
});

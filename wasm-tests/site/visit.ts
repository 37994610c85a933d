/**
 * A visitor of the site: a browser with nothing stored, the page in it, and what can be done there.
 * It exists so that tests say what somebody does, in the words that stand on the page.
 * Every visit ends with its test; a violated policy or an error in any console fails the test.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  type Browser,
  type BrowserContext,
  chromium,
  type Locator,
  type Page,
  type Request,
} from 'playwright';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { type SiteOptions, SiteServer } from './server.js';

/** Machines may be busy. */
const PATIENCE_MS = 30_000;

export const LAUNCH = {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox'],
};

/** Where "Save" goes: a download, or a place that the visitor is asked for. */
export type SaveTo = 'download' | 'picker';

export interface VisitOptions extends SiteOptions {
  readonly saveTo?: SaveTo;
  readonly width?: number;
  readonly colours?: 'light' | 'dark';
}

export interface SavedFile {
  readonly name: string;
  readonly sha256: string;
}

export type Preset = 'INT8' | 'INT4' | 'FP16';
/** As the cards of the page are called. */
export type Card =
  | 'Draw a digit'
  | 'Choose'
  | 'Result'
  | 'The model'
  | 'The plan'
  | 'What came out'
  | 'Runs side by side'
  | 'Tensors';

/** One browser for all tests of a file. */
export function visitors(): (options?: VisitOptions) => Promise<Visit> {
  let browser: Browser;
  const visits: Visit[] = [];
  beforeAll(async () => {
    browser = await chromium.launch(LAUNCH);
  });
  afterAll(() => browser.close());
  afterEach(async () => {
    const ended = visits.splice(0);
    await Promise.all(ended.map((visit) => visit.end()));
    for (const { complaints } of ended) expect(complaints).toEqual([]);
  });
  return async (options = {}) => {
    const { width = 1280, colours = 'light' } = options;
    const context = await browser.newContext({
      viewport: { width, height: 900 },
      colorScheme: colours,
    });
    const visit = await Visit.begin(context, options);
    visits.push(visit);
    return visit;
  };
}

export class Visit {
  readonly page: Page;
  readonly server: SiteServer;
  /** Of every console, and policies that were violated. */
  readonly complaints: string[] = [];
  readonly requests: Request[] = [];
  readonly #context: BrowserContext;
  readonly #saveTo: SaveTo;

  private constructor(page: Page, server: SiteServer, saveTo: SaveTo) {
    this.page = page;
    this.server = server;
    this.#context = page.context();
    this.#saveTo = saveTo;
  }

  /** The page is there and its engine is up. */
  static async begin(context: BrowserContext, options: VisitOptions = {}): Promise<Visit> {
    const { saveTo = 'download' } = options;
    const server = await SiteServer.start(options);
    await context.grantPermissions(['clipboard-read', 'clipboard-write'], {
      origin: server.origin,
    });
    await context.addInitScript(saveTo === 'picker' ? pickOwnFiles : haveNoPicker);
    await context.addInitScript(tellViolations);
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    // Whoever leaves with something unsaved means it, unless a test says otherwise.
    page.on('dialog', (dialog) => void dialog.accept().catch(() => {}));
    const visit = new Visit(page, server, saveTo);
    page.on('pageerror', (error) => visit.complaints.push(String(error)));
    page.on('console', (message) => {
      // Files that are opened by themselves have no icon, which browsers then look for.
      const isIcon = message.location().url.endsWith('/favicon.ico');
      if (message.type() === 'error' && !isIcon) visit.complaints.push(message.text());
    });
    context.on('request', (request) => visit.requests.push(request));
    await page.goto(server.url);
    await visit.badge('Engine ready').waitFor();
    return visit;
  }

  async end(): Promise<void> {
    await this.#context.close();
    await this.server.stop();
  }

  badge(words: string | RegExp): Locator {
    return this.page.locator('.badge').filter({ hasText: words });
  }

  /** The whole site is kept on the device, and the page has loaded all that it ever loads. */
  async worksOffline(): Promise<void> {
    await this.badge('works offline').waitFor();
    await this.page.waitForFunction(() =>
      performance.getEntriesByType('resource').some(({ name }) => /\/charts-.*\.js$/.test(name)),
    );
  }

  card(name: Card): Locator {
    return this.page.getByRole('region', { name, exact: true });
  }

  async pick(...paths: string[]): Promise<void> {
    await this.page.locator('.drop input[type=file]').first().setInputFiles(paths);
  }

  /** The ways in stand in a menu once a model is open. */
  async showWaysIn(): Promise<void> {
    const menu = this.page.locator('.another:not([open]) > summary');
    if ((await menu.count()) > 0) await menu.click();
  }

  async openUrl(url: string): Promise<void> {
    await this.showWaysIn();
    await this.page.getByLabel('or paste a URL').fill(url);
    await this.page.getByRole('button', { name: 'Open', exact: true }).click();
  }

  /** As from a file manager, with all that a real drop brings. */
  async drop(name: string, path: string): Promise<void> {
    const transfer = await this.page.evaluateHandle(
      ([fileName, base64]) => {
        const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
        const made = new DataTransfer();
        made.items.add(new File([bytes], fileName));
        return made;
      },
      [name, readFileSync(path).toString('base64')] as const,
    );
    for (const type of ['dragenter', 'dragover', 'drop']) {
      await this.page.dispatchEvent('body', type, { dataTransfer: transfer });
    }
  }

  /** What the card of the model is called: its name. */
  async opened(name: string): Promise<void> {
    const heading = this.page.getByRole('heading', { name, exact: true });
    const goOn = this.page.getByRole('button', { name: 'Go on without it' });
    await heading.or(goOn).first().waitFor();
    if (await goOn.isVisible()) await goOn.click();
    await heading.waitFor();
  }

  async tryExample(): Promise<void> {
    await this.showWaysIn();
    await this.page.getByRole('button', { name: 'Try an example' }).click();
    await this.opened('example.safetensors');
  }

  async choose(preset: Preset): Promise<void> {
    await this.page.getByRole('radio', { name: preset }).check();
  }

  /** By the search of the table, and in the inspector. */
  async chooseFor(tensor: string, choice: '4' | '8' | '16' | 'none'): Promise<void> {
    const card = this.card('Tensors');
    await card.getByRole('searchbox').fill(tensor);
    await card.locator(`[role=gridcell][title=${JSON.stringify(tensor)}]`).click();
    const choices = this.page.getByLabel(`Choice for ${tensor}`, { exact: true });
    await choices.selectOption(choice);
    await this.page.getByRole('button', { name: 'Close', exact: true }).click();
    await card.getByRole('searchbox').fill('');
  }

  /** The inspector of the tensor that lost most, with its charts. */
  async showWorst(): Promise<void> {
    await this.card('Result').locator('.short').click();
    await this.page.locator('.histogram canvas').nth(1).waitFor();
  }

  async moreOptions(): Promise<void> {
    await this.page.getByText('More options', { exact: true }).click();
  }

  /** The plan of what is chosen is there and can be run. */
  async planned(): Promise<void> {
    await expect
      .poll(() => this.quantizeButton.isEnabled({ timeout: PATIENCE_MS }), { timeout: PATIENCE_MS })
      .toBe(true);
  }

  get quantizeButton(): Locator {
    return this.page.getByRole('button', { name: 'Quantize', exact: true });
  }

  async quantize(): Promise<void> {
    await this.planned();
    await this.quantizeButton.click();
    await this.done();
  }

  /** A run has ended just now: its result has the focus, which the button had before. */
  async done(): Promise<void> {
    await this.page.locator('h2:focus').filter({ hasText: 'Done' }).waitFor();
  }

  save(): Promise<SavedFile> {
    return this.saveWith(/^Save .+\.(safetensors|pt)$/);
  }

  /** By the button of this name. */
  async saveWith(name: RegExp): Promise<SavedFile> {
    const button = this.page.getByRole('button', { name });
    if (this.#saveTo === 'download') {
      const [download] = await Promise.all([this.page.waitForEvent('download'), button.click()]);
      const bytes = readFileSync(await download.path());
      return { name: download.suggestedFilename(), sha256: sha256Of(bytes) };
    }
    await button.click();
    await this.page.getByRole('status').filter({ hasText: 'is saved, complete' }).waitFor();
    return this.page.evaluate(readOwnFile);
  }

  /** What the button puts on the clipboard. */
  async copied(label: 'Copy as command' | 'Copy as config'): Promise<string> {
    await this.page.evaluate(() => navigator.clipboard.writeText(''));
    await this.page.getByRole('button', { name: label }).click();
    const read = () => this.page.evaluate(() => navigator.clipboard.readText());
    await expect.poll(read, { timeout: PATIENCE_MS }).not.toBe('');
    return read();
  }

  /** Names of the private files that the page keeps on the device. */
  privateFiles(): Promise<string[]> {
    return this.page.evaluate(async () => {
      const root = await navigator.storage.getDirectory();
      const folder = await root.getDirectoryHandle('monoquant', { create: true });
      const names: string[] = [];
      for await (const name of folder.keys()) names.push(name);
      return names;
    });
  }
}

export function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

// What follows runs in the page, as text: it can use nothing of this file.

function tellViolations(): void {
  document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => {
    console.error(`securitypolicyviolation: ${violatedDirective} ${blockedURI}`);
  });
}

function haveNoPicker(): void {
  Object.defineProperty(window, 'showSaveFilePicker', { value: undefined });
}

/** The place that a visitor would pick, in the page's own storage. */
function pickOwnFiles(): void {
  const pick = async ({ suggestedName }: { suggestedName: string }) => {
    const root = await navigator.storage.getDirectory();
    const folder = await root.getDirectoryHandle('picked', { create: true });
    return folder.getFileHandle(suggestedName, { create: true });
  };
  Object.defineProperty(window, 'showSaveFilePicker', { value: pick });
}

async function readOwnFile(): Promise<SavedFile> {
  const root = await navigator.storage.getDirectory();
  const folder = await root.getDirectoryHandle('picked');
  for await (const name of folder.keys()) {
    const file = await (await folder.getFileHandle(name)).getFile();
    const digest = await crypto.subtle.digest('SHA-256', await file.arrayBuffer());
    const bytes = Array.from(new Uint8Array(digest));
    return { name, sha256: bytes.map((byte) => byte.toString(16).padStart(2, '0')).join('') };
  }
  throw new Error('Nothing was saved.');
}

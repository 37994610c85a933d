/**
 * Firefox, driven through WebDriver BiDi: one browser with a profile of its own, and pages in it.
 * It exists because the other tests drive Chromium, and its driver asks Debian's Firefox for what it does not know.
 * Only what the tests use: pages, scripts in them, files for their inputs, what their consoles say.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import WebSocket from 'ws';

const PROGRAM = process.env.FIREFOX ?? '/usr/bin/firefox-esr';
/** Machines may be busy. */
const PATIENCE_MS = 150_000;

/** Nothing is fetched that no page asked for; files are saved without a question. */
const PREFERENCES: Readonly<Record<string, boolean | number | string>> = {
  'app.update.auto': false,
  'browser.download.folderList': 2, // the folder named
  'browser.download.useDownloadDir': true,
  'browser.safebrowsing.downloads.enabled': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'toolkit.telemetry.enabled': false,
};

interface Answer {
  readonly id?: number;
  readonly type: 'success' | 'error' | 'event';
  readonly method?: string;
  readonly result?: unknown;
  readonly params?: unknown;
  readonly error?: string;
  readonly message?: string;
}

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

interface LogEntry {
  readonly level: string;
  readonly text: string | null;
  readonly source: { readonly context?: string };
}

export class Firefox {
  readonly #process: ChildProcess;
  readonly #profile: string;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, Waiting>();
  readonly #onLog: ((entry: LogEntry) => void)[] = [];
  #count = 0;

  private constructor(browser: ChildProcess, profile: string, socket: WebSocket) {
    this.#process = browser;
    this.#profile = profile;
    this.#socket = socket;
    socket.on('message', (data) => this.#receive(JSON.parse(String(data)) as Answer));
    socket.on('close', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('Firefox is gone.'));
    });
  }

  static async launch(more: Readonly<Record<string, unknown>> = {}): Promise<Firefox> {
    const profile = mkdtempSync(join(tmpdir(), 'monoquant-firefox-'));
    const downloads = join(profile, 'downloads');
    mkdirSync(downloads);
    const preferences = { ...PREFERENCES, ...more, 'browser.download.dir': downloads };
    const lines = Object.entries(preferences).map(
      ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});`,
    );
    writeFileSync(join(profile, 'user.js'), lines.join('\n'));
    const words = ['--headless', '--no-remote', '--profile', profile, '--remote-debugging-port=0'];
    const browser = spawn(PROGRAM, words, { stdio: ['ignore', 'ignore', 'pipe'] });
    const socket = new WebSocket(`${await addressOf(browser)}/session`);
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    const firefox = new Firefox(browser, profile, socket);
    await firefox.send('session.new', { capabilities: {} });
    await firefox.send('session.subscribe', { events: ['log.entryAdded'] });
    return firefox;
  }

  /** The folder in which downloads end up. */
  get downloads(): string {
    return join(this.#profile, 'downloads');
  }

  async open(url: string): Promise<FirefoxPage> {
    const created = await this.send('browsingContext.create', { type: 'tab' });
    const page = new FirefoxPage(this, (created as { context: string }).context);
    this.#onLog.push((entry) => page.hear(entry));
    await page.go(url);
    return page;
  }

  send(method: string, params: object): Promise<unknown> {
    const id = ++this.#count;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#socket.send(JSON.stringify({ id, method, params }));
    });
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#socket.close();
    this.#process.kill();
    await ended;
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }

  #receive({ id, type, method, result, params, error, message }: Answer): void {
    if (method === 'log.entryAdded') for (const hear of this.#onLog) hear(params as LogEntry);
    const waiting = this.#waiting.get(id ?? 0);
    if (waiting === undefined) return;
    this.#waiting.delete(id ?? 0);
    if (type === 'error') waiting.reject(new Error(`${error}: ${message}`));
    else waiting.resolve(result);
  }
}

export class FirefoxPage {
  /** What went wrong in the page, as its console has it. */
  readonly complaints: string[] = [];
  readonly #firefox: Firefox;
  readonly #context: string;

  constructor(firefox: Firefox, context: string) {
    this.#firefox = firefox;
    this.#context = context;
  }

  hear({ level, text, source }: LogEntry): void {
    if (level === 'error' && source.context === this.#context) this.complaints.push(text ?? '');
  }

  async go(url: string): Promise<void> {
    const params = { context: this.#context, url, wait: 'complete' };
    await this.#firefox.send('browsingContext.navigate', params);
  }

  async resize(width: number, height: number): Promise<void> {
    const params = { context: this.#context, viewport: { width, height } };
    await this.#firefox.send('browsingContext.setViewport', params);
  }

  /** The value of an expression or of its promise: text. */
  async evaluate(expression: string): Promise<string> {
    const answer = await this.#script(`Promise.resolve(${expression}).then(String)`);
    return (answer as { value: string }).value;
  }

  /** Waits until an expression is true. */
  async until(expression: string): Promise<void> {
    const end = performance.now() + PATIENCE_MS;
    while ((await this.evaluate(`Boolean(${expression})`)) !== 'true') {
      if (performance.now() > end) {
        const shown = await this.evaluate('document.body.innerText');
        throw new Error(`Never true: ${expression}. The page shows:\n${shown}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Puts files into an input. */
  async setFiles(selector: string, files: readonly string[]): Promise<void> {
    const element = await this.#script(`document.querySelector(${JSON.stringify(selector)})`);
    const params = { context: this.#context, element, files };
    await this.#firefox.send('input.setFiles', params);
  }

  async #script(expression: string): Promise<unknown> {
    const answer = (await this.#firefox.send('script.evaluate', {
      expression,
      target: { context: this.#context },
      awaitPromise: true,
      userActivation: true,
    })) as { type: string; result: unknown; exceptionDetails?: { text: string } };
    if (answer.type === 'exception') throw new Error(answer.exceptionDetails?.text);
    return answer.result;
  }
}

/** Where Firefox listens, which it says when it does. */
function addressOf(browser: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    browser.once('error', reject);
    browser.once('exit', (code) => reject(new Error(`Firefox ended with ${code}.`)));
    if (browser.stderr === null) return reject(new Error('Firefox has no stderr.'));
    createInterface(browser.stderr).on('line', (line) => {
      const address = /WebDriver BiDi listening on (ws:\/\/\S+)/.exec(line)?.[1];
      if (address !== undefined) resolve(address);
    });
  });
}

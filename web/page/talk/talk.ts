/**
 * Talking to a model: the floats that it came with, and what quantization makes of it, answer the same question.
 * It exists because an answer says more of a language model than decibels.
 * Both are GGUF files that the engine writes on this device, as the command does.
 */
import { signal } from '@preact/signals';
import type { Catalog, PlanOptions, QuantizeResult } from 'monoquant';
import { countBy } from '../../../js/words/counts.js';
import { outputName } from '../command.js';
import { type Fault, faultOf, isAborted } from '../fault.js';
import type { OpenModel } from '../open-model.js';
import { saveBlob } from '../save.js';
import { Work } from '../work.js';
import type { Answer } from './protocol.js';
import { Runner } from './runner.js';

export type TalkFormat = NonNullable<PlanOptions['format']>;

/** Those that are offered; the card has their words. */
export const TALK_FORMATS = ['Q8_0', 'Q6_K', 'Q5_K_M', 'Q4_K_M', 'Q3_K_M', 'Q2_K'] as const;

/** Of the weights: both files and what they are read into have to fit into memory. */
const LARGEST_BYTES = 1_000_000_000;
/** Tokens of an answer. */
const MOST_TOKENS = 128;

export interface Speaker {
  readonly name: string;
  readonly bytes: number;
  /** As far as it is there. */
  readonly text: string;
  readonly answer: Answer | undefined;
  readonly isSpeaking: boolean;
}

/** Whether the model came with all that a language model needs to speak: those are folders. */
export function mayTalk({ folder, config, catalog, beside }: OpenModel): boolean {
  const hasTokenizer = beside.some(({ name }) => /^tokenizer\.(json|model)$/.test(name));
  return folder === true && config !== undefined && hasTokenizer && catalog.bytes < LARGEST_BYTES;
}

export class Talk {
  readonly state = signal<'idle' | 'making' | 'loading' | 'ready' | 'answering'>('idle');
  readonly making = new Work();
  readonly speakers = signal<readonly Speaker[]>([]);
  readonly threads = signal(1);
  readonly fault = signal<Fault | undefined>(undefined);
  readonly saving = new Work();
  readonly #model: OpenModel;
  /** The quantized one, for whoever likes what it says. */
  #made: QuantizeResult | undefined;
  #runner: Runner | undefined;
  #isOver = false;

  constructor(model: OpenModel) {
    this.#model = model;
  }

  /** Makes both files and loads them. What runs them is fetched from this site. */
  async begin(format: TalkFormat): Promise<void> {
    const results: QuantizeResult[] = [];
    this.#end();
    this.#isOver = false;
    this.fault.value = undefined;
    this.state.value = 'making';
    try {
      const { handle } = this.#model;
      const runner = Runner.start();
      runner.catch(() => {});
      results.push(await this.making.run((run) => handle.convert({ container: 'gguf', ...run })));
      results.push(await this.making.run((run) => handle.quantize({ format, ...run })));
      this.state.value = 'loading';
      this.#runner = await runner;
      const names = [`As it came (${storedType(this.#model.catalog)})`, format];
      for (const [index, result] of results.entries()) {
        const name = names[index] ?? format;
        const given = { name, file: result.blob() };
        const { threads } = await this.#runner.ask('load', given);
        this.threads.value = threads;
        this.#add({ name, bytes: given.file.size });
      }
      if (this.#isOver) this.#end();
      else this.state.value = 'ready';
    } catch (error) {
      this.#fail(error);
    } finally {
      // The bytes of the floats are in the memory of what runs them.
      this.#made = this.state.peek() === 'ready' ? results.pop() : undefined;
      await Promise.all(results.map((result) => result.close()));
    }
  }

  /** The quantized file, under the name that the command gives it. */
  async save(): Promise<void> {
    const made = this.#made;
    if (made === undefined) return;
    const name = outputName(this.#model.name, made.report.configuration);
    try {
      await this.saving.run((run) => saveBlob(made.blob(), name, run));
    } catch {
      // The work has kept what went wrong.
    }
  }

  /** One after the other, so that each has the whole processor. */
  async ask(question: string): Promise<void> {
    const runner = this.#runner;
    if (runner === undefined || this.state.peek() !== 'ready') return;
    this.state.value = 'answering';
    this.speakers.value = this.speakers
      .peek()
      .map((speaker) => ({ ...speaker, text: '', answer: undefined }));
    try {
      for (const { name } of this.speakers.peek()) {
        this.#change(name, { isSpeaking: true });
        const given = { name, question, most: MOST_TOKENS };
        const answer = await runner.ask('ask', given, (text) => this.#change(name, { text }));
        this.#change(name, { text: answer.text, answer, isSpeaking: false });
      }
      this.state.value = 'ready';
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Nothing of it is left in memory. */
  end(): void {
    this.#isOver = true;
    this.making.forget();
    this.#end();
  }

  #end(): void {
    this.#runner?.end();
    this.#runner = undefined;
    void this.#made?.close();
    this.#made = undefined;
    this.saving.forget();
    this.speakers.value = [];
    this.state.value = 'idle';
  }

  #fail(error: unknown): void {
    // What cannot be made is told by the work.
    const isTold = this.state.peek() === 'making' && this.making.fault.peek() !== undefined;
    if (!this.#isOver && !isTold && !isAborted(error)) this.fault.value = faultOf(error);
    this.#end();
  }

  #add(speaker: Pick<Speaker, 'name' | 'bytes'>): void {
    const silent = { text: '', answer: undefined, isSpeaking: false };
    this.speakers.value = [...this.speakers.peek(), { ...speaker, ...silent }];
  }

  #change(name: string, changes: Partial<Speaker>): void {
    this.speakers.value = this.speakers
      .peek()
      .map((speaker) => (speaker.name === name ? { ...speaker, ...changes } : speaker));
  }
}

/** Of most of its bytes. */
function storedType({ tensors }: Catalog): string {
  const types = countBy(
    tensors,
    ({ dtype }) => dtype,
    ({ bytes }) => bytes,
  );
  return types[0]?.[0] ?? '';
}

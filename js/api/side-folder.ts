/**
 * What stands beside the weights of a language model, and is needed to write it as a GGUF file: its configuration,
 * tokenizer, chat template.
 */
import { MonoquantError } from './errors.js';

export interface SideFile {
  /** In the folder: `tokenizer.json`. */
  readonly path: string;
  readonly bytes: Uint8Array;
}

export interface SideFolder {
  /** What the folder is called: a model without another name is called so. */
  readonly name: string;
  readonly files: readonly SideFile[];
}

/** Whether the file says something that goes into a GGUF file. */
export function isForGguf(path: string): boolean {
  return NAMES.includes(path) || /^additional_chat_templates\/[^/]+\.jinja$/.test(path);
}

const NAMES: readonly string[] = [
  'config.json',
  'generation_config.json',
  'tokenizer.json',
  'tokenizer.model',
  'tokenizer_config.json',
  'added_tokens.json',
  'vocab.json',
  'merges.txt',
  'chat_template.jinja',
  'chat_template.json',
  'modules.json',
  'README.md',
];

/** Tokenizers of the largest vocabularies take 34 MB. */
const MOST_BYTES = 64 << 20;

/** Throws before anything is read. */
export function checkSideFile(path: string, bytes: number): void {
  if (bytes <= MOST_BYTES) return;
  throw new MonoquantError(
    'limit-exceeded',
    `Expected at most ${MOST_BYTES} bytes in "${path}", found ${bytes}.`,
    { suggestion: 'Look whether the file belongs to the model, and get it again.' },
  );
}

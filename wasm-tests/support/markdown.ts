/**
 * Documents in Markdown: their fenced blocks, their prose, their headings.
 * Knows what this project's documents use of Markdown, and no more.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export const ROOT = join(import.meta.dirname, '../..');

export interface Block {
  /** `README.md:20` */
  readonly where: string;
  /** All that stands behind the fence. */
  readonly language: string;
  readonly text: string;
}

/** `document`: its path in the checkout. */
export function read(document: string): string {
  return readFileSync(join(ROOT, document), 'utf8');
}

/** What stands in fences. */
export function blocksOf(document: string): Block[] {
  const text = read(document);
  return [...text.matchAll(/^( *)```(.*)\n([\s\S]*?)^\1```$/gm)].map((match) => ({
    where: `${document}:${text.slice(0, match.index).split('\n').length}`,
    language: match[2] ?? '',
    text: (match[3] ?? '').replaceAll(new RegExp(`^${match[1]}`, 'gm'), ''),
  }));
}

/** Without what stands in fences, where `#` is a comment and brackets are code. */
export function proseOf(document: string): string {
  return read(document).replace(/^( *)```[\s\S]*?^\1```$/gm, '');
}

/** The anchors of its headings, as hosts of repositories make them. */
export function headingsOf(document: string): string[] {
  const headings = proseOf(document).matchAll(/^#+ (.*)$/gm);
  return [...headings].map(([, text = '']) =>
    text
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(/\s/g, '-'),
  );
}

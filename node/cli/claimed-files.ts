/**
 * Files that are claimed before the work and get their content after it: all of them, or none.
 */
import { OutputFile } from '../output-file.js';
import { publish } from '../publication.js';

/** `contentsOf` does the work, and answers what goes into each of `paths`. */
export async function withClaimed(
  paths: readonly string[],
  force: boolean,
  contentsOf: () => readonly string[] | Promise<readonly string[]>,
): Promise<void> {
  const files: OutputFile[] = [];
  try {
    for (const path of paths) files.push(OutputFile.create(path, { force, inputs: [] }));
    const contents = await contentsOf();
    for (const [index, file] of files.entries()) file.fill(contents[index] ?? '');
    if (files.length > 0) await publish(files);
  } finally {
    for (const file of files) file.discard();
  }
}

/**
 * Everything that a run writes: the weights and, in a folder, what has to stand beside them.
 * It exists so that places are claimed before the work, and all of it appears together or not at all.
 * A rehearsal claims the same places and gives them back.
 */
import { dirname } from 'node:path';
import type { OutputConfig } from '../js/api/model-config.js';
import { isPackedName } from '../js/api/options.js';
import type { Container } from '../js/api/types.js';
import type { CalibrationFiles } from './calibration-files.js';
import { pathOf } from './input-file.js';
import type { ModelInput } from './model-input.js';
import type { OutputPlace } from './open-file.js';
import { OutputFile } from './output-file.js';
import {
  type FolderSource,
  type FolderTerms,
  type MadeFolder,
  makeFolder,
  OutputFolder,
} from './output-folder.js';
import { weightsOf } from './output-name.js';
import type { PartialFile } from './partial-file.js';
import { publish } from './publication.js';

export interface OutputTerms extends FolderTerms {
  /** Of the weights in a folder; the name of a file says it itself. */
  readonly container: Container;
}

/** What it is made from; a file needs no more than its identities. */
export type OutputSource = FolderSource & Pick<ModelInput, 'named'>;

export interface Publication {
  /** What loaders are to be told of the weights. */
  readonly config: OutputConfig;
  /** What appears together with them. */
  readonly companions?: readonly OutputFile[];
  /** False if it ends with the process anyway. */
  readonly lasts?: boolean;
  readonly signal?: AbortSignal | undefined;
}

export class Output {
  /** Of the weights. */
  readonly path: string;
  readonly #weights: OutputFile;
  readonly #folder: OutputFolder | undefined;
  readonly #made: MadeFolder;
  /** What is compressed into the weights. */
  readonly #draft: PartialFile | undefined;

  private constructor(
    path: string,
    weights: OutputFile,
    draft: PartialFile | undefined,
    folder: OutputFolder | undefined,
    made: MadeFolder,
  ) {
    this.path = path;
    this.#draft = draft;
    this.#weights = weights;
    this.#folder = folder;
    this.#made = made;
  }

  /** `named` is a file or a folder, a path or a file: URL. Throws before anything is written if something is in the way. */
  static claim(
    named: string,
    input: OutputSource,
    { container, calibration, ...terms }: OutputTerms & { readonly calibration?: CalibrationFiles },
  ): Output {
    const place = pathOf(named, 'output');
    const path = weightsOf(place, input.named, container);
    calibration?.checkOutput(path);
    const made = makeFolder(dirname(path));
    let folder: OutputFolder | undefined;
    try {
      if (path !== place) folder = OutputFolder.begin(path, input, terms);
      const { force } = terms;
      const weights = OutputFile.create(path, { force, inputs: input.identities });
      try {
        const draft = isPackedName(path) ? weights.draft() : undefined;
        return new Output(path, weights, draft, folder, made);
      } catch (error) {
        weights.discard();
        throw error;
      }
    } catch (error) {
      folder?.discard();
      made.undo();
      throw error;
    }
  }

  /** For who writes the weights. */
  get sink(): OutputPlace {
    const file = { ...this.#weights.file, besides: this.#folder?.bytes ?? 0 };
    if (this.#draft === undefined) return file;
    const { descriptor, path: place } = this.#draft;
    return { ...file, descriptor, place };
  }

  /** Where they are to be compressed, if they are. */
  get packed(): OutputPlace | undefined {
    return this.#draft && this.#weights.file;
  }

  /** The weights are a copy of this file, sharing its bytes if that is possible and allowed. */
  async fillFrom(source: string, mayShare: boolean): Promise<void> {
    await this.#weights.fillFrom(source, mayShare);
  }

  async publish({ config, companions = [], lasts = true, signal }: Publication): Promise<void> {
    this.#draft?.remove();
    const beside = (await this.#folder?.fill(config)) ?? [];
    const folders = [...this.#made.parents, ...(this.#folder?.parents ?? [])];
    // Last of all the weights: without them no loader takes the folder for a model.
    await publish([...beside, ...companions, this.#weights], { folders, lasts, signal });
  }

  /** Leaves nothing behind. Harmless after all was published. */
  discard(): void {
    this.#draft?.remove();
    this.#weights.discard();
    this.#folder?.discard();
    this.#made.undo();
  }
}
